"""The vendor's errors as OpenAI's, by https://platform.claude.com/docs/en/api/errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from tornado_router.provider import ProviderError, UpstreamResponse

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}

_TYPES = {429: "rate_limit_error", 401: "authentication_error", 403: "permission_error"}

_CODES = {
    404: "not_found",
    409: "conflict",
    413: "request_too_large",
    429: "rate_limit_exceeded",
    529: "overloaded",
}

_PARAMS = {
    "max_tokens": "max_tokens",
    "messages": "messages",
    "metadata": "user",
    "model": "model",
    "output_config": "response_format",
    "stop_sequences": "stop",
    "system": "messages",
    "temperature": "temperature",
    "thinking": "reasoning_effort",
    "tool_choice": "tool_choice",
    "tools": "tools",
    "top_k": "top_k",
    "top_p": "top_p",
}
"""The client's field behind each of the vendor's."""

_PATH = re.compile(r"([a-z_]+)(?:\.(\d+))?[.:]")
"""How a message names the field at fault: `messages.1.content.0.type: ...`, `max_tokens: ...`."""

OVERLOADED = 529
_OVERLOADED_SECONDS = "5"
"""When to come back, where the vendor does not say; it says so in 429 only."""

_OUT_OF_CREDIT = "credit balance"
"""A 400 that the client did not cause: "Your credit balance is too low to access ..."."""


def parse_error(provider: str, response: UpstreamResponse) -> ProviderError:
    """The error behind a response whose status is not a success."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        body = None  # an HTML page, or nothing: the status has to do
    error = body.get("error") if isinstance(body, Mapping) else None
    return _error(provider, response.status, error, response.headers.get("retry-after"))


def reported_error(provider: str, error: object) -> ProviderError:
    """The error that an event of a stream reports."""
    kind = error.get("type") if isinstance(error, Mapping) else None
    status = _STATUSES.get(kind, 500) if isinstance(kind, str) else 500
    return _error(provider, status, error, None)


def _error(provider: str, status: int, error: object, retry_after: str | None) -> ProviderError:
    message = error.get("message") if isinstance(error, Mapping) else None
    if not isinstance(message, str):
        message = ""
    if status == 402 or (status == 400 and _OUT_OF_CREDIT in message):
        return ProviderError(
            503, f"The provider '{provider}' has no credit left.", code="insufficient_quota"
        )
    if status == OVERLOADED and not retry_after:
        retry_after = _OVERLOADED_SECONDS
    return ProviderError(
        status,
        message if message and status < 500 else _plain(provider, status),
        retryable=status in (401, 403, 404, 408, 409, 429) or not 400 <= status < 500,
        type=_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error"),
        param=_param(status, message),
        code=_code(status, message),
        headers={"Retry-After": retry_after} if retry_after else None,
    )


def _plain(provider: str, status: int) -> str:
    if status == OVERLOADED:
        return f"The provider '{provider}' is overloaded."
    return f"The provider '{provider}' responded with status {status}."


def _code(status: int, message: str) -> str | None:
    if status == 404 and message.startswith("model:"):
        return "model_not_found"
    return _CODES.get(status)


def _param(status: int, message: str) -> str | None:
    """The client's field that a message is about, as far as it says.

    Messages are numbered otherwise there than here, so that of them it says no more.
    """
    if not 400 <= status < 429:
        return None
    found = _PATH.match(message)
    param: Any = _PARAMS.get(found[1]) if found else None
    if found and found[1] == "tools" and found[2]:
        return f"tools[{found[2]}]"
    return param if isinstance(param, str) else None
