"""Writes the response of a call to a client's websocket: each event is a message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from tornado_router.background.supervisor import call_later
from tornado_router.calls.client_socket import ClientSocket
from tornado_router.endpoints.responses_socket import last_of, messages_of


class SocketWriter:
    """Writes the response of a call, as the messages of a lane (`Client`).

    A write ends when the client has taken it, and the provider waits meanwhile. Silence needs no
    comments: the websocket is pinged. What the headers of a response say has no place in messages.

    Args:
        socket: of the client.
        lane: that each message names; None for the one without a name.

    Attributes:
        ended: called with the last event of a response that went well, before its client has it.
        begun: whether the client was sent anything of the response.
        is_waiting: whether the client has not yet taken what was written.
        is_ready: never, as a write may have to wait for others.
    """

    ended: Callable[[bytes], None] | None = None

    def __init__(self, socket: ClientSocket, lane: str | None) -> None:
        self._socket = socket
        self._lane = lane
        self._timer: asyncio.TimerHandle | None = None
        self._give_up: tuple[float, Callable[[], None]] | None = None
        self.begun = False
        self.is_waiting = self.is_ready = False

    def keep_alive(
        self, comment: bytes, headers: Callable[[], Mapping[str, str]], content_type: str
    ) -> None:
        """Does nothing: pings do it."""

    def await_end(self, seconds: float, give_up: Callable[[], None]) -> None:
        """Has `give_up` called once nothing was written for so many seconds."""
        self._give_up = seconds, give_up
        self._wait()

    def begin(self, headers: Mapping[str, str], content_type: str, *, stream: bool) -> None:
        """Does nothing: a message has no head."""

    async def write(self, data: bytes) -> None:
        """Writes events."""
        last = last_of(data) if self.ended else None
        if self.ended and last is not None:
            self.ended(last)
        messages = messages_of(data, self._lane)
        if not messages:
            return
        self.begun = self.is_waiting = True
        try:
            await self._socket.send_texts(messages)
        finally:
            self.is_waiting = False
        if self._give_up:
            self._wait()

    def finish(self, data: bytes) -> Awaitable[None]:
        """Writes the last events."""
        self.forget()
        return self.write(data)

    def abort(self) -> None:
        """Does nothing: the streams of this endpoint have an event for every end."""

    def forget(self) -> None:
        """Waits for no end any more."""
        self._give_up = None
        self._stop()

    def _wait(self) -> None:
        self._stop()
        if self._give_up:
            self._timer = call_later("end of a response", *self._give_up)

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
