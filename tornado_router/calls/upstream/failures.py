"""What a broken connection to a vendor means to the client, in one table."""

from __future__ import annotations

import ssl
from urllib.parse import urlsplit

import aiohttp

from tornado_router.error_codes import Failure
from tornado_router.errors import ProviderError

PROXY_REFUSED = 407
"""No vendor responds so: it is the proxy that wants to know who asks (RFC 9110 section 15.5.8)."""

FAILURES = (aiohttp.ClientError, TimeoutError, OSError)
"""What a connection raises if it cannot be made, breaks, or takes too long."""

_ENCODING = "content-encoding"
"""In what aiohttp says of a body that it cannot inflate; there is no class for it."""


def failure(provider: str, error: Exception, url: str = "") -> ProviderError:
    """The error for a client: 504 after a time-out, else 502.

    Its `words` say for the log what happened, and where.

    Args:
        provider: name of the provider's table.
        error: one of `FAILURES`.
        url: where the request went.
    """
    match error:
        case aiohttp.ClientHttpProxyError():
            return Failure.proxy_refused(provider=provider, status=error.status)
        case aiohttp.ClientProxyConnectionError():
            row = Failure.proxy_error
        case aiohttp.ConnectionTimeoutError():
            row = Failure.connect_timeout
        case TimeoutError():
            row = Failure.timeout
        case aiohttp.ClientSSLError() | ssl.SSLError():
            row = Failure.tls_error
        case aiohttp.ClientConnectorError():
            row = Failure.connection_error
        case aiohttp.ClientError() if _ENCODING in str(error):
            row = Failure.unreadable_encoding
        case _:
            row = Failure.connection_broken
    made = row(provider=provider)
    made.words = ": ".join(filter(None, (_host(error, url), _reason(error))))
    return made


def _host(error: Exception, url: str) -> str:
    """The host, and the port if it is not the usual one, that could not be reached."""
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return f"{error.host}:{error.port}"
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname or ""
    except ValueError:
        return ""


def _reason(error: BaseException) -> str:
    """What the operating system, TLS or the HTTP client says; never a URL."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return _reason(error.certificate_error)
        case aiohttp.ClientConnectorError():  # one of TLS lacks the fields of an `ssl.SSLError`
            return _reason(error.os_error)
        case ssl.SSLCertVerificationError():
            return error.verify_message
        case ssl.SSLError():
            return error.reason or "TLS failed"
        case TimeoutError():
            return "no response in time"
        case aiohttp.ClientResponseError():
            return error.message
        case OSError():
            return error.strerror or str(error)
    return str(error) or type(error).__name__
