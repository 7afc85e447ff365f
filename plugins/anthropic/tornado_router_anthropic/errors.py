"""The vendor's errors as OpenAI's, by https://platform.claude.com/docs/en/api/errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tornado_router.provider import ProviderError, UpstreamResponse, vendor_error
from tornado_router.provider import reported_error as read_report

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


def parse_error(provider: str, response: UpstreamResponse) -> ProviderError:
    """The error behind a response whose status is not a success."""
    return _refined(provider, vendor_error(provider, response))


def reported_error(
    provider: str, report: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> ProviderError:
    """The error that an event or a body reports behind a status 200."""
    return _refined(provider, read_report(provider, report, headers))


def _refined(provider: str, error: ProviderError) -> ProviderError:
    """An error with what only this vendor's words tell."""
    status = error.status
    if status == OVERLOADED:
        error.message = f"The provider '{provider}' is overloaded."
        error.headers.setdefault("Retry-After", _OVERLOADED_SECONDS)
    error.type = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    error.param = _param(status, error.words)
    error.code = _code(status, error.words)
    return error


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
