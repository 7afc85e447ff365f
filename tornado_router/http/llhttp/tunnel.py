"""The bytes of a connection that has left HTTP behind, such as those of a websocket."""

from __future__ import annotations

import asyncio
from asyncio import Future
from typing import Protocol

HELD_BYTES = 64 * 1024
"""Of what has arrived and is not fetched: with so much, nothing more is read from the network."""


class Line(Protocol):
    """What the tunnel is on: the connection, which still counts and closes."""

    def send(self, data: bytes) -> Future[None]:
        """Sends some bytes."""
        ...

    def set_reading(self, *, paused: bool) -> None:
        """Pauses reading, or goes on."""
        ...

    def close(self, *, is_sending: bool) -> None:
        """Closes it once all is sent."""
        ...

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        ...

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        ...

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        ...


class Tunnel(asyncio.BufferedProtocol):
    """Takes the place of a transport's protocol; see `http.connection.Tunnel`.

    Args:
        line: the connection, whose place it takes; it still learns of all but what arrives.
        transport: over TCP or TLS.
        buffer: what is read into, of one connection after the other.
        early: what had arrived before.
    """

    def __init__(
        self, line: Line, transport: asyncio.Transport, buffer: memoryview, early: bytes
    ) -> None:
        self._line = line
        self._shared = buffer
        self._pieces = [early] if early else []
        self._held = len(early)
        self._waiter: Future[None] | None = None
        self._is_ended = False
        transport.set_protocol(self)

    async def read(self) -> bytes:
        """What has arrived; empty at the end."""
        while not self._pieces and not self._is_ended:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        pieces, self._pieces = self._pieces, []
        if self._held >= HELD_BYTES:
            self._line.set_reading(paused=False)
        self._held = 0
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def write(self, data: bytes) -> Future[None]:
        """Sends some; done once it is taken."""
        return self._line.send(data)

    def close(self) -> None:
        """Closes the connection, so that a client that still sends can read what was sent."""
        self._line.close(is_sending=not self._is_ended)

    # -- `asyncio.BufferedProtocol` -------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport puts what it reads."""
        return self._shared

    def buffer_updated(self, nbytes: int) -> None:
        """It has put so many bytes there."""
        self.data_received(bytes(self._shared[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Takes what has arrived, and was decrypted where that is needed."""
        self._pieces.append(data)
        self._held += len(data)
        if self._held >= HELD_BYTES:
            self._line.set_reading(paused=True)
        self._wake()

    def eof_received(self) -> bool:
        """The client has ended its side, so nothing is left to say to it."""
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, whichever side closed it."""
        self._end()
        self._line.connection_lost(exc)

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._line.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._line.resume_writing()

    def _end(self) -> None:
        self._is_ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
