"""Google's errors as OpenAI's.

The format is https://google.aip.dev/193: `{"error": {code, message, status, details}}`, where
`details` holds typed objects such as `google.rpc.ErrorInfo` and `google.rpc.RetryInfo`.
https://ai.google.dev/gemini-api/docs/troubleshooting lists the statuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tornado_router.provider import ProviderError, UpstreamResponse, reported_error, vendor_error

_CODES = {"NOT_FOUND": "model_not_found", "RESOURCE_EXHAUSTED": "rate_limit_exceeded"}
_TYPES = {400: "invalid_request_error", 404: "invalid_request_error", 413: "invalid_request_error"}
_BAD_KEY = ("API_KEY_INVALID", "API_KEY_EXPIRED")


def read_error(provider: str, response: UpstreamResponse) -> ProviderError:
    """The error behind a response whose status is not a success."""
    try:
        body = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        body = None  # an HTML page, or nothing: the status has to do
    return _refined(vendor_error(provider, response), body)


def error_of(provider: str, body: Any, headers: Mapping[str, str] | None = None) -> ProviderError:
    """The error that a body reports behind a status 200."""
    return _refined(reported_error(provider, body, headers), body)


def _refined(error: ProviderError, body: Any) -> ProviderError:
    """An error with what only Google's own fields tell."""
    told = _error(body)
    name = told.get("status")
    if error.status == 400 and any(detail.get("reason") in _BAD_KEY for detail in _details(told)):
        error.status = 401  # the router's key is wrong, not the client's request
        error.retryable = True
    if name == "FAILED_PRECONDITION":
        error.retryable = True
    error.type = _TYPES.get(error.status, "api_error")
    error.code = _CODES.get(name, name.lower()) if isinstance(name, str) else None
    return error


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
