"""Lets the body of a request in as far as it is right; else its sender learns why."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate

from tornado_router.background.held_memory import UNCOUNTED, Hold
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.http.content_encoding import Decoder, take_decoder
from tornado_router.http.request_header import header

DISCARDED_BODIES = 8
"""A body of up to this many times the limit is read and thrown away, so that its sender gets to
see the refusal; the connection of a larger one is closed."""

SMALL_BODY = UNCOUNTED
"""In bytes. A client without a key may send so much: its key is checked once the body is here."""

MAX_DIGITS = 20


def is_within(headers: HTTPHeaders, limit: int) -> bool:
    """Whether a body is as it is, and small for sure: no front reads more than is announced."""
    length = header(headers, "Content-Length")
    if length:
        is_small = _is_number(length) and int(length) <= limit
        return is_small and header(headers, "Content-Encoding") is None
    return header(headers, "Transfer-Encoding") is None


def _is_number(length: str) -> bool:
    """Whether a length can be read: Python reads no number of thousands of digits."""
    return length.isdecimal() and len(length) <= MAX_DIGITS


class BodyLimit(HTTPMessageDelegate):
    """Passes a request on to its handler, but one whose body is refused to a refusal.

    What follows of a body that is refused is thrown away: Tornado itself would close the
    connection, so that its sender never learns why.

    Args:
        delegate: gets the request.
        limit: of its body, in bytes: as it is sent, and as it is once decoded.
        admit: called with the head, before any of the body is read. It, or what it returns to be
            awaited, raises ApiError to refuse the body. None lets it in at once: to wait takes a
            task, and stops and begins to read.
        hold: counts what is held of a large body. The handler frees it, unless it gets none.
        counted: what counts the body, if it is kept elsewhere than in memory; ends with `hold`.
        refuse: makes what gets a refused request.
    """

    def __init__(
        self,
        delegate: HTTPMessageDelegate,
        limit: int,
        *,
        admit: Callable[[], Awaitable[object] | None],
        hold: Hold,
        counted: Hold | None = None,
        refuse: Callable[[ApiError], HTTPMessageDelegate],
    ) -> None:
        self._delegate: HTTPMessageDelegate | None = delegate
        self._limit = limit
        self._admit = admit
        self._hold = hold
        self._counted = hold if counted is None else counted
        self._make_refusal = refuse
        self._refused = False
        self._decoder: Decoder | None = None
        self._received = self._size = 0
        self._held = SMALL_BODY  # there is always room for so much

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Awaitable[None] | None:
        """See `HTTPMessageDelegate`."""
        length = headers.get("Content-Length", "")
        announced = int(length) if _is_number(length) else 0  # another is Tornado's to refuse
        try:
            self._check(announced)
            admitted = self._admit()
            if admitted is not None:
                return self._await(admitted, headers, announced)
            self._let_in(headers, announced)
        except ApiError as error:
            self._refuse_head(error, headers)
        return None

    async def _await(
        self, admitted: Awaitable[object], headers: HTTPHeaders, announced: int
    ) -> None:
        try:
            await admitted
            self._let_in(headers, announced)
        except ApiError as error:
            self._refuse_head(error, headers)

    def _let_in(self, headers: HTTPHeaders, announced: int) -> None:
        self._decoder = take_decoder(headers)
        self._hold_up_to(announced)

    def _refuse_head(self, error: ApiError, headers: HTTPHeaders) -> None:
        self._refuse(error)
        if "Expect" in headers:
            # Its sender waits for "100 Continue", and need not send the body at all.
            del headers["Expect"]
            self.finish()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """See `HTTPMessageDelegate`."""
        if self._refused or self._delegate is None:
            return None
        self._received += len(chunk)
        try:
            self._check(self._received)
            if self._decoder:
                return self._inflate(self._decoder, chunk)
            self._pass_on(chunk)
        except ApiError as error:
            self._refuse(error)
        return None

    async def _inflate(self, decoder: Decoder, chunk: bytes) -> None:
        """Passes on what a part of the body decodes to, which may be all that is allowed."""
        try:
            for piece in decoder.feed(chunk):
                self._pass_on(piece)
                await self._hold.piece()
        except ApiError as error:
            self._refuse(error)

    def _pass_on(self, piece: bytes) -> None:
        self._size += len(piece)
        self._check(self._size)
        self._hold_up_to(self._size)
        if self._delegate is not None:
            self._delegate.data_received(piece)

    def finish(self) -> None:
        """See `HTTPMessageDelegate`."""
        if self._decoder and not self._refused:
            try:
                self._decoder.finish()
            except ApiError as error:
                self._refuse(error)
        # Tornado keeps this object until the response is written, and that one has the body, too.
        delegate, self._delegate = self._delegate, None
        if delegate is not None:
            delegate.finish()

    def on_connection_close(self) -> None:
        """See `HTTPMessageDelegate`."""
        if self._delegate is not None:
            self._hold.free()
            self._delegate.on_connection_close()

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise Invalid.request_too_large(limit=self._limit)

    def _hold_up_to(self, size: int) -> None:
        if size > self._held:
            if not self._counted.grow(size - self._held):
                raise Refusal.overloaded()
            self._held = size

    def _refuse(self, error: ApiError) -> None:
        self._refused = True
        self._hold.free()
        self._delegate = self._make_refusal(error)
