"""TLS between asyncio's transport and a connection, so that what is unsent can be counted.

That of asyncio hides what its own transport holds, and begins with a handshake whose connection no
bound can see or close.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Any, Protocol, cast

from loguru import logger

from tornado_router.background.turns import Turns
from tornado_router.http.llhttp.lingering import Lingering

READ_BYTES = 64 * 1024
"""The most that is decrypted at once."""

PIECE = 64 * 1024
"""So much is encrypted before the client has to take it, so that no response is held twice."""


class Above(Protocol):
    """What gets the bytes: the connection, or its tunnel."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.BaseProtocol`."""
        ...

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        ...

    def data_received(self, data: bytes) -> None:
        """Takes what was decrypted."""
        ...

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        ...

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        ...


class TlsTransport(asyncio.Protocol, asyncio.Transport):
    """Looks like a protocol to the transport below, and like a transport to the connection above.

    Args:
        above: gets what is decrypted.
        context: of the server.
        peer: address of the client, for the log.
        turns: that clients take who send on once they were answered.
    """

    def __init__(self, above: Above, context: ssl.SSLContext, peer: str, turns: Turns) -> None:
        super().__init__()
        self._above = above
        self._peer = peer
        self._turns = turns
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._below: asyncio.Transport
        self._backlog = bytearray()  # that is not encrypted yet
        self._is_shaken = False
        self._is_closing = False
        self._lingers = self._is_ended = False
        self._is_reading_paused = False
        self._is_blocked = False  # below
        self._is_above_paused = False

    # -- the protocol of the transport below ----------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._below = cast(asyncio.Transport, transport)
        self._below.set_write_buffer_limits(high=0)
        self._above.connection_made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._is_closing = True
        self._backlog.clear()
        self._above.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if not self._is_closing:
            self._incoming.write(data)
            self._read()

    def eof_received(self) -> bool:
        """The client has left, with or without saying so."""
        return False

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_blocked = True

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._is_blocked = False
        self._encrypt()

    # -- the transport of the connection above --------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See `asyncio.BaseTransport`."""
        self._above = cast(Above, protocol)

    def get_write_buffer_size(self) -> int:
        """Bytes that are not sent, encrypted or not."""
        return len(self._backlog) + self._below.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Leaves them: writing is paused whenever something is unsent."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See `asyncio.BaseTransport`."""
        return self._below.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """See `asyncio.WriteTransport`."""
        if not self.is_closing():
            self._backlog += data
            self._encrypt()

    def pause_reading(self) -> None:
        """See `asyncio.ReadTransport`."""
        self._is_reading_paused = True
        self._below.pause_reading()

    def resume_reading(self) -> None:
        """See `asyncio.ReadTransport`; what is decrypted already is passed on soon."""
        self._is_reading_paused = False
        self._below.resume_reading()
        asyncio.get_running_loop().call_soon(self._read)

    def is_closing(self) -> bool:
        """See `asyncio.BaseTransport`."""
        return self._is_closing or self._below.is_closing()

    def close(self) -> None:
        """Closes it once all is sent."""
        if not self._is_closing:
            self._is_closing = True
            self._encrypt()

    def write_eof(self) -> None:
        """Closes it once all is sent, and the client has ended its side: see `Lingering`."""
        self._lingers = self._is_shaken
        self.close()

    def abort(self) -> None:
        """Closes it at once."""
        self._is_closing = True
        self._backlog.clear()
        self._below.abort()

    # -------------------------------------------------------------------------------------------

    def _read(self) -> None:
        """Passes on what can be decrypted of what has arrived."""
        try:
            if not self._is_shaken:
                self._tls.do_handshake()
                self._is_shaken = True
            while not (self._is_reading_paused or self._is_closing):
                data = self._tls.read(READ_BYTES)
                if not data:  # the client says that it has left
                    self.close()
                    return
                self._above.data_received(data)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()
        if self._backlog:
            self._encrypt()

    def _fail(self, error: ssl.SSLError) -> None:
        """Its client speaks no TLS, or has another idea of it: the client's doing."""
        if error.reason == "HTTP_REQUEST":
            logger.info("{} spoke HTTP to the HTTPS port", self._peer)
        elif not self._is_shaken:
            logger.info("the TLS handshake of {} failed: {}", self._peer, error)
        self._is_closing = True
        self._backlog.clear()
        self._flush()  # it is informed why
        self._below.close()

    def _encrypt(self) -> None:
        """Sends what the client takes of the backlog, and says whether something is left."""
        while self._backlog and not self._is_blocked:
            try:
                count = self._tls.write(memoryview(self._backlog)[:PIECE])
            except ssl.SSLWantReadError:
                break  # `_read` goes on with it
            except ssl.SSLError as error:
                self._fail(error)
                return
            del self._backlog[:count]
            self._flush()
        if self._is_closing and not self._backlog and not self._is_ended:
            self._end()
        is_unsent = bool(self._backlog) or self._is_blocked
        if is_unsent != self._is_above_paused:
            self._is_above_paused = is_unsent
            if is_unsent:
                self._above.pause_writing()
            else:
                self._above.resume_writing()

    def _end(self) -> None:
        """Ends the connection below, as all was given to it."""
        self._is_ended = True
        if self._below.is_closing():
            return
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        if self._lingers:
            Lingering(self._below, self, self._turns)
        else:
            self._below.close()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and not self._below.is_closing():
            self._below.write(data)
