"""What a broken connection to a vendor means to the client, in one table."""

from __future__ import annotations

import ssl

import aiohttp

from tornado_router.errors import ProviderError

FAILURES = (aiohttp.ClientError, TimeoutError, OSError)
"""What a connection raises if it cannot be made, breaks, or takes too long."""


def failure(provider: str, error: Exception) -> ProviderError:
    """The error for a client: 504 after a time-out, else 502.

    Args:
        provider: name of the provider's table.
        error: one of `FAILURES`.
    """
    name = f"The provider '{provider}'"
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ProviderError(504, f"{name} could not be connected to in time.", code="timeout")
        case TimeoutError():
            return ProviderError(504, f"{name} did not respond in time.", code="timeout")
        case aiohttp.ClientSSLError() | ssl.SSLError():
            return ProviderError(502, f"{name} has no valid TLS certificate.", code="tls_error")
        case aiohttp.ClientConnectorError():
            return ProviderError(502, f"{name} cannot be reached.", code="connection_error")
        case _:
            return ProviderError(502, f"{name} broke off its response.", code="connection_error")
