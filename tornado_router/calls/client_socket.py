"""The websocket of a client, as the calls in it see it, and how one ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tornado_router.config.options import ServerOptions
from tornado_router.errors import ApiError

LOOK_SECONDS = 0.5
"""How often it is looked after what no message shows."""

NO_CODE, BROKEN = 1005, 1006
"""Codes that stand for none, and for a connection that broke: neither can be sent."""

DONE, GOING_AWAY, UNSUPPORTED, POLICY, FAILED = 1000, 1001, 1003, 1008, 1011


class ClientSocket(Protocol):
    """The websocket of a client.

    Attributes:
        close_code: with which the client closed it, or None.
        close_reason: its words on that.
        alive_at: when something of it came last, by the clock of the event loop.
    """

    close_code: int | None
    close_reason: str
    alive_at: float

    async def receive(self) -> str | bytes | None:
        """The next message; None once it is closed."""
        ...

    async def send(self, message: str | bytes) -> None:
        """Sends a message; raises OSError if it is closed."""
        ...

    async def send_texts(self, texts: Sequence[bytes]) -> None:
        """Sends several at once, each in UTF-8; raises OSError if it is closed."""
        ...

    def ping(self) -> None:
        """Asks whether the client is there."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes it."""
        ...


class End(NamedTuple):
    """How a websocket ends.

    Attributes:
        code: of the close frame that goes to the other side.
        words: on it.
        error: that the client is shown before; None if nothing failed.
        by_client: whether the client has closed it.
    """

    code: int = DONE
    words: str = ""
    error: ApiError | None = None
    by_client: bool = False


class Pulse:
    """Knows whether a client is still there, and asks one that is silent.

    Args:
        client: its websocket.
        options: `[server]`: how long it may be silent.
    """

    def __init__(self, client: ClientSocket, options: ServerOptions) -> None:
        self._client = client
        self._options = options
        self._pinged_at = 0.0

    def is_gone(self) -> bool:
        """Whether it did not respond; to be asked now and then."""
        now, options = asyncio.get_running_loop().time(), self._options
        silent, ping = now - self._client.alive_at, options.keepalive_seconds
        if not ping or silent < ping:
            return False
        if self._pinged_at <= self._client.alive_at:
            self._pinged_at = now
            self._client.ping()
        return silent > ping + options.stalled_seconds


def sendable(code: int) -> int:
    """The code to close the other side with: one that stands for none, or for a break, is not."""
    if code == NO_CODE:
        return DONE
    return GOING_AWAY if code == BROKEN else code
