"""One request on a connection and its response, as far as that has come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from tornado_router.calls.upstream.body import TURN_BYTES, BodyCount, read_whole
from tornado_router.calls.upstream.bounds import PIECE, STREAM_BUFFER
from tornado_router.calls.upstream.failures import BrokenResponseError
from tornado_router.calls.upstream.inflated_body import ENCODINGS, InflatedBody

if TYPE_CHECKING:
    from tornado_router.calls.upstream.connection import Connection

_CODINGS = (b"chunked", b"identity")
_LENGTHS = frozenset(map(len, ("content-length", "content-encoding", "transfer-encoding")))


class Exchange:
    """A request and its response.

    Its connection fills it, and forgets it at its end; what has come stays here to be read.

    Args:
        loop: that it is on.
        count: of a body that is wanted whole; None for one that is read as it arrives.
        has_body: whether the response may have one: none has that to HEAD.

    Attributes:
        has_body: as it was given.
        status: of the response; 0 until its head is here.
        headers: of the response.
        encoding: that its body is compressed by; empty for none.
        length: of the body as the head has it, or None.
        is_delimited: whether the end of the body is seen without that of the connection.
        complete: whether all of the response is here.
        error: why the rest of it will not come, or None.
        refused: whether a connection that was kept ended before a byte of the response.
        connection: that it is on; None once it is over.
        received: bytes of the body that have come.
        room: with so many that are not read yet, no more are asked for; twice that is the most.
    """

    __slots__ = (
        "_count",
        "_counted",
        "_dropped",
        "_inflated",
        "_is_full",
        "_loop",
        "_offset",
        "_pieces",
        "_size",
        "_take",
        "_waiter",
        "complete",
        "connection",
        "encoding",
        "error",
        "has_body",
        "headers",
        "is_delimited",
        "length",
        "received",
        "refused",
        "room",
        "status",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, count: BodyCount | None, *, has_body: bool
    ) -> None:
        self._loop = loop
        self._count = count
        self._pieces: list[bytes] = []  # a deque takes 0.6 KB while it is empty
        self._offset = self._size = self._counted = 0
        self._dropped = self._is_full = False
        self._inflated: InflatedBody | None = None
        self._take: Callable[[bytes], bool] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.has_body = has_body
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.encoding = ""
        self.length: int | None = None
        self.is_delimited = False
        self.complete = False
        self.error: BaseException | None = None
        self.refused = False
        self.connection: Connection | None = None
        self.received = 0
        self.room = STREAM_BUFFER

    @property
    def is_whole(self) -> bool:
        """Whether the body is wanted whole, and not as it arrives."""
        return self._count is not None

    # What the connection does.

    def begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Takes the head.

        Raises:
            BrokenResponseError: its body comes in a way that is not known.
            ProviderError: 502, its body will be too large.
        """
        for name, value in headers:
            if len(name) not in _LENGTHS:  # as of most
                continue
            match name.lower():
                case b"content-length":
                    self.length, self.is_delimited = int(value), True
                case b"transfer-encoding":
                    coding = value.strip().lower()
                    if coding not in _CODINGS:
                        raise BrokenResponseError("unknown Transfer-Encoding")
                    self.is_delimited = coding == b"chunked"
                case b"content-encoding":
                    encoding = value.decode("latin-1").strip().lower()
                    self.encoding = encoding if encoding in ENCODINGS else ""
        if self._count is not None:
            self._count.begin(status, self.length)
        self.status, self.headers = status, headers
        if self._count is None or self.encoding:
            self._wake()

    def add(self, piece: bytes) -> None:
        """Takes a piece of the body."""
        size = len(piece)
        self.received += size
        if not self._dropped:
            self._size += size
            self._pieces.append(piece)

    def arrived(self) -> bool:
        """All that one read brought was added; returns whether to read on.

        Raises:
            ApiError: the body is too large, alone or with all others.
        """
        if self._count is not None and not self.encoding:
            self._count_new()
            return True
        if self._pieces and (self._take is None or not self._is_taken(self._take)):
            self._wake()
        self._is_full = self._size > 2 * self.room
        return not self._is_full

    def end(self, error: BaseException | None = None) -> None:
        """The response is complete, or the rest of it will not come."""
        self.connection = None
        self.error = error
        self.complete = error is None
        self._wake()

    def abandon(self) -> None:
        """Nothing more is read: a connection that is not through with it is closed.

        An error that ended it is forgotten, as its frames know the exchange, and with it the
        request: only the garbage collector would free such a circle.
        """
        if self.connection is not None:
            self.connection.abort()
        self.error = self._take = None

    # What reads the response does. Each raises what ended it too early.

    async def begun(self) -> None:
        """Waits for the head."""
        while not self.status:
            if self.error is not None:
                raise self.error
            await self._wait()

    def offer(self, take: Callable[[bytes], bool]) -> None:
        """See `ByteStream`."""
        if not self.encoding:
            self._take = take

    def read(self, most: int) -> Awaitable[bytes]:
        """The next piece of the body, of so many bytes at most; nothing at its end."""
        if not self.encoding:
            return self._read_raw(most)
        if self._inflated is None:
            self._inflated = InflatedBody(self.encoding, self._read_raw)
        return self._inflated.read(most)

    async def whole(self, count: BodyCount) -> bytes:
        """The rest of the body."""
        if self._count is None:
            self._count, self._counted = count, self.received - self._size
            count.begin(self.status, self.length)
            self._count_new()
            self._read_on()
        while self.connection is not None and not (self.status and self.encoding):
            await self._wait()
        if self.error is not None:
            self._pieces.clear()
            raise self.error
        if self.encoding:
            return await read_whole(lambda: self.read(TURN_BYTES), count)
        return self._joined(self._size) if self._offset else b"".join(self._pieces)

    async def end_within(self, seconds: float) -> None:
        """Waits a while for the end, and reads nothing any more."""
        self._dropped = True
        self._pieces.clear()
        self._size = 0
        self._read_on()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.connection is not None:
                    await self._wait()

    async def _read_raw(self, most: int) -> bytes:
        while not self._pieces:
            if self.error is not None:
                raise self.error
            if self.complete:
                return b""
            if self.connection is None:
                raise BrokenResponseError("closed")
            self._waiter = self._loop.create_future()  # not by `_wait`, as each piece comes by here
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self._size <= most and not self._offset:
            piece = b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
        else:
            piece = self._joined(most)
        if self._is_full and self._size < self.room:
            self._is_full = False
            self._read_on()
        return piece

    def _is_taken(self, take: Callable[[bytes], bool]) -> bool:
        """Whether what has come is taken at once, so that who waits for it goes on waiting."""
        waiter = self._waiter
        if (
            waiter is None
            or self._size > PIECE
            or waiter.done()
            or not take(b"".join(self._pieces))
        ):
            return False
        self._pieces.clear()
        self._size = 0
        return True

    def _count_new(self) -> None:
        """Counts what has come since the last time."""
        assert self._count is not None
        if not self.encoding:
            new, self._counted = self.received - self._counted, self.received
            self._count.add(new)

    def _read_on(self) -> None:
        if self.connection is not None:
            self.connection.resume()

    def _joined(self, most: int) -> bytes:
        """So many bytes of the pieces at most, taken from them."""
        parts = []
        room = most
        taken = 0  # whole pieces
        while room and taken < len(self._pieces):
            piece = self._pieces[taken]
            part = piece[self._offset : self._offset + room]
            self._offset += len(part)
            if self._offset == len(piece):
                taken += 1
                self._offset = 0
            room -= len(part)
            parts.append(part)
        del self._pieces[:taken]
        self._size -= most - room
        return b"".join(parts)

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
