"""What a broken connection to a vendor means to the client, in one table.

Those of aiohttp's own exceptions are in `aiohttp_failures`, so that this needs no aiohttp.
"""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

from tornado_router.error_codes import Failure
from tornado_router.errors import ErrorCode, ProviderError

PROXY_REFUSED = 407
"""No vendor responds so: it is the proxy that wants to know who asks (RFC 9110 section 15.5.8)."""


class ConnectTimeoutError(TimeoutError):
    """There was no connection in time."""


class UnreachableError(OSError):
    """No connection can be made; says what the operating system says."""


class BrokenResponseError(Exception):
    """A response is not HTTP, or ends before its end; says why."""


class UnreadableEncodingError(BrokenResponseError):
    """A body was compressed in a way that cannot be read."""


FAILURES = (OSError, BrokenResponseError)
"""What a connection raises if it cannot be made, breaks, or takes too long: time-outs and what TLS
says are an OSError, too."""


def failure(provider: str, error: Exception, url: str = "") -> ProviderError:
    """The error for a client: 504 after a time-out, else 502.

    Its `words` say for the log what happened, and where.

    Args:
        provider: name of the provider's table.
        error: one of `FAILURES`.
        url: where the request went.
    """
    match error:
        case ConnectTimeoutError():
            row = Failure.connect_timeout
        case TimeoutError():
            row = Failure.timeout
        case ssl.SSLError():
            row = Failure.tls_error
        case UnreachableError():
            row = Failure.connection_error
        case UnreadableEncodingError():
            row = Failure.unreadable_encoding
        case _:
            row = Failure.connection_broken
    return provider_error(row, provider, host_of(url), reason(error))


def provider_error(
    row: ErrorCode[ProviderError], provider: str, host: str, words: str
) -> ProviderError:
    """The error of a row, with its words for the log.

    Args:
        row: that takes the provider's name and nothing else.
        provider: name of the provider's table.
        host: that was to be reached; may be empty.
        words: what went wrong; may be empty.
    """
    made = row(provider=provider)
    made.words = ": ".join(filter(None, (host, words)))
    return made


def host_of(url: str) -> str:
    """The host of a URL, and the port if it is not the usual one; never a user or a path."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return ""


def reason(error: BaseException) -> str:
    """What the operating system, TLS or the HTTP client says; never a URL."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case ssl.SSLError():
            return error.reason or "TLS failed"
        case TimeoutError():
            return "no response in time"
        case OSError():
            return error.strerror or str(error)
    return str(error) or type(error).__name__
