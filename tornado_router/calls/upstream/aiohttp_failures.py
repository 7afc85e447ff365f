"""What aiohttp's exceptions mean to the client; the others are in `failures`."""

from __future__ import annotations

import aiohttp

from tornado_router.calls.upstream import failures
from tornado_router.calls.upstream.failures import host_of, provider_error, reason
from tornado_router.error_codes import Failure
from tornado_router.errors import ProviderError

FAILURES = (aiohttp.ClientError, *failures.FAILURES)
"""What aiohttp raises if a connection cannot be made, breaks, or takes too long."""

_ENCODING = "content-encoding"
"""In what aiohttp says of a body that it cannot inflate; there is no class for it."""


def failure(provider: str, error: Exception, url: str = "") -> ProviderError:
    """The error for a client, as `failures.failure` gives it.

    Args:
        provider: name of the provider's table.
        error: one of `FAILURES`.
        url: where the request went.
    """
    host = host_of(url)
    match error:
        case aiohttp.ClientHttpProxyError():
            return Failure.proxy_refused(provider=provider, status=error.status)
        case aiohttp.ClientProxyConnectionError():
            row, host = Failure.proxy_error, f"{error.host}:{error.port}"
        case aiohttp.ConnectionTimeoutError():
            row = Failure.connect_timeout
        case TimeoutError():
            row = Failure.timeout
        case aiohttp.ClientSSLError():
            row = Failure.tls_error
        case aiohttp.ClientConnectorError():
            row = Failure.connection_error
        case aiohttp.ClientError() if _ENCODING in str(error):
            row = Failure.unreadable_encoding
        case aiohttp.ClientError():
            row = Failure.connection_broken
        case _:
            return failures.failure(provider, error, url)
    return provider_error(row, provider, host, _reason(error))


def _reason(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return reason(error.certificate_error)
        case aiohttp.ClientConnectorError():  # one of TLS lacks the fields of an `ssl.SSLError`
            return reason(error.os_error)
        case aiohttp.ClientResponseError():
            return error.message
    return reason(error)
