"""What both fronts do, over real sockets."""

import asyncio
import socket
import ssl
import sys

import pytest
import trustme
from tornado.web import RequestHandler

from tornado_router.config.options import ServerOptions
from tornado_router.http.connection import connection_of
from tornado_router.http.fronts import FRONTS, make_front
from tornado_router.http.kernel_buffers import KERNEL_BYTES
from tornado_router.http.tls import Tls

from . import fronts
from .fronts import LARGE, ON_LOOPS, play, serve

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
ASK_LARGE = ASK.replace(b"/", b"/?large=1", 1)


class Handler(RequestHandler):
    requests = None

    def get(self):
        self.requests.append(connection_of(self.request))
        self.finish(b"x" * (LARGE if self.get_query_argument("large", None) else 5))


class World(fronts.World):
    def __init__(self, http, **options):
        self.requests = []
        handler = type("Handler", (Handler,), {"requests": self.requests})
        super().__init__(http, serve(("/", handler)), **options)


@pytest.fixture(params=ON_LOOPS)
def run(request):
    def run(story, **options):
        http, loop = request.param
        return play(story, lambda: World(http, **options), loop)

    return run


@pytest.mark.parametrize("name", FRONTS)
def test_the_option_chooses(name):
    front = make_front(serve(), fronts.Observer(), ServerOptions(http=name))
    assert type(front) is FRONTS[name]


def test_every_request_has_the_connection_that_was_reported(run):
    async def story(world):
        for _ in range(2):
            reader, writer = await world.connect(ASK + ASK)
            for _ in range(2):
                await reader.readuntil(b"xxxxx")
            writer.close()
        first, second = world.observer.seen
        assert world.requests == [first, first, second, second]
        assert (first.peer, first.secure, first.unsent) == ("127.0.0.1", False, 0)
        await world.until(lambda: not world.observer.open)

    run(story)


def test_one_over_tls_is_secure(run, tmp_path):
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    made.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    made.private_key_pem.write_to_path(tmp_path / "tls.key")
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def story(world):
        reader, writer = await world.connect(ASK, ssl=context, server_hostname="localhost")
        await reader.readuntil(b"xxxxx")
        (client,) = world.requests
        assert (client.peer, client.secure, client.unsent) == ("127.0.0.1", True, 0)
        await world.until(lambda: client.taken > 5)
        writer.close()

    run(story, tls=Tls(tmp_path / "tls.crt", tmp_path / "tls.key"))


def test_what_a_client_has_not_read_is_counted(run):
    async def story(world):
        with world.unread(ASK_LARGE) as sock:
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
def test_nearly_all_of_it_waits_in_this_process_where_it_is_bounded(run):
    async def story(world):
        with world.unread(ASK_LARGE):
            await world.until(lambda: world.requests)
            (client,) = world.requests
            assert client.unsent > LARGE - 2 * KERNEL_BYTES

    run(story)


async def read_all(sock):
    while await asyncio.get_running_loop().sock_recv(sock, 65536):
        pass


def test_an_abort_resets_a_connection_that_is_written_to(run):
    async def story(world):
        with world.unread(ASK_LARGE) as sock:
            await world.until(lambda: world.requests)
            (client,) = world.requests
            client.abort()
            client.abort()
            await world.until(lambda: not world.observer.open)
            assert client.unsent == 0
            with pytest.raises(ConnectionResetError):
                await read_all(sock)

    run(story)


def test_and_only_ends_one_that_is_not(run):
    async def story(world):
        reader, writer = await world.connect(ASK)
        await reader.readuntil(b"xxxxx")
        (client,) = world.requests
        client.abort()
        assert await reader.read() == b""
        await world.until(lambda: not world.observer.open)
        assert (client.unsent, client.taken > 5) == (0, True)
        writer.close()

    run(story)


def test_what_is_written_is_sent_at_once_and_no_timer_runs_for_a_connection(run):
    async def story(world):
        reader, writer = await world.connect(ASK)
        await reader.readuntil(b"xxxxx")
        (connection,) = world.observer.open
        sock = getattr(connection, "_socket", None) or connection._stream.socket
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        timers = getattr(asyncio.get_running_loop(), "_scheduled", ())
        assert all("timeout" in repr(timer).lower() for timer in timers)  # of this test itself
        writer.close()

    run(story)


def test_one_that_is_refused_is_closed_and_not_reported_again(run):
    async def story(world):
        reader, writer = await world.connect(ASK)
        await reader.readuntil(b"xxxxx")
        refused, refused_writer = await world.connect(ASK)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
            await refused.readexactly(1)
        assert len(world.observer.seen) == len(world.observer.open) == 1
        refused_writer.close()
        writer.close()

    run(story, room=1)


def test_no_more_are_accepted_once_it_does_not_listen(run):
    async def story(world):
        reader, writer = await world.connect(ASK)
        await reader.readuntil(b"xxxxx")
        world.front.stop_listening()
        with pytest.raises(ConnectionRefusedError):
            await world.connect(ASK)
        writer.write(ASK)
        await reader.readuntil(b"xxxxx")
        writer.close()

    run(story)
