"""Google's errors as OpenAI's.

The format is https://google.aip.dev/193: `{"error": {code, message, status, details}}`, where
`details` holds typed objects such as `google.rpc.ErrorInfo` and `google.rpc.RetryInfo`.
https://ai.google.dev/gemini-api/docs/troubleshooting lists the statuses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import orjson

from tornado_router.provider import ProviderError, UpstreamResponse

_CODES = {"NOT_FOUND": "model_not_found", "RESOURCE_EXHAUSTED": "rate_limit_exceeded"}
_TYPES = {400: "invalid_request_error", 404: "invalid_request_error", 413: "invalid_request_error"}
_ELSEWHERE = (401, 403, 404, 408, 409, 429)
"""Statuses that say nothing against the request: another target may do better."""

_BAD_KEY = ("API_KEY_INVALID", "API_KEY_EXPIRED")
_TOO_LONG = "exceeds the maximum number of tokens"


def read_error(provider: str, response: UpstreamResponse) -> ProviderError:
    """The error behind a response whose status is not a success."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        body = None  # an HTML page, or nothing: the status has to do
    retry_after = response.headers.get("retry-after")
    return error_of(provider, body, response.status, retry_after)


def error_of(
    provider: str, body: Any, status: int | None = None, retry_after: str | None = None
) -> ProviderError:
    """The error that a body reports.

    Args:
        provider: the name to speak of.
        body: Google's; some of its servers wrap it into a list.
        status: of the response; None for a body that came behind a status 200.
        retry_after: the header, where there is one.
    """
    error = _error(body)
    if status is None:
        code = error.get("code")
        status = code if type(code) is int and 400 <= code < 600 else 502
    name, details = error.get("status"), _details(error)
    if status == 400 and any(detail.get("reason") in _BAD_KEY for detail in details):
        status = 401  # the router's key is wrong, not the client's request
    message = error.get("message") if status < 500 else None
    if not isinstance(message, str) or not message:
        message = f"The provider '{provider}' responded with status {status}."
    retry_after = retry_after or _retry_after(details)
    return ProviderError(
        status,
        message,
        retryable=status in _ELSEWHERE or not 400 <= status < 500 or name == "FAILED_PRECONDITION",
        type=_TYPES.get(status, "api_error"),
        code=_code(name, message),
        headers={"Retry-After": retry_after} if retry_after else None,
    )


def _error(body: Any) -> Mapping[str, Any]:
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _details(error: Mapping[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details")
    if not isinstance(details, list):
        return []
    return [detail for detail in details if isinstance(detail, dict)]


def _code(name: Any, message: str) -> str | None:
    if not isinstance(name, str):
        return None
    if name == "INVALID_ARGUMENT" and _TOO_LONG in message:
        return "context_length_exceeded"
    return _CODES.get(name, name.lower())


def _retry_after(details: list[dict[str, Any]]) -> str | None:
    """`RetryInfo.retryDelay`, such as `3.5s`, as whole seconds."""
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and delay.endswith("s"):
            try:
                return str(max(0, math.ceil(float(delay[:-1]))))
            except (ValueError, OverflowError):
                return None
    return None
