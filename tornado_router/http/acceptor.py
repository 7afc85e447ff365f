"""Accepts the connections of a listening socket, also when the process runs out of descriptors."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

from tornado_router.background.open_files import may_accept
from tornado_router.background.supervisor import call_later, report

AT_ONCE = 128
"""So many connections are accepted before others get their turn."""

PAUSE_SECONDS = 0.1
"""For this long none is accepted once the system has no more descriptors, or no memory for one.

A connection that waits keeps the socket readable: without a pause, the event loop would turn and
turn for it."""

_EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class Acceptor:
    """Accepts the connections of one listening socket, on the running event loop.

    Args:
        listening: the socket, which does not block.
        take: called with each connection and the address of its other end.
        exhausted: called when there are no more descriptors for clients: closes what it can.
    """

    def __init__(
        self,
        listening: socket.socket,
        take: Callable[[socket.socket, Any], None],
        exhausted: Callable[[], None],
    ) -> None:
        self._listening = listening
        self._take = take
        self._exhausted = exhausted
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._begin()

    def close(self) -> None:
        """Accepts no more, and closes the socket."""
        if self._pause:
            self._pause.cancel()
        self._loop.remove_reader(self._listening)
        self._listening.close()

    def _begin(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            if not may_accept():
                self._make_room()
                return
            try:
                connection, address = self._listening.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # it broke before it was accepted: the next may be well
                self._make_room()
                return
            try:
                self._take(connection, address)
            except Exception as error:  # noqa: BLE001 - one connection is lost, and no other
                connection.close()
                report("accepting", error)

    def _make_room(self) -> None:
        self._loop.remove_reader(self._listening)
        self._pause = call_later("accepting", PAUSE_SECONDS, self._begin)
        self._exhausted()
