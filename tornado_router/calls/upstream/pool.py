"""The connections to the hosts of one provider: so many at once, and first come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tornado_router.calls.upstream.connecting import Connector
from tornado_router.calls.upstream.connection import Connection, Silence
from tornado_router.calls.upstream.request_head import Origin


class Pool:
    """Connections, kept for further requests.

    Args:
        limit: how many may be in use at once.
        silence: how long each may be silent.

    Attributes:
        limit: as it was given.
        in_use: connections that requests and websockets have, or that are being made for them.
    """

    def __init__(self, limit: int, silence: Silence) -> None:
        self.limit = limit
        self.in_use = 0
        self._silence = silence
        self._loop = asyncio.get_running_loop()
        self._connector = Connector()
        self._origins: dict[Connection, Origin] = {}
        self._idle: dict[Origin, list[Connection]] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._is_closed = False

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(map(len, self._idle.values()))

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection."""
        return len(self._waiters)

    def take(self, origin: Origin) -> Connection | None:
        """A connection that was kept, or None if there is none, or others wait for one."""
        if self._waiters or self.in_use >= self.limit:
            return None
        connection = self._kept(origin)
        if connection is not None:
            self.in_use += 1
        return connection

    async def get(self, origin: Origin) -> Connection:
        """A connection, as soon as there is one.

        Raises:
            OSError: it cannot be made.
        """
        await self._take_place()
        return self._kept(origin) or await self.replace(origin)

    async def get_new(self, origin: Origin) -> Connection:
        """A new connection, as soon as there may be one, for what can be sent only once.

        Raises:
            OSError: it cannot be made.
        """
        await self._take_place()
        return await self.replace(origin)

    async def replace(self, origin: Origin) -> Connection:
        """A new connection in the place of one that refused a request.

        Raises:
            OSError: it cannot be made; the place is given on.
        """
        try:
            return await self._connect(origin)
        except BaseException:
            self.give_place()
            raise

    def give_place(self) -> None:
        """The place of a connection goes to who has waited longest, or is free."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.in_use -= 1

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Counts a connection that is made elsewhere."""
        await self._take_place()
        try:
            yield
        finally:
            self.give_place()

    async def close(self) -> None:
        """Closes every connection."""
        self._is_closed = True
        await self._connector.close()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(ConnectionAbortedError("closed"))
        for connection in list(self._origins):
            connection.abort()
        await asyncio.sleep(0)  # the loop closes their sockets in its next turn

    def _kept(self, origin: Origin) -> Connection | None:
        """The connection that was used last, if there is one that is open."""
        idle = self._idle.get(origin)
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self, origin: Origin) -> Connection:
        if self.in_use + self.idle > self.limit:
            self._close_oldest()
        made = Connection(self._loop, self._silence, self._release, self._forget)
        await self._connector.connect(origin, lambda: made)
        if self._is_closed or not made.is_open:
            made.abort()
            raise ConnectionAbortedError("closed")
        self._origins[made] = origin
        return made

    def _close_oldest(self) -> None:
        """Closes a connection to a host that was not asked for long."""
        for idle in self._idle.values():
            if idle:
                idle.pop(0).abort()
                return

    def _release(self, connection: Connection, keeps: bool) -> None:
        if keeps and not self._is_closed:
            self._idle.setdefault(self._origins[connection], []).append(connection)
        self.give_place()

    def _forget(self, connection: Connection) -> None:
        origin = self._origins.pop(connection, None)
        idle = self._idle.get(origin) if origin else None
        if idle is not None and connection in idle:
            idle.remove(connection)
            if not idle:
                self._idle.pop(origin)  # type: ignore[arg-type]

    async def _take_place(self) -> None:
        if self.in_use < self.limit and not self._waiters:
            self.in_use += 1
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except BaseException:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                self.give_place()  # it was given one just as it stopped to wait
            raise
