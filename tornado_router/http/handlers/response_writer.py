"""Writes the response of a call to its client, and comments while there is nothing to write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from tornado_router.background.held_memory import UNCOUNTED
from tornado_router.http.handlers.base import JSON, BaseHandler

_STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Of a stream: else nginx would gather its chunks."""


class ResponseWriter:
    """Writes the response of a call to its client (`Client`).

    A write ends when the client has taken it, and the provider waits meanwhile: what a slow reader
    has not read is never held here.

    A sweep over all requests notices that nothing was written for a while, by `look_after`: a timer
    for each call, or a look at the clock for each write, would cost every one of them.

    Args:
        handler: of the request.
    """

    _has_early_head = False
    _comment = b""
    _early_headers: Callable[[], Mapping[str, str]]
    _early_type = ""
    _give_up: Callable[[], None] | None = None

    _silence = 0.0
    """Seconds without a write after which something is due; 0 for never."""

    _seen: asyncio.Future[None] | None = None
    """The last write that is known to the sweep."""

    _since = 0.0
    """When the sweep first saw it, or acted upon the silence behind it."""

    def __init__(self, handler: BaseHandler) -> None:
        self._handler = handler
        connection = handler.request.connection
        assert connection is not None, "the request came over one"
        self._connection = connection
        self._written: asyncio.Future[None] | None = None

    @property
    def begun(self) -> bool:
        """Whether the client was sent anything."""
        return self._written is not None or self._has_early_head

    @property
    def is_waiting(self) -> bool:
        """Whether the client has not yet taken what was written."""
        return self._written is not None and not self._written.done()

    @property
    def is_ready(self) -> bool:
        """Whether a write need not be awaited: the client has taken all before it."""
        return self._written is not None and self._written.done()

    def keep_alive(
        self, comment: bytes, headers: Callable[[], Mapping[str, str]], content_type: str
    ) -> None:
        """Has the comment written whenever the stream is silent for `keepalive_seconds`."""
        self._comment, self._early_headers, self._early_type = comment, headers, content_type
        self._listen(self._handler.services.serving.config.server.keepalive_seconds)

    def await_end(self, seconds: float, give_up: Callable[[], None]) -> None:
        """Has `give_up` called once the stream is silent for so many seconds."""
        self._give_up = give_up
        self._listen(seconds)

    def look_after(self, now: float) -> None:
        """Acts if nothing was written for too long, unless the client does not read what was.

        Args:
            now: by `time.monotonic()`.
        """
        if not self._silence:
            return
        if self._written is not self._seen:
            self._seen, self._since = self._written, now
        elif now - self._since >= self._silence and not (
            self.is_waiting or self._handler.connection.unsent
        ):
            self._since = now
            if self._give_up:
                self._give_up()
            else:
                self._say()

    def begin(self, headers: Mapping[str, str], content_type: str, *, stream: bool) -> None:
        """Sets the headers, unless those of a comment are sent already."""
        if self._has_early_head:
            return
        self._handler.set_headers(headers)
        if content_type != JSON:
            self._handler.set_header("Content-Type", content_type)
        if stream:
            self._handler.set_headers(_STREAM_HEADERS)

    def write(self, data: bytes) -> Awaitable[None]:
        """Writes a part of the body."""
        # If the head is out, there is nothing for the handler to do.
        begun = self._written is not None or self._has_early_head
        written = self._written = (self._connection.write if begun else self._handler.begin)(data)
        return written

    def finish(self, data: bytes) -> Awaitable[None]:
        """Writes the last part of the body."""
        self._silence = 0.0
        handler = self._handler
        if self.begun:
            self._written = handler.end(data)
            return self._written
        handler.set_headers({"Content-Length": str(len(data))})
        if len(data) > UNCOUNTED and not handler.connection.unsent:
            handler.begin(b"")  # its head goes first and alone, or all would be copied behind it
            self._written = handler.end(data)
        else:
            self._written = handler.respond(data)
        return self._written

    def abort(self) -> None:
        """Closes the connection: the client sees that its response is not whole."""
        self._silence = 0.0
        self._handler.connection.abort()

    def forget(self) -> None:
        """Lets go of the last write: one that failed holds the call, and so its own writer."""
        self._written = self._seen = None

    def _listen(self, seconds: float) -> None:
        self._silence = seconds
        self._seen, self._since = self._written, time.monotonic()

    def _say(self) -> None:
        """Writes the comment; the call goes on to wait for its provider, not for its client."""
        if not self.begun:
            self.begin(self._early_headers(), self._early_type, stream=True)
            self._has_early_head = True
            self._handler.begin(self._comment)
        else:
            self._connection.write(self._comment)
