"""One connection to a vendor: sends requests, parses responses, and knows when it is too late.

It takes one request at a time. Whether it may take another is only said once all bytes that came
with the end of a response were looked at.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from tornado_router.calls.upstream.bounds import bound
from tornado_router.calls.upstream.exchange import Exchange
from tornado_router.calls.upstream.failures import FAILURES, BrokenResponseError
from tornado_router.errors import ApiError

MAX_HEAD_BYTES = 64 * 1024
"""Of a head, of all interim responses before it, and of what else comes beside bodies."""

COPIED_BYTES = 64 * 1024
"""A body up to this size is sent in one piece with its head."""

ERROR = 300
"""A response with such a status ends an upload, if it comes before the end of that."""

_TICK = 0.001
"""The event loop's clock and its timers may differ by so much."""


@dataclass(frozen=True)
class Silence:
    """For how many seconds a connection may be silent.

    Attributes:
        first_byte: until a response begins.
        between_bytes: after that.
        idle: without a request.
    """

    first_byte: float
    between_bytes: float
    idle: float


class Connection(asyncio.Protocol):
    """A connection to a vendor.

    Args:
        loop: that it is on.
        silence: how long it may be silent.
        released: is called once a request is over, with the connection and whether it can take
            another; not after a request that was refused, whose sender has its place.
        lost: is called with it once it is closed.

    Attributes:
        is_open: whether it can take a request.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        silence: Silence,
        released: Callable[[Connection, bool], None],
        lost: Callable[[Connection], None],
    ) -> None:
        self._loop = loop
        self._silence = silence
        self._released = released
        self._lost = lost
        self._parser = HttpResponseParser(self)
        # Old servers were seen to write blanks there; it cannot be read in two ways.
        self._parser.set_dangerous_leniencies(lenient_spaces_after_chunk_size=True)
        self.is_open = False
        self._exchange: Exchange | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._in_head = True
        self._requests = 0
        self._spare = 0  # bytes that came beside the body
        self._ended = self._keeps = self._has_more = self._has_unsent = False
        self._fault: Exception | None = None
        self._is_paused = False
        self._writable: asyncio.Future[None] | None = None
        self._heard = self._limit = 0.0
        self._until = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf

    # What sends a request does.

    def send(self, exchange: Exchange, head: bytes, body: bytes | None, until: float) -> None:
        """Sends a request.

        Args:
            exchange: that gets the response.
            head: of the request, whole.
            body: of it; None if it comes by `upload`.
            until: when the response has to be over, by the loop's clock.
        """
        self._exchange = exchange
        exchange.connection = self
        self._requests += 1
        self._headers = []
        self._in_head = True
        self._spare = 0
        self._ended = self._has_more = False
        self._has_unsent = body is None
        self._until = until
        self._heard = self._loop.time()
        self._limit_silence(self._silence.first_byte)
        if body is None:
            self._transport.write(head)
        elif len(body) <= COPIED_BYTES:
            self._transport.write(head + body)
        else:
            self._transport.writelines((head, body))

    async def upload(self, exchange: Exchange, pieces: AsyncIterator[bytes]) -> None:
        """Sends a body, no faster than the vendor reads, until it has seen enough.

        Args:
            exchange: whose request it is.
            pieces: of the body.
        """
        async for piece in pieces:
            if exchange.connection is not self or exchange.status >= ERROR:
                return
            self._heard = self._loop.time()
            self._transport.write(piece)
            if self._writable is not None:
                await asyncio.wait((self._writable,))
        self._has_unsent = False

    def bound(self, size: int) -> None:
        """Bounds what one read brings, by what the system holds."""
        bound(self._transport.get_extra_info("socket"), size)

    def resume(self) -> None:
        """Reads on, if that was paused."""
        if self._is_paused:
            self._is_paused = False
            self._heard = self._loop.time()
            self._limit_silence(self._limit)
            if not self._transport.is_closing():
                self._transport.resume_reading()

    def abort(self, error: BaseException | None = None) -> None:
        """Closes it, and ends its exchange.

        Args:
            error: what the exchange ends by.
        """
        self.is_open = False
        self._transport.abort()
        self._stop_upload()
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.end(error or ConnectionAbortedError("closed"))
            self._released(self, False)

    # What the event loop does.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast(asyncio.Transport, transport)
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """Parses what came."""
        exchange = self._exchange
        if exchange is None:  # no request asked for it
            self.abort()
            return
        self._heard = self._loop.time()
        received = exchange.received
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._keeps = False
            if not self._ended:
                self._fault = self._fault or BrokenResponseError(str(error))
        if self._fault is not None:
            self.abort(self._fault)
        elif self._ended:
            self._finish(exchange)
        else:
            self._take_note(exchange, received, len(data))

    def eof_received(self) -> None:
        """The vendor sends no more; the loop closes the connection."""
        self.is_open = False

    def connection_lost(self, error: Exception | None) -> None:
        """It is closed."""
        self.is_open = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self._timer_at = None, math.inf
        self.resume_writing()
        del self._parser  # it knows the connection: only the garbage collector would free the two
        self._lost(self)
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if error is None and exchange.status and not exchange.is_delimited:
            exchange.end()  # that is how the end of such a body is said
        else:
            exchange.refused = self._requests > 1 and not self._spare and not exchange.status
            exchange.end(error or BrokenResponseError("closed before the end of its response"))
        if not exchange.refused:
            self._released(self, False)

    def pause_writing(self) -> None:
        """The vendor does not read."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """The vendor reads again."""
        self._stop_upload()
        self._writable = None
        self._heard = self._loop.time()

    # What the parser does.

    def on_message_begin(self) -> None:
        """A response begins."""
        self._has_more = self._ended

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or one behind the body, which says nothing here."""
        if self._in_head:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        exchange, status = self._exchange, self._parser.get_status_code()
        if exchange is None or self._ended:
            return
        if status == 101:
            self._fault = BrokenResponseError("it switched to another protocol")
        if status < 200:
            return
        self._in_head = False
        try:
            exchange.begin(status, self._headers)
        except (ApiError, *FAILURES) as error:
            self._fault = error
        if status >= ERROR:
            self._stop_upload()
        if not exchange.has_body:
            self._ended, self._keeps = True, False

    def on_body(self, piece: bytes) -> None:
        """A piece of the body."""
        if self._exchange is not None and not self._ended:
            self._exchange.add(piece)

    def on_message_complete(self) -> None:
        """The end of a response; that of an interim one is none."""
        if self._in_head:
            self._headers = []
        elif not self._ended:
            self._ended, self._keeps = True, self._parser.should_keep_alive()

    # How a request ends.

    def _stop_upload(self) -> None:
        """Has `upload` look what became of the response, though the vendor does not read."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def _take_note(self, exchange: Exchange, before: int, size: int) -> None:
        """Counts what one read brought of a response that goes on."""
        if exchange.received == before:
            self._spare += size
            if self._spare > MAX_HEAD_BYTES:
                self.abort(BrokenResponseError("too much beside its body"))
                return
        else:
            self._spare = 0
        between = self._silence.between_bytes
        if self._limit != between and (
            exchange.received or (exchange.is_whole and exchange.status)
        ):
            self._limit_silence(between)  # which each read moves on, without being set anew
        try:
            if not exchange.arrived() and not self._is_paused:
                self._is_paused = True
                self._transport.pause_reading()
        except ApiError as error:
            self.abort(error)

    def _finish(self, exchange: Exchange) -> None:
        """The response is complete."""
        self._exchange = None
        self._stop_upload()
        keeps = (
            self._keeps
            and self.is_open
            and not self._has_more
            and not self._has_unsent
            and self._writable is None
            and self._silence.idle > 0
        )
        try:
            exchange.arrived()
        except ApiError as error:
            exchange.end(error)
        else:
            exchange.end()
        if not keeps:
            self.is_open = False
            self._transport.abort()
        else:
            self._until = math.inf
            self.resume()
            self._limit_silence(self._silence.idle)
        self._released(self, keeps)

    # How long it may be silent: one timer, which is set anew only if it would be too late.

    def _limit_silence(self, seconds: float) -> None:
        self._limit = seconds
        due = min(self._heard + seconds, self._until)
        if due < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = due
            self._timer = self._loop.call_at(due, self._look)

    def _look(self) -> None:
        """It is time to look how long it was silent."""
        self._timer, self._timer_at = None, math.inf
        now = self._loop.time()
        heard = now if self._is_paused else self._heard  # it is we who do not read
        if now + _TICK < min(heard + self._limit, self._until):
            self._heard = heard
            self._limit_silence(self._limit)
        else:
            self.abort(TimeoutError())
