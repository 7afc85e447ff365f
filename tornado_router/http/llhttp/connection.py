"""One connection of a client: reads its requests, one at a time, and has them served.

What follows a request waits until its response is written and taken, with reading paused; so does a
body that comes faster than its handler takes it. What a client has not read of a response is held
by the transport, and counted by `unsent`.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import Future
from collections.abc import Awaitable, Callable
from typing import Any, cast

from loguru import logger
from tornado.httputil import HTTPConnection, HTTPInputError, HTTPMessageDelegate

from tornado_router.background.supervisor import report, start_task
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.kernel_buffers import drop_unsent, in_send_buffer
from tornado_router.http.llhttp.exchange import BAD_REQUEST, CONTINUE, Context, Exchange, gone
from tornado_router.http.llhttp.lingering import Lingering
from tornado_router.http.llhttp.owner import Owner
from tornado_router.http.llhttp.request_body import ChunkedBody, FixedBody
from tornado_router.http.llhttp.request_head import END, RequestHead, read_head
from tornado_router.http.llhttp.tunnel import Tunnel
from tornado_router.http.request_header import header

MUCH = 32 * 1024
"""In bytes. A client that sends so much at once waits for its turn behind those that send little:
a thousand uploads that are read at once held `/health` up for 0.2 s."""


class LlhttpConnection(asyncio.BufferedProtocol):
    """A `ClientConnection` that reads requests with llhttp.

    Args:
        owner: the front.
        sock: that was accepted. The transport closes it.
        address: of the other end, as `socket.accept` returns it.
        secure: whether the transport encrypts.
    """

    __slots__ = (
        "__weakref__",
        "_body",
        "_buffer",
        "_context",
        "_delegate",
        "_exchange",
        "_file",
        "_is_awaiting",
        "_is_blocked",
        "_is_closed",
        "_is_deaf",
        "_is_ended",
        "_is_paused",
        "_is_yielding",
        "_loop",
        "_owner",
        "_socket",
        "_transport",
        "_writes",
        "_written",
        "peer",
        "secure",
    )

    def __init__(self, owner: Owner, sock: socket.socket, address: Any, *, secure: bool) -> None:
        self.peer = str(address[0])
        self.secure = secure
        self._owner = owner
        self._socket = sock
        self._file = sock.fileno()
        self._loop = asyncio.get_running_loop()
        self._context = Context(self.peer, "https" if secure else "http")
        self._transport: asyncio.Transport | None = None
        self._buffer = b""  # what has arrived and was not looked at yet
        self._exchange: Exchange | None = None  # whose response is not written yet
        self._delegate: HTTPMessageDelegate | None = None  # of a request that is not whole yet
        self._body: FixedBody | ChunkedBody | None = None  # that is not whole yet
        self._writes: list[Future[None]] = []  # that the client has not taken
        self._written = 0
        self._is_awaiting = False  # the delegate, before it takes more
        self._is_blocked = False  # the client, before it reads more
        self._is_yielding = False  # to others, before more is read of a body
        self._is_paused = self._is_deaf = False  # deaf: whatever arrives is of no interest any more
        self._is_ended = self._is_closed = False  # nothing more is sent; nor comes

    # -- `ClientConnection` ---------------------------------------------------------------------

    @property
    def unsent(self) -> int:
        """Bytes of responses that wait in this process until the client reads."""
        if self._is_closed or self._transport is None:
            return 0
        return self._transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """Bytes of responses that the client's system has confirmed so far, as far as is known."""
        held = 0 if self._is_closed else in_send_buffer(self._socket)
        return self._written - self.unsent - held

    def abort(self) -> None:
        """Closes it at once and drops what is unsent. Does nothing if it is closed."""
        if self._is_closed:
            return
        self._is_deaf = True
        if self._transport is not None:
            if self.unsent:
                drop_unsent(self._socket)
            self._transport.abort()

    def open_tunnel(self, exchange: HTTPConnection) -> Tunnel:
        """Takes the connection over, in place of a response; see `ClientConnection`."""
        if self._is_closed or exchange is not self._exchange or self._transport is None:
            raise ClientGoneError
        self._exchange.detach()
        self._exchange = None
        early, self._buffer = self._buffer, b""
        self.set_reading(paused=False)
        return Tunnel(self, self._transport, self._owner.read_buffer, early)

    # -- `asyncio.BufferedProtocol` -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection can be read and written."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=0)  # so it says whenever something is unsent
        if self._is_deaf:
            self._transport.abort()  # as it was asked for meanwhile

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed, whichever side closed it."""
        self._is_closed = self._is_ended = self._is_deaf = True
        self._buffer = b""
        if self._owner.half_closed:
            self._owner.half_closed.remove(self._file)
        writes, self._writes = self._writes, []
        for write in writes:
            gone(write)
        exchange, self._exchange = self._exchange, None
        try:
            # A delegate that works on what it took is informed once it has.
            is_receiving = self._is_awaiting or self._drop_request()
            if exchange is not None and not is_receiving:
                self._guarded(exchange.closed)
            self._guarded(self._owner.application.on_close, self)
        finally:
            self._owner.closed(self)

    def pause_writing(self) -> None:
        """Something is unsent."""
        self._is_blocked = True

    def resume_writing(self) -> None:
        """All is sent."""
        self._is_blocked = False
        writes, self._writes = self._writes, []
        for write in writes:
            if not write.done():
                write.set_result(None)
        self._advance()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport puts what it reads: of a body with so much to come, more at once."""
        body, owner = self._body, self._owner
        is_large = body is not None and body.left >= len(owner.body_buffer)
        return owner.body_buffer if is_large else owner.read_buffer

    def buffer_updated(self, nbytes: int) -> None:
        """It has put so many bytes there."""
        self.data_received(bytes(self._owner.body_buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Takes what has arrived, and was decrypted where that is needed."""
        if self._is_deaf:
            return
        self._buffer = self._buffer + data if self._buffer else data
        if self._body is not None or len(data) < MUCH:
            self._advance()  # so nothing is held of a body whose client waits
        is_waiting = self._is_yielding or self._is_deaf
        if len(data) >= MUCH and not is_waiting and not self._owner.turns.run(self._take_turn):
            self._is_yielding = True
            self.set_reading(paused=True)

    def eof_received(self) -> bool:
        """The client has ended its side; returns whether a response may still be written."""
        exchange, watch = self._exchange, self._owner.half_closed
        if exchange is None or watch is None or self.secure or self._is_deaf:
            return False
        if self.is_receiving or not exchange.may_outlive_end:
            return False
        self._is_deaf = True
        exchange.keep_alive = False
        watch.add(self._file, self.abort)
        if exchange.probe:
            self.send(exchange.probe)
        return True

    # -- what an exchange needs -----------------------------------------------------------------

    @property
    def is_receiving(self) -> bool:
        """Whether some of the request is still to come."""
        return self._delegate is not None

    def send(self, data: bytes) -> Future[None]:
        """Sends a part of a response; done once the client's system, or ours, has taken it."""
        write: Future[None] = self._loop.create_future()
        transport = self._transport
        if self._is_ended or transport is None or transport.is_closing():
            return gone(write)
        if data:
            self._written += len(data)
            transport.write(data)
            if transport.is_closing():
                return gone(write)
        if self._is_blocked:
            self._writes.append(write)
        else:
            write.set_result(None)
        return write

    def end_exchange(self) -> None:
        """The response is written: closes the connection, or goes on to the next request."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if self._delegate is not None or not exchange.keep_alive:
            # or else the rest of a body would have to be read
            self.close(is_sending=self._delegate is not None or bool(self._buffer))
        elif self._buffer and not self._is_blocked:
            self._loop.call_soon(self._advance)

    def _advance(self) -> None:
        """Goes on with what has arrived as far as that is possible."""
        try:
            while self._buffer and self._can_read():
                if self._exchange is not None:
                    self._take_body()
                elif not self._begin():
                    break
        except Exception as error:  # noqa: BLE001 - of the application, or a request that is none
            self._fail(error)
        busy = self._is_awaiting or self._is_yielding
        self.set_reading(paused=busy or (bool(self._buffer) and not self._can_read()))

    def _can_read(self) -> bool:
        """Whether something that arrives is looked at."""
        if self._is_deaf or self._is_awaiting or self._is_yielding:
            return False
        return self._body is not None or (self._exchange is None and not self._is_blocked)

    def _begin(self) -> bool:
        """Reads the head of a request; returns False if it is not all here."""
        data = self._buffer.removeprefix(b"\r\n")  # that some send behind a body
        end = data.find(END)
        if (end if end >= 0 else len(data)) > self._owner.max_header_bytes:
            raise HTTPInputError("the headers are too large")
        if end < 0:
            return False
        end += len(END)
        head = read_head(data[:end])
        self._buffer = data[end:]
        exchange = self._exchange = Exchange(self, self._context, head)
        delegate = self._delegate = self._owner.application.start_request(self, exchange)
        self._after(delegate.headers_received(head.line, head.headers), self._begin_body, head)
        return True

    def _begin_body(self, head: RequestHead) -> None:
        """Goes on behind the head, once the delegate has taken it."""
        exchange = self._exchange
        if exchange is None:
            return  # the response is written already
        if head.length == 0:
            self._finish_request()
            return
        if head.length is None:
            self._body = ChunkedBody(self._owner.max_body_bytes)
        elif head.length > self._owner.max_body_bytes:
            raise HTTPInputError("the body is too large")
        else:
            self._body = FixedBody(head.length)
        expect = header(head.headers, "Expect")
        if expect and expect.lower() == "100-continue":
            self.send(CONTINUE)

    def _take_body(self) -> None:
        """Passes on what has arrived of a body."""
        body, delegate = self._body, self._delegate
        assert body is not None and delegate is not None  # noqa: PT018
        piece, self._buffer = body.take(self._buffer)
        self._after(delegate.data_received(piece) if piece else None, self._end_body, body)
        if self._buffer and not body.is_whole:
            self._is_yielding = True
            self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        """Goes on once others had their turn."""
        self._is_yielding = False
        self._advance()

    def _end_body(self, body: FixedBody | ChunkedBody) -> None:
        if body.is_whole and self._exchange is not None:
            self._body = None
            self._finish_request()

    def _finish_request(self) -> None:
        """All of it is here."""
        delegate, self._delegate = self._delegate, None
        assert delegate is not None
        delegate.finish()

    def _after(self, taken: Awaitable[None] | None, work: Callable[[Any], None], item: Any) -> None:
        """Goes on once the delegate has taken something."""
        if taken is None or (isinstance(taken, Future) and taken.done() and not taken.exception()):
            work(item)
            return
        self._is_awaiting = True
        start_task("request body", self._await(taken, work, item))

    async def _await(self, taken: Awaitable[None], work: Callable[[Any], None], item: Any) -> None:
        failure: Exception | None = None
        try:
            await taken
        except Exception as error:  # noqa: BLE001 - handled below, where all of the kind is
            failure = error
        self._is_awaiting = False
        if failure is not None:
            self._fail(failure)
        elif not self._is_ended:
            self._guarded(work, item)
        if self._is_ended:
            self._drop_request()
        self._advance()

    def set_reading(self, *, paused: bool) -> None:
        """Pauses reading or goes on; a client that resets a paused connection is noticed, too."""
        transport, watch = self._transport, self._owner.half_closed
        if paused == self._is_paused or self._is_deaf or not transport or transport.is_closing():
            return
        self._is_paused = paused
        if paused:
            transport.pause_reading()
            if watch:
                watch.add(self._file, self.abort)
        else:
            if watch:
                watch.remove(self._file)
            transport.resume_reading()

    def _refuse(self, why: str) -> None:
        """Ends a connection whose client sent something else than a request."""
        logger.info("malformed request from {}: {}", self.peer, why)
        exchange, self._exchange = self._exchange, None
        if exchange is None or not exchange.begun:
            self.send(BAD_REQUEST)
        self.close(is_sending=True)

    def close(self, *, is_sending: bool) -> None:
        """Closes it once what was written is sent, and a client that still sends could read it."""
        self._is_deaf = self._is_ended = True
        self._buffer = b""
        if not self._is_awaiting:
            self._drop_request()
        if (transport := self._transport) is None or transport.is_closing():
            return
        if is_sending:
            self._owner.ended(self)
        if not is_sending:
            transport.close()
        elif self.secure:
            transport.write_eof()  # `TlsTransport` does the rest
        else:
            Lingering(transport, self, self._owner.turns)

    def _drop_request(self) -> bool:
        """Informs a delegate that waits for the rest of a request; returns whether one does."""
        delegate, self._delegate, self._body = self._delegate, None, None
        if delegate is None:
            return False
        self._guarded(delegate.on_connection_close)
        return True

    def _guarded(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Calls the application, whose failure ends this connection and nothing else."""
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - reported
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if isinstance(error, HTTPInputError):
            self._refuse(str(error))
        else:
            report("client connection", error)
            self.abort()
