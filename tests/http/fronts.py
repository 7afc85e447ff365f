"""Both fronts over real sockets, on the event loops that routers run on."""

import asyncio
import socket
from contextlib import contextmanager

import pytest
import uvloop
from tornado.netutil import bind_sockets
from tornado.web import Application

from tornado_router.config.options import ServerOptions
from tornado_router.http.fronts import make_front

from ..support import DEADLINE

LARGE = 16 * 1024 * 1024
"""More than the buffers of the system hold."""

ON_LOOPS = [
    pytest.param(("tornado", asyncio.new_event_loop), id="tornado"),
    pytest.param(("llhttp", uvloop.new_event_loop), id="llhttp"),
    pytest.param(("llhttp", asyncio.new_event_loop), id="llhttp-asyncio"),
]
"""Each front, and the loop that it runs on."""

LLHTTP = ON_LOOPS[1:]
"""The front over llhttp alone."""


class Observer:
    """Accepts up to a number of connections."""

    def __init__(self, room=100):
        self.room = room
        self.seen = []
        self.open = set()

    def opened(self, connection):
        if len(self.open) >= self.room:
            return False
        self.seen.append(connection)
        self.open.add(connection)
        return True

    def ended(self, connection):
        assert connection in self.open

    def closed(self, connection):
        self.open.remove(connection)

    def exhausted(self):
        pass


class World:
    """A front that serves an application, and clients of it."""

    def __init__(self, http, application, room=100, tls=None, **options):
        self.observer = Observer(room)
        self.front = make_front(
            application, self.observer, ServerOptions(http=http, **options), tls=tls
        )

    async def listen(self):
        sockets = bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        await self.front.listen(sockets)

    async def close(self):
        self.front.stop_listening()
        await self.front.close()
        assert not self.observer.open

    async def connect(self, data=b"", **options):
        options = {"limit": 2 * LARGE, **options}
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        writer.write(data)
        return reader, writer

    async def respond(self, data):
        """All that comes for some bytes, until the connection is closed."""
        reader, writer = await self.connect(data)
        try:
            return await reader.read()
        finally:
            writer.close()

    @contextmanager
    def unread(self, data):
        """A connection whose client sends a request, and does not read."""
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(DEADLINE)
            sock.connect(("127.0.0.1", self.port))
            sock.sendall(data)
            sock.setblocking(False)
            yield sock

    async def until(self, ask):
        while not ask():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)


def play(story, world, loop_factory):
    """Has a story told in a world that is made on the loop."""

    async def main():
        here = world()
        await here.listen()
        try:
            async with asyncio.timeout(DEADLINE):
                return await story(here)
        finally:
            await here.close()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(main())


def serve(*handlers, **settings):
    """An application of some handlers, by their patterns."""
    return Application(list(handlers), log_function=lambda _: None, **settings)
