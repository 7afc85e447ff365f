"""JSON to and from Google, and what is said of JSON that is not what was promised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from tornado_router.provider import ApiError, ProviderError, bad_answer


def dump(body: Mapping[str, Any]) -> bytes:
    """The bytes of a request.

    Raises:
        ApiError: the request is nested too deeply to be sent.
    """
    try:
        return orjson.dumps(body)
    except TypeError:  # orjson knows no integers beyond 64 bits; a client may send one
        try:
            return json.dumps(body, separators=(",", ":")).encode()
        except RecursionError:
            raise ApiError(400, "The request is nested too deeply.", param="messages") from None


def load(provider: str, data: bytes) -> dict[str, Any]:
    """The JSON object that an answer or an event holds.

    Raises:
        ProviderError: it is none.
    """
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise bad_answer(f"The provider '{provider}' sent something that is not JSON.") from None
    if not isinstance(body, dict):
        raise bad_answer(f"The provider '{provider}' sent something that is no JSON object.")
    return body


def invalid(provider: str, field: str) -> ProviderError:
    """The error for a field of an answer that is not what Google's API promises."""
    return bad_answer(f"The answer of the provider '{provider}' has no valid '{field}'.")


def cannot(message: str, param: str) -> ProviderError:
    """A 400 for what cannot be said to Google, nor left out; another provider may well take it."""
    return ProviderError(
        400, message, type="invalid_request_error", param=param, code="unsupported_value"
    )
