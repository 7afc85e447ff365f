"""What the router relies on of Tornado's server beyond its documented interface.

If one of these fails after an update of Tornado, `tornado_front` is the one module to change.
"""

import asyncio
import socket
import ssl
import sys
from contextlib import contextmanager

import pytest
import trustme
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tornado_router.config.options import ServerOptions
from tornado_router.http.connection import connection_of
from tornado_router.http.tls import Tls
from tornado_router.http.tornado_front import KERNEL_BYTES, TornadoFront

from ..support import DEADLINE

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = 16 * 1024 * 1024
"""More than the buffers of the system hold."""


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

    def closed(self, connection):
        self.open.remove(connection)

    def exhausted(self):
        pass


class Handler(RequestHandler):
    requests = None

    def get(self):
        self.requests.append(connection_of(self.request))
        self.finish(b"x" * (LARGE if self.get_query_argument("large", None) else 5))


class World:
    def __init__(self, room=100, tls=None):
        self.observer = Observer(room)
        self.requests = []
        handler = type("Handler", (Handler,), {"requests": self.requests})
        self.front = TornadoFront(
            Application([("/", handler)]), self.observer, ServerOptions(), tls=tls
        )

    async def listen(self):
        sockets = bind_sockets(0, "127.0.0.1")
        self.port = sockets[0].getsockname()[1]
        await self.front.listen(sockets)

    async def ask(self, ask=ASK, **options):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        writer.write(ask)
        return reader, writer

    @contextmanager
    def unread(self):
        """A connection whose client does not read."""
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(DEADLINE)
            sock.connect(("127.0.0.1", self.port))
            sock.sendall(ASK.replace(b"/", b"/?large=1", 1))
            sock.setblocking(False)
            yield sock

    async def until(self, ask):
        async with asyncio.timeout(DEADLINE):
            while not ask():  # noqa: ASYNC110 - no event for it
                await asyncio.sleep(0.01)


async def read_all(sock):
    while await asyncio.get_running_loop().sock_recv(sock, 65536):
        pass


def run(story, **options):
    async def main():
        world = World(**options)
        await world.listen()
        try:
            return await story(world)
        finally:
            world.front.stop_listening()
            await world.front.close()
            assert not world.observer.open

    return asyncio.run(main())


def test_every_request_has_the_connection_that_was_reported():
    async def story(world):
        for _ in range(2):
            reader, writer = await world.ask(ASK + ASK)
            for _ in range(2):
                await reader.readuntil(b"xxxxx")
            writer.close()
        first, second = world.observer.seen
        assert world.requests == [first, first, second, second]
        assert (first.peer, first.secure, first.unsent) == ("127.0.0.1", False, 0)
        await world.until(lambda: not world.observer.open)

    run(story)


def test_what_is_written_is_sent_at_once_and_no_timer_runs_for_a_connection():
    async def story(world):
        reader, writer = await world.ask()
        await reader.readuntil(b"xxxxx")
        (connection,) = world.observer.open
        option = connection._stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert option == 1
        assert not asyncio.get_running_loop()._scheduled
        writer.close()

    run(story)


def test_one_over_tls_is_secure(tmp_path):
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    made.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    made.private_key_pem.write_to_path(tmp_path / "tls.key")
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def story(world):
        reader, writer = await world.ask(ssl=context, server_hostname="localhost")
        await reader.readuntil(b"xxxxx")
        (client,) = world.requests
        assert (client.peer, client.secure, client.unsent) == ("127.0.0.1", True, 0)
        await world.until(lambda: client.taken > 5)
        writer.close()

    run(story, tls=Tls(tmp_path / "tls.crt", tmp_path / "tls.key"))


def test_what_a_client_has_not_read_is_counted():
    async def story(world):
        with world.unread() as sock:
            await world.until(lambda: world.requests)
            (client,) = world.requests
            before, taken = client.unsent, client.taken
            assert before > LARGE / 4
            loop = asyncio.get_running_loop()
            received = 0
            while received < LARGE / 2:
                received += len(await loop.sock_recv(sock, 65536))
            assert client.unsent < before
            assert client.taken > taken
            # All but what the buffer of the client's system may hold was read by the client itself.
            assert client.taken - received < LARGE / 4

    run(story)


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no such option")
def test_nearly_all_of_it_waits_in_this_process_where_it_is_bounded():
    async def story(world):
        with world.unread():
            await world.until(lambda: world.requests)
            (client,) = world.requests
            assert client.unsent > LARGE - 2 * KERNEL_BYTES

    run(story)


def test_an_abort_resets_a_connection_that_is_written_to():
    async def story(world):
        with world.unread() as sock:
            await world.until(lambda: world.requests)
            (client,) = world.requests
            client.abort()
            client.abort()
            await world.until(lambda: not world.observer.open)
            assert client.unsent == 0
            with pytest.raises(ConnectionResetError):
                await read_all(sock)

    run(story)


def test_and_only_ends_one_that_is_not():
    async def story(world):
        reader, writer = await world.ask()
        await reader.readuntil(b"xxxxx")
        (client,) = world.requests
        client.abort()
        assert await reader.read() == b""
        await world.until(lambda: not world.observer.open)
        assert (client.unsent, client.taken > 5) == (0, True)
        writer.close()

    run(story)


def test_one_that_is_refused_is_closed_and_not_reported_again():
    async def story(world):
        reader, writer = await world.ask()
        await reader.readuntil(b"xxxxx")
        refused, refused_writer = await world.ask()
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await refused.readexactly(1)
        assert len(world.observer.seen) == len(world.observer.open) == 1
        refused_writer.close()
        writer.close()

    run(story, room=1)


def test_no_more_are_accepted_once_it_does_not_listen():
    async def story(world):
        reader, writer = await world.ask()
        await reader.readuntil(b"xxxxx")
        world.front.stop_listening()
        with pytest.raises(ConnectionRefusedError):
            await world.ask()
        writer.write(ASK)
        await reader.readuntil(b"xxxxx")
        writer.close()

    run(story)
