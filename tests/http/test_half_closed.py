"""Clients that end their side behind a request, and those that leave: told apart over real sockets.

If one of these fails with `tornado` after an update of it, `client_stream` is the one module to
change.
"""

import asyncio
import gc
import socket
import struct
import sys
import weakref
from contextlib import asynccontextmanager, suppress

import pytest
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from tornado_router.http.client_stream import ClientStream
from tornado_router.http.llhttp import front
from tornado_router.http.llhttp.connection import LlhttpConnection

from . import fronts
from .fronts import LARGE, ON_LOOPS, play, serve

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs epoll")

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
WORDS = [b"one ", b"two ", b"three "]


def request(path, version="1.1", method="GET", body=b""):
    return b"%s /%s HTTP/%s\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (
        method.encode(),
        path.encode(),
        version.encode(),
        len(body),
        body,
    )


class Handler(RequestHandler):
    """Responds once a test lets it: whole, or in pieces."""

    world = None

    async def get(self, kind):
        self.world.asked.set()
        if kind == "stream":
            await self.words()
            return
        if kind == "stream-first":
            self.write(WORDS[0])
            await self.flush()
        await self.world.go.wait()
        if kind == "large":
            self.finish(b"x" * LARGE)
        elif kind == "stream-first":
            await self.words(WORDS[1:])
        elif kind == "endless":
            with suppress(StreamClosedError):
                while True:
                    await self.words()
                    await asyncio.sleep(0.01)
            self.world.left.set()
            self.finish()
        elif kind == "words":
            await self.words()
        else:
            self.finish(b"hello")

    post = get

    async def words(self, words=WORDS):
        for word in words:
            self.write(word)
            await self.flush()

    def on_connection_close(self):
        self.world.left.set()


class World(fronts.World):
    def __init__(self, http):
        self.asked, self.go, self.left = asyncio.Event(), asyncio.Event(), asyncio.Event()
        handler = type("Handler", (Handler,), {"world": self})
        super().__init__(http, serve(("/(.*)", handler)))

    async def half_close(self, data):
        """A client that sends a request and ends its side."""
        reader, writer = await self.connect(data)
        writer.write_eof()
        await self.asked.wait()
        return reader, writer

    async def left_alone(self):
        """So long that an end has arrived."""
        await asyncio.sleep(0.1)
        assert not self.left.is_set()


@pytest.fixture(params=ON_LOOPS)
def run(request):
    http, loop = request.param
    return lambda story: play(story, lambda: World(http), loop)


@pytest.fixture
def reads(monkeypatch):
    """Counts what either front reads, ends included, in a list."""
    reads = []

    class Counting(LlhttpConnection):
        def data_received(self, data):
            reads.append(len(data))
            super().data_received(data)

        def eof_received(self):
            reads.append(0)
            return super().eof_received()

    def read_from_fd(self, buf, original=ClientStream.read_from_fd):
        reads.append(original(self, buf))
        return reads[-1]

    monkeypatch.setattr(front, "LlhttpConnection", Counting)
    monkeypatch.setattr(ClientStream, "read_from_fd", read_from_fd)
    return reads


def body_of(response):
    """The body of a response that may follow `100 Continue`, without its chunks."""
    response = response.removeprefix(CONTINUE)
    head, _, rest = response.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    if b"Transfer-Encoding: chunked" not in head:
        return rest
    body = b""
    while True:
        size, _, rest = rest.partition(b"\r\n")
        count = int(size, 16)
        body, end, rest = body + rest[:count], rest[count : count + 2], rest[count + 2 :]
        assert end == b"\r\n"
        if not count:
            assert rest == b""
            return body


class TestHalfClosed:
    """The response arrives, and the connection ends behind it."""

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("whole", b"hello"),
            ("large", b"x" * LARGE),
            ("words", b"".join(WORDS)),
            ("stream", b"".join(WORDS)),
            ("stream-first", b"".join(WORDS)),
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_the_response_is_whole(self, run, path, expected, method):
        async def story(world):
            reader, writer = await world.half_close(request(path, method=method, body=b"{}"))
            await world.left_alone()
            world.go.set()
            response = await reader.read()
            writer.close()
            return response

        assert body_of(run(story)) == expected

    @pytest.mark.parametrize("method", ["GET", "POST"])
    @pytest.mark.parametrize("at", [5, 30, -5, -1])
    def test_also_if_the_request_came_in_pieces_and_the_last_with_the_end(self, run, method, at):
        async def story(world):
            data = request("whole", method=method, body=b'{"a": 1}')
            reader, writer = await world.connect(data[:at])
            await world.left_alone()
            writer.write(data[at:])
            writer.write_eof()
            world.go.set()
            response = await reader.read()
            writer.close()
            return response

        assert body_of(run(story)) == b"hello"

    def test_so_are_those_to_several_requests(self, run):
        async def story(world):
            reader, writer = await world.half_close(request("whole") + request("words"))
            await world.left_alone()
            world.go.set()
            response = await reader.read()
            writer.close()
            return response

        assert run(story).count(b"HTTP/1.1 200 OK\r\n") == 2

    def test_it_costs_no_turns_of_the_loop(self, run, reads):
        async def story(world):
            _, writer = await world.half_close(request("whole"))
            await world.left_alone()
            reads.clear()
            await asyncio.sleep(0.2)
            writer.close()
            return list(reads)

        assert run(story) == []

    def test_what_comes_of_one_that_leaves_later_is_noticed(self, run):
        """By the first byte that is sent to it: nothing else says so."""

        async def story(world):
            _, writer = await world.half_close(request("endless"))
            await world.left_alone()
            writer.close()
            await writer.wait_closed()
            world.go.set()
            await world.left.wait()

        run(story)


class TestLeft:
    """Work ends at once, whatever the response had come to."""

    @pytest.mark.parametrize("path", ["whole", "words", "stream-first"])
    @pytest.mark.parametrize("resets", [False, True])
    def test_a_client_that_leaves_is_noticed(self, run, path, resets):
        async def story(world):
            reader, writer = await world.connect(request(path))
            await world.asked.wait()
            if path == "stream-first":
                await reader.readuntil(WORDS[0])
            if resets:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
            writer.close()
            await world.left.wait()

        run(story)

    def test_of_http_1_0_every_end_is_that(self, run):
        async def story(world):
            _, writer = await world.connect(request("whole", version="1.0"))
            await world.asked.wait()
            writer.write_eof()
            await world.left.wait()
            writer.close()

        run(story)

    @pytest.mark.parametrize("begun", [b"GET /who", request("whole")[:-4], b""])
    def test_without_a_whole_request_no_response_is_due(self, run, begun):
        async def story(world):
            reader, writer = await world.connect(begun)
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()

        run(story)

    def test_nor_in_the_middle_of_a_body(self, run):
        async def story(world):
            reader, writer = await world.connect(request("whole", method="POST", body=b"{}")[:-1])
            writer.write_eof()
            assert await reader.read() == b""
            assert not world.asked.is_set()
            writer.close()

        run(story)


class TestListening:
    def test_a_request_that_comes_at_once_changes_nothing(self, run):
        """To stop and to begin anew would take two system calls of each call."""

        async def story(world):
            world.go.set()
            changes = []
            loop = asyncio.get_running_loop()
            async with keep_alive(world) as exchange:
                await exchange()
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(loop, "add_reader", lambda *_: changes.append("add"))
                    patch.setattr(loop, "remove_reader", lambda *_: changes.append("remove"))
                    for _ in range(3):
                        await exchange()
            return changes

        assert run(story) == []

    def test_what_follows_too_early_is_not_read(self, run, reads):
        """It waits with its client, and does not fill the router's memory."""

        async def story(world):
            reader, writer = await world.connect(request("whole", method="POST", body=b"{}"))
            await world.asked.wait()
            reads.clear()
            following = request("words", method="POST", body=b"x" * 1_000_000)
            writer.write(following * 8)
            await world.left_alone()
            assert len(reads) <= 1
            world.go.set()
            writer.write_eof()
            response = await reader.read()
            writer.close()
            return response

        assert run(story).count(b"HTTP/1.1 200 OK\r\n") == 9

    def test_a_closed_connection_is_forgotten_at_once(self, run):
        """Not once Python looks for what refers to itself, which may be after thousands of them."""

        async def story(world):
            world.go.set()
            gc.disable()
            try:
                async with keep_alive(world) as exchange:
                    await exchange()
                    (connection,) = world.observer.open
                    forgotten = weakref.ref(getattr(connection, "_stream", connection))
                    del connection
                await world.left_alone()
                world.observer.seen.clear()
                return forgotten()
            finally:
                gc.enable()

        assert run(story) is None


@asynccontextmanager
async def keep_alive(world):
    """Sends a request and reads its response, each time on the same connection."""
    reader, writer = await world.connect(b"")

    async def exchange():
        writer.write(request("whole", method="POST", body=b"{}"))
        await reader.readuntil(b"hello")

    yield exchange
    writer.close()


def test_the_probe_is_lawful(run):
    """In place of the parsers of all clients, the one of Tornado's."""

    async def story(world):
        reader, writer = await world.half_close(request("stream-first"))
        head = await reader.readuntil(WORDS[0] + b"\r\n")
        await world.left_alone()
        assert await reader.readexactly(1) == b"0"
        world.go.set()
        rest = await reader.read()
        assert rest.startswith(b"4\r\ntwo ")
        writer.close()
        return head

    assert b"chunked" in run(story)
