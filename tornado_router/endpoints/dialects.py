"""Dialects: families of endpoints whose errors have one form."""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import orjson

from tornado_router import sse
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError


class Dialect:
    """OpenAI's: an error is `{"error": {...}}`, in a stream an event of the name `error`.

    https://platform.openai.com/docs/guides/error-codes. Another family overrides what differs.

    Attributes:
        name: before the names of what the OpenAPI document has for it alone.
        keepalive: what a stream sends while it has nothing to say, and clients pass over.
        id_header: in which its clients look for the id of a request, beside `X-Request-Id`; empty
            if nowhere.
    """

    name: ClassVar[str] = ""
    id_header: ClassVar[str] = ""
    keepalive: ClassVar[bytes] = b": keep-alive\n\n"

    def status(self, error: ApiError) -> int:
        """The HTTP status of an error response."""
        return error.status

    def headers(self, error: ApiError) -> Mapping[str, str]:
        """The headers of an error response that the error decides."""
        return error.headers

    def limit_headers(self, of: str, limit: int, left: int, reset: float) -> Mapping[str, str]:
        """What its clients learn of a limit, beside `x-ratelimit-*`.

        Args:
            of: `requests` or `tokens`.
            limit: per minute.
            left: of it now.
            reset: seconds until all of it is there again.
        """
        return {}

    def error_body(self, error: ApiError, request_id: str = "") -> dict[str, Any]:
        """The JSON object of an error response.

        Args:
            error: what happened.
            request_id: of the request that failed.
        """
        return error.body()

    def error_event(self, error: ApiError, request_id: str = "") -> bytes:
        """The event that ends a stream behind its first chunk; no `[DONE]` follows it."""
        return b"event: error\n" + sse.encode(orjson.dumps(self.error_body(error, request_id)))


class AnthropicDialect(Dialect):
    """Anthropic's: `{"type": "error", "error": {"type", "message"}, "request_id"}`.

    https://platform.claude.com/docs/en/api/errors. A message begins with the path of the field at
    fault, as the vendor's do: `messages.0.content.1: ...`.
    """

    name: ClassVar[str] = "Anthropic"
    id_header: ClassVar[str] = "request-id"
    keepalive: ClassVar[bytes] = b'event: ping\ndata: {"type": "ping"}\n\n'

    def status(self, error: ApiError) -> int:
        """By Anthropic's table, which has 402 for money and 529 for what is overloaded."""
        if _is_spent(error):
            return _SPENT
        return _OVERLOADED if error.status == _UNAVAILABLE else error.status

    def headers(self, error: ApiError) -> Mapping[str, str]:
        """Money that is spent does not come back while a client retries."""
        if _is_spent(error):
            return {**error.headers, "x-should-retry": "false"}
        return error.headers

    def limit_headers(self, of: str, limit: int, left: int, reset: float) -> Mapping[str, str]:
        """https://platform.claude.com/docs/en/api/rate-limits, "Response headers"."""
        start = f"anthropic-ratelimit-{of}-"
        return {
            start + "limit": str(limit),
            start + "remaining": str(left),
            start + "reset": _moment(int(time.time() + reset)),
        }

    def error_body(self, error: ApiError, request_id: str = "") -> dict[str, Any]:
        """The JSON object of an error response, and of the event."""
        status = self.status(error)
        kind = _TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
        body: dict[str, Any] = {
            "type": "error",
            "error": {"type": kind, "message": _message(error)},
        }
        if request_id:
            body["request_id"] = request_id
        return body


@lru_cache(maxsize=100)
def _moment(seconds: int) -> str:
    """A time as the vendor writes it: to the second, so that many calls share one."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


_SPENT = 402
_UNAVAILABLE = 503
_OVERLOADED = 529

_TYPES = {
    401: "authentication_error",
    _SPENT: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    _OVERLOADED: "overloaded_error",
}
"""What is not here is `invalid_request_error` or `api_error`."""

_TOO_LONG = "prompt is too long"
"""By these words Claude Code knows that it has to compact its conversation."""

_TOO_MUCH = "exceed context limit"
"""By these, that it has to ask for fewer tokens."""

_INDEX = re.compile(r"\[(\d+)\]")

_HAS_PATH = re.compile(r"[a-z_]+(\.[\w-]+)*: ")
"""A message of the vendor's own."""

_PLACES = ("Invalid type for", "Invalid value for", "Invalid")
"""How OpenAI's messages begin, before the path."""


def _is_spent(error: ApiError) -> bool:
    """Whether a budget or an account is empty, and not merely held by other calls for a moment."""
    is_money = error.code == Refusal.insufficient_quota.code
    return is_money and "Retry-After" not in error.headers


def _message(error: ApiError) -> str:
    """What happened, in the words that Anthropic's clients look for."""
    text = error.message
    if error.code == Invalid.context_length_exceeded.code:
        has_words = _TOO_LONG in text or _TOO_MUCH in text
        return text if has_words else f"{_TOO_LONG}: {text}"
    if error.param is None or _HAS_PATH.match(text):
        return text
    path = _INDEX.sub(r".\1", error.param)
    if error.code == Invalid.missing_required_parameter.code:
        return f"{path}: Field required"
    for place in _PLACES:
        text = text.removeprefix(f"{place} '{error.param}': ")
    return f"{path}: {text.replace(repr(error.param), repr(path))}"


OPENAI = Dialect()
ANTHROPIC = AnthropicDialect()
