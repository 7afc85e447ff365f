"""Ends a connection whose client still sends, so that it can read why.

A connection that is closed with data of the client unread is reset, and the reset may take away the
response that was on its way (RFC 9112 section 9.6). So only the router's side is ended, and what
comes is thrown away until the client ends its own.
"""

from __future__ import annotations

import asyncio

from tornado_router.background.supervisor import call_later
from tornado_router.background.turns import Turns

LINGER_SECONDS = 10.0
"""For so long at most: a slower client is reset, as one that goes on sending is."""

LINGER_BYTES = 64 * 1024 * 1024
"""And for so many bytes, of which none are held."""

_scratch = memoryview(bytearray(64 * 1024))


class Lingering(asyncio.BufferedProtocol):
    """Takes the place of a transport's protocol, and ends the connection.

    Args:
        transport: over TCP; what was written to it is still sent.
        protocol: whose place it takes; still learns of everything but what comes.
        turns: that clients take who send much at once.
    """

    def __init__(
        self, transport: asyncio.Transport, protocol: asyncio.BaseProtocol, turns: Turns
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._turns = turns
        self._left = LINGER_BYTES
        self._timer = call_later("lingering close", LINGER_SECONDS, transport.abort)
        transport.set_protocol(self)
        transport.write_eof()
        transport.resume_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport puts what it reads, which is never looked at."""
        return _scratch

    def buffer_updated(self, nbytes: int) -> None:
        """The client goes on."""
        self._left -= nbytes
        if self._left < 0:
            self._transport.abort()
        elif nbytes == len(_scratch):
            self._transport.pause_reading()
            self._turns.run(self._go_on)

    def _go_on(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed: the client has ended its side, or a bound is reached."""
        self._timer.cancel()
        self._protocol.connection_lost(exc)
