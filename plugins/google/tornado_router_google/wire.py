"""The errors for a response that breaks Google's promises, and for what Google has no field for."""

from __future__ import annotations

from tornado_router.provider import ProviderError, bad_answer


def invalid(provider: str, field: str) -> ProviderError:
    """The error for a field of a response that is not what Google's API promises."""
    return bad_answer(f"The response of the provider '{provider}' has no valid '{field}'.")


def cannot(message: str, param: str) -> ProviderError:
    """A 400 for what Google's API cannot express and may not be left out."""
    return ProviderError(
        400, message, type="invalid_request_error", param=param, code="unsupported_value"
    )
