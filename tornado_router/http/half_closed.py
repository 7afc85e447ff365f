"""Notices the reset of connections that are neither read nor written.

A client that ends its own side behind a request, as `nc -N` does, waits for the response. What
arrives of it is the same end that a client sends who has left, and for whom work has to be
cancelled at once. Only data makes a difference: the system of one who left resets the connection.
So a front sends some that mean nothing, and has the connection watched here. On systems without
epoll, with TLS and for HTTP/1.0, every end is taken for that of a client who has left.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

WATCHES = hasattr(select, "epoll")
"""Whether the system reports the reset of a connection that is neither read nor written."""


class HalfClosed:
    """The connections whose clients have ended their side; closes those that are reset.

    The event loop asks for what can be read or written, and such a connection can always be read.
    Another epoll asks for nothing but the reset, which is always reported. To be made on the
    running event loop.
    """

    def __init__(self) -> None:
        self._closes: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._close_reset)

    def add(self, file: int, close: Callable[[], None]) -> None:
        """Watches a connection until it is removed.

        Args:
            file: its descriptor.
            close: called when it is reset.
        """
        self._closes[file] = close
        self._epoll.register(file, 0)

    def remove(self, file: int) -> None:
        """Watches it no more, if it is watched."""
        if self._closes.pop(file, None):
            self._epoll.unregister(file)

    def close(self) -> None:
        """Watches none."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._closes.clear()

    def _close_reset(self) -> None:
        for file, _ in self._epoll.poll(0):
            close = self._closes[file]
            self.remove(file)
            close()
