"""Dialects: families of endpoints whose errors have one form."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson

from tornado_router import sse
from tornado_router.errors import ApiError


class Dialect:
    """OpenAI's: an error is `{"error": {...}}`, in a stream an event of the name `error`.

    https://platform.openai.com/docs/guides/error-codes. Another family overrides what differs.

    Attributes:
        keepalive: what a stream sends while it has nothing to say, and clients pass over.
    """

    keepalive: ClassVar[bytes] = b": keep-alive\n\n"

    def error_body(self, error: ApiError) -> dict[str, Any]:
        """The JSON object of an error response."""
        return error.body()

    def error_event(self, error: ApiError) -> bytes:
        """The event that ends a stream behind its first chunk; no `[DONE]` follows it."""
        return b"event: error\n" + sse.encode(orjson.dumps(self.error_body(error)))


OPENAI = Dialect()
