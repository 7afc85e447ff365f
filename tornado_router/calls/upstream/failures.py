"""What a broken connection to a vendor means to the client, in one table."""

from __future__ import annotations

import ssl

import aiohttp

from tornado_router.error_codes import Failure
from tornado_router.errors import ProviderError

PROXY_REFUSED = 407
"""No vendor responds so: it is the proxy that wants to know who asks (RFC 9110 section 15.5.8)."""

FAILURES = (aiohttp.ClientError, TimeoutError, OSError)
"""What a connection raises if it cannot be made, breaks, or takes too long."""

_ENCODING = "content-encoding"
"""In what aiohttp says of a body that it cannot inflate; there is no class for it."""


def failure(provider: str, error: Exception) -> ProviderError:
    """The error for a client: 504 after a time-out, else 502.

    Args:
        provider: name of the provider's table.
        error: one of `FAILURES`.
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
        case aiohttp.ClientError() if "content-encoding" in str(
            error
        ):  # it has no class of its own
            row = Failure.unreadable_encoding
        case _:
            row = Failure.connection_broken
    return row(provider=provider)
