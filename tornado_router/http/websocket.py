"""Websockets of clients: `websockets` has the protocol (RFC 6455), the front has the bytes.

What breaks the rules ends the connection with the code that they have for it. Nothing is
compressed: messages are small or sound, and a small one could be made to fill the memory.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType

from tornado.httputil import HTTPServerRequest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidState
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import Protocol, Side, State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from tornado_router.error_codes import Invalid
from tornado_router.http.connection import ClientGoneError, Tunnel, open_tunnel
from tornado_router.http.request_header import offered_protocols
from tornado_router.http.websocket_frames import FrameCutter, message_frame

CLOSE_SECONDS = 1.0
"""For so long the client's part of the closing handshake is awaited."""

MAX_REASON = 123
"""Bytes of the words that a close frame has room for."""

AT_ONCE = 32
"""So many messages are taken in one turn of the event loop: 64 KB hold thousands of small ones."""

_SWITCHING = 101
_UPGRADE_REQUIRED = 426
_SENDABLE = frozenset((*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)))
_log = logging.getLogger("tornado_router.websocket")
_log.setLevel(logging.WARNING)  # it would tell of each connection


class Handshake:
    """A request to open a websocket, checked and not yet granted: it may still be refused.

    Args:
        request: of the client.
        max_bytes: of a message, however many frames it has.
        protocols: sub-protocols that are spoken, the preferred first; used if one is offered.

    Raises:
        ApiError: 400 or 426, it asks for none, or in a wrong way.
    """

    def __init__(
        self, request: HTTPServerRequest, max_bytes: int, protocols: Collection[str] = ()
    ) -> None:
        self._request = request
        offered = offered_protocols(request.headers)
        spoken = [Subprotocol(name) for name in protocols if name in offered]
        self._max_bytes = max_bytes
        headers = Headers(list(request.headers.get_all()))
        checked = ServerProtocol(subprotocols=spoken or None, logger=_log)
        self._response = checked.accept(
            Request(request.path, headers, request.method or "", request.version or "")
        )
        if self._response.status_code == _UPGRADE_REQUIRED:
            raise Invalid.websocket_needed(
                path=request.path, headers={"Upgrade": "websocket", "Connection": "Upgrade"}
            )
        if self._response.status_code != _SWITCHING:
            raise Invalid.invalid_upgrade(
                reason=str(checked.handshake_exc), headers={"Sec-WebSocket-Version": "13"}
            )

    def grant(
        self,
        headers: Mapping[str, str] = MappingProxyType({}),
        take_room: Callable[[int], bool] = lambda _: True,
    ) -> WebSocket:
        """Opens the websocket.

        Args:
            headers: of the response, beside those of the protocol.
            take_room: asked before so many bytes are held of a message that is not whole yet; a
                negative number gives them back.

        Raises:
            ClientGoneError: the client has left.
        """
        tunnel = open_tunnel(self._request)
        for name, value in headers.items():
            self._response.headers[name] = value
        tunnel.write(self._response.serialize())
        return WebSocket(tunnel, self._max_bytes, take_room)


class WebSocket:
    """One websocket of a client.

    Args:
        tunnel: the bytes of its connection.
        max_bytes: of a message, however many frames it has.
        take_room: see `Handshake.grant`.

    Attributes:
        close_code: with which the client closed it, or broke it; None while it is open.
        close_reason: the client's words on that; empty if there are none.
        alive_at: when something of the client's arrived last, by the clock of the event loop.
    """

    def __init__(self, tunnel: Tunnel, max_bytes: int, take_room: Callable[[int], bool]) -> None:
        self._tunnel = tunnel
        self._protocol = Protocol(Side.SERVER, max_size=max_bytes, logger=_log)
        self._take_room = take_room
        self._loop = asyncio.get_running_loop()
        self._messages: deque[str | bytes] = deque()
        self._frames = FrameCutter(max_bytes)
        self._parts: bytearray | None = None  # of a message in several frames
        self._is_text = False
        self._held = 0  # bytes of a message that is not whole yet
        self._taken = 0  # messages since others had their turn
        self._is_over = False  # nothing more is sent
        self.close_code: int | None = None
        self.close_reason = ""
        self.alive_at = self._loop.time()

    async def receive(self) -> str | bytes | None:
        """The next message: a text, or bytes; None once the websocket is closed.

        A message that is not fetched is not read from the network, but for what arrived with the
        one before.
        """
        while not self._messages:
            if self.close_code is not None:
                return None
            await self._read()
            self._taken = 0
        self._taken += 1
        if self._taken >= AT_ONCE:
            self._taken = 0
            await asyncio.sleep(0)
        return self._messages.popleft()

    async def send(self, message: str | bytes) -> None:
        """Sends a message; ends once the client has room for more.

        Raises:
            ClientGoneError: the websocket is closed.
        """
        if self._protocol.state is not State.OPEN:
            raise ClientGoneError
        is_text = isinstance(message, str)
        data = message.encode() if isinstance(message, str) else message
        await self._tunnel.write(message_frame(data, is_text=is_text))

    async def send_texts(self, texts: Sequence[bytes]) -> None:
        """Sends several messages at once; ends once the client has room for more.

        Args:
            texts: in UTF-8.

        Raises:
            ClientGoneError: the websocket is closed.
        """
        try:
            for text in texts:
                self._protocol.send_text(text)
        except InvalidState:
            raise ClientGoneError from None
        await self._write()

    def ping(self) -> None:
        """Asks whether the client is there; what it says is seen by `alive_at`."""
        with suppress(InvalidState):
            self._protocol.send_ping(b"")
            self._write()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes it, and waits a moment for the client to do the same.

        Args:
            code: of the close frame; one that may not be sent becomes 1000.
            reason: its words, which are cut where there is no room for them.
        """
        words = reason.encode()[:MAX_REASON].decode(errors="ignore")
        with suppress(InvalidState):
            self._protocol.send_close(
                code if code in _SENDABLE else CloseCode.NORMAL_CLOSURE, words
            )
        with suppress(TimeoutError, ClientGoneError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._write()
                while not self._is_over:
                    await self._read()
                    self._messages.clear()
        self._free()
        self._tunnel.close()

    async def _read(self) -> None:
        """Takes what has arrived, and responds to what of it asks for that."""
        data = await self._tunnel.read()
        protocol = self._protocol
        if data:
            self.alive_at = self._loop.time()
            for piece in self._frames.feed(data):
                if piece.is_message and self._parts is None and protocol.state is State.OPEN:
                    self._add(piece.payload(), is_text=piece.is_text)
                else:
                    protocol.receive_data(piece.data)
                    self._take_frames()
        else:
            protocol.receive_eof()
        self._count(len(data))
        written = self._write()
        if protocol.parser_exc is not None or protocol.close_rcvd is not None or not data:
            self._end()
        with suppress(ClientGoneError):
            await written

    def _take_frames(self) -> None:
        """Takes what the protocol has read; it has taken all but frames of messages itself."""
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame):
                self._take(frame)

    def _take(self, frame: Frame) -> None:
        """Takes a frame of a message."""
        opcode, data = frame.opcode, frame.data
        if opcode is Opcode.CONT and self._parts is not None:
            self._parts += data
            data = self._parts
        elif opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = opcode is Opcode.TEXT
        else:
            return
        if not frame.fin:
            self._parts = bytearray(data) if self._parts is None else self._parts
            self._frames.begun = len(self._parts)
            return
        self._parts, self._frames.begun = None, 0
        self._add(data, is_text=self._is_text)

    def _add(self, data: bytes | bytearray | memoryview, *, is_text: bool) -> None:
        """Adds a message."""
        self._free()
        if not is_text:
            self._messages.append(bytes(data))
            return
        try:
            self._messages.append(str(data, "utf-8"))
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "the text is not UTF-8")

    def _count(self, size: int) -> None:
        """Counts what is held of a message that is not whole."""
        if self._messages or self.close_code is not None:
            return
        if self._take_room(size):
            self._held += size
        else:
            self._fail(CloseCode.TRY_AGAIN_LATER, "no memory is left for the message")

    def _fail(self, code: CloseCode, reason: str) -> None:
        """Ends it over something that the client sent."""
        if self.close_code is None:
            self._protocol.fail(code, reason)
            self.close_code = code
            self._messages.clear()

    def _end(self) -> None:
        """Notes that the client has closed it, or broken the rules."""
        if self.close_code is None:
            received, sent = self._protocol.close_rcvd, self._protocol.close_sent
            close = received or sent
            self.close_code = close.code if close else CloseCode.ABNORMAL_CLOSURE
            self.close_reason = received.reason if received else ""

    def _free(self) -> None:
        if self._held:
            self._take_room(-self._held)
            self._held = 0

    def _write(self) -> asyncio.Future[None]:
        """Sends what the protocol has to say; done once that is taken."""
        pieces = self._protocol.data_to_send()
        if not pieces:  # a client that does not read may still be read
            nothing: asyncio.Future[None] = self._loop.create_future()
            nothing.set_result(None)
            return nothing
        if not pieces[-1]:  # its sign for the end
            self._is_over = True
        return self._tunnel.write(b"".join(pieces))
