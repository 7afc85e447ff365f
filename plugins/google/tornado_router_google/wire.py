"""What is said of a response that is not what was promised, or of what Google cannot be told."""

from __future__ import annotations

from tornado_router.provider import ProviderError, bad_answer


def invalid(provider: str, field: str) -> ProviderError:
    """The error for a field of a response that is not what Google's API promises."""
    return bad_answer(f"The response of the provider '{provider}' has no valid '{field}'.")


def cannot(message: str, param: str) -> ProviderError:
    """A 400 for what cannot be said to Google, nor left out; another provider may well take it."""
    return ProviderError(
        400, message, type="invalid_request_error", param=param, code="unsupported_value"
    )
