"""Connections whose clients send what they like, as slowly as they like, and leave at will."""

import asyncio
import gc
import os
import random
import socket
import struct
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders, HTTPInputError

from tornado_router.background import supervisor
from tornado_router.http.llhttp.connection import BAD_REQUEST, MUCH
from tornado_router.http.llhttp.front import AT_ONCE, READ_BYTES

from ...coverage_guided import by_chance
from ..fronts import LLHTTP, ON_LOOPS, World, play
from . import fuzzed_requests
from .delegates import OK, RESPONSE, Message, Recorder, WaitingRecorder
from .test_request_body import CHUNKED, PLAIN
from .test_request_head import HEADERS, LINES, head

RESET = struct.pack("ii", 1, 0)
GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
FIXED = b"POST /fixed HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
IN_CHUNKS = b"POST /chunks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


class RecordingWorld(World):
    def __init__(self, http, recorder=None, **options):
        self.recorder = recorder or Recorder()
        super().__init__(http, self.recorder, **options)


@pytest.fixture(params=LLHTTP)
def run(request):
    def run(story, make=Recorder, **options):
        http, loop = request.param
        return play(story, lambda: RecordingWorld(http, make(), **options), loop)

    return run


@pytest.fixture(params=ON_LOOPS)
def run_both(request):
    http, loop = request.param
    return lambda story, **options: play(story, lambda: RecordingWorld(http, **options), loop)


@pytest.fixture
def failures():
    """How many failures were reported since the test began."""
    before = supervisor.failures().get("client connection", 0)
    return lambda: supervisor.failures().get("client connection", 0) - before


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    sock.close()


class TestRequests:
    @pytest.mark.parametrize("data", [FIXED, IN_CHUNKS, GET % 1, b"\r\n" + FIXED])
    def test_arrive_in_one_piece(self, run_both, data):
        async def story(world):
            reader, writer = await world.connect(data)
            assert await reader.readuntil(b"ok") == RESPONSE
            writer.close()
            return world.recorder.seen[0][3]

        assert run_both(story) in (b"hello", PLAIN, b"")

    @pytest.mark.parametrize("data", [FIXED, IN_CHUNKS, GET % 1])
    def test_or_byte_by_byte(self, run_both, data):
        async def story(world):
            reader, writer = await world.connect()
            writer.transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )
            for byte in data + data:
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            for _ in range(2):
                assert await reader.readuntil(b"ok") == RESPONSE
            writer.close()
            return world.recorder.seen

        first, second = run_both(story)
        assert first == second

    def test_wait_for_those_before_them(self, run):
        async def story(world):
            recorder = world.recorder
            reader, writer = await world.connect(b"".join(GET % number for number in range(100)))
            await world.until(lambda: recorder.seen)
            await asyncio.sleep(0.05)
            assert recorder.paths == ["/0"]
            recorder.go.set()
            for number in range(100):
                assert await reader.readuntil(b"ok") == RESPONSE
                assert recorder.paths[number] == f"/{number}"
            writer.close()

        run(story, WaitingRecorder)

    def test_wait_with_their_clients(self, run):
        """No more than what is read at once fills the router's memory."""

        async def story(world):
            _, writer = await world.connect(GET % 1 + b"".join([FIXED] * 100_000))
            await world.until(lambda: world.recorder.seen)
            await asyncio.sleep(0.05)
            (connection,) = world.observer.open
            assert len(connection._buffer) <= READ_BYTES
            writer.transport.abort()

        run(story, WaitingRecorder)

    def test_pass_a_crowd_of_uploads(self, run):
        """Those who send much wait for their turns, though their heads were here before."""
        crowd, begun, held = 200, [], []

        class Noting(Message):
            def finish(self):
                begun.append(self.recorder.begun)
                super().finish()

        async def story(world):
            upload = head(b"Content-Length: 1000000") + b"x" * 2 * MUCH
            connected = [await world.connect() for _ in range(crowd + 1)]
            await world.until(lambda: len(world.observer.open) == crowd + 1)
            sockets = [writer.get_extra_info("socket") for _, writer in connected]
            # The event loop does not turn meanwhile, so all of it is there at once.
            for sock in sockets[:-1]:
                os.write(sock.fileno(), upload)
            os.write(sockets[-1].fileno(), GET % 1)
            assert await connected[-1][0].readuntil(b"ok") == RESPONSE
            await world.until(lambda: world.recorder.begun == crowd + 1)
            for sock in sockets[:-1]:
                os.write(sock.fileno(), b"x" * 2 * MUCH)
            for _ in range(3):
                await asyncio.sleep(0)
                held.append(sum(len(it._buffer) for it in world.observer.open))
            for _, writer in connected:
                writer.transport.abort()

        run(story, lambda: Recorder(Noting), room=2 * crowd)
        assert begun[0] <= 2 * AT_ONCE
        assert max(held) == 0  # of their bodies

    def test_many_small_ones_are_all_served(self, run_both):
        async def story(world):
            count = 3000
            reader, writer = await world.connect(b"".join([FIXED, IN_CHUNKS] * count))
            assert await reader.readexactly(2 * count * len(RESPONSE)) == RESPONSE * 2 * count
            writer.close()
            return len(world.recorder.seen)

        assert run_both(story) == 6000

    def test_nothing_follows_one_that_closes(self, run):
        async def story(world):
            data = head(b"Connection: close", line=b"GET /1 HTTP/1.1")
            response = await world.respond(data + SMUGGLED)
            return response.count(b"HTTP/1.1 "), world.recorder.paths

        assert run(story) == (1, ["/1"])

    def test_a_client_that_waits_to_send_is_asked_to(self, run_both):
        async def story(world):
            line = b"POST / HTTP/1.1"
            reader, writer = await world.connect(
                head(b"Content-Length: 2", b"Expect: 100-continue", line=line)
            )
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 (Continue)\r\n\r\n"
            writer.write(b"{}")
            assert await reader.readuntil(b"ok") == RESPONSE
            writer.close()

        run_both(story)


class TestRefused:
    """With 400, once, and the connection is closed; what follows is no request of anybody's."""

    async def refused(self, world, data, begun):
        response = await world.respond(data)
        assert response == BAD_REQUEST
        assert world.recorder.seen == []
        assert (world.recorder.begun, world.recorder.cut) == (begun, begun)
        await world.until(lambda: not world.observer.open)

    @pytest.mark.parametrize("line", [line for line in LINES if line])
    def test_lines(self, run, line):
        run(lambda world: self.refused(world, head(line=line) + SMUGGLED, 0))

    @pytest.mark.parametrize("lines", HEADERS)
    def test_headers(self, run, lines):
        body = b"5\r\nhello\r\n0\r\n\r\n"
        run(lambda world: self.refused(world, head(*lines) + body + SMUGGLED, 0))

    @pytest.mark.parametrize(
        "body", [b"5;a=b\r\nhello\r\n0\r\n\r\n", b"0\r\nX: a\r\n\r\n", b"g\r\n", b"5\r\nhelloo\r\n"]
    )
    def test_chunks(self, run, body):
        data = head(b"Transfer-Encoding: chunked") + body + SMUGGLED
        run(lambda world: self.refused(world, data, 1))

    @pytest.mark.parametrize("whole", [False, True])
    def test_a_head_that_is_too_large(self, run, whole):
        data = head(b"X: " + b"x" * 5000)
        data = data if whole else data[:-10]
        run(lambda world: self.refused(world, data, 0), max_header_bytes=4096)

    @pytest.mark.parametrize(
        "data",
        [
            head(b"Content-Length: 2000"),
            head(b"Transfer-Encoding: chunked") + b"400\r\n" + b"x" * 1024 + b"\r\n1\r\n",
        ],
    )
    def test_a_body_that_is_too_large(self, run, data):
        bounds = {"max_body_bytes": 1024, "max_upload_bytes": 1024}
        run(lambda world: self.refused(world, data, 1), **bounds)

    def test_what_is_refused_behind_a_request_ends_the_connection_behind_its_response(self, run):
        async def story(world):
            return await world.respond(GET % 1 + b"nonsense\r\n\r\n" + SMUGGLED)

        assert run(story) == RESPONSE + BAD_REQUEST

    def test_once_a_response_has_begun_the_connection_only_ends(self, run):
        class Early(Message):
            def data_received(self, chunk):
                self.exchange.write_headers(OK, HTTPHeaders({"Content-Length": "5"}), b"he")

        async def story(world):
            reader, writer = await world.connect(
                head(b"Transfer-Encoding: chunked") + b"1\r\nx\r\n"
            )
            begun = await reader.readuntil(b"he")
            writer.write(b"nonsense\r\n")
            rest = await reader.read()
            writer.close()
            return begun + rest

        response = run(story, lambda: Recorder(Early))
        assert response.endswith(b"\r\n\r\nhe")
        assert b"Connection: close" in response

    def test_others_are_served_meanwhile(self, run):
        async def story(world):
            reader, writer = await world.connect(GET % 1)
            for data in (head(line=b"x"), head(*HEADERS[0]), b"\x16\x03\x01\r\n\r\n"):
                assert await world.respond(data) == BAD_REQUEST
            writer.write(GET % 2)
            for _ in range(2):
                assert await reader.readuntil(b"ok") == RESPONSE
            writer.close()

        run(story)


class TestAgreement:
    """What this front serves, Tornado's serves in the same way: neither sees a hidden request."""

    PARTS = st.lists(
        st.sampled_from(
            [
                *(FIXED, IN_CHUNKS, GET % 1, SMUGGLED, b"\r\n", b"\n", b"\r", b" ", b"\t", b"\x00"),
                *(b"0\r\n\r\n", b"5\r\nhello\r\n", b"5", b"0", b";a", b"\r\n ", b": ", b"X: a\r\n"),
                *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: x\r\n"),
            ]
        ),
        min_size=1,
        max_size=6,
    )

    def test_is_never_broken(self):
        with asyncio.Runner() as runner:
            ours, theirs = RecordingWorld("llhttp"), RecordingWorld("tornado")
            for world in (ours, theirs):
                runner.run(world.listen())

            async def served(world, data):
                world.recorder.seen.clear()
                reader, writer = await world.connect(data)
                writer.write_eof()
                async with asyncio.timeout(20):
                    await reader.read()
                writer.close()
                return list(world.recorder.seen)

            @settings(
                max_examples=3 * settings.default.max_examples,
                suppress_health_check=list(HealthCheck),
            )
            @given(self.PARTS, st.integers(0, 200), st.integers(0, 5), st.binary(max_size=2))
            def check(parts, position, lost, given):
                data = b"".join(parts)
                data = data[:position] + given + data[position + lost :]
                found = runner.run(served(ours, data))
                expected = runner.run(served(theirs, data))
                assert found == expected[: len(found)]

            check()
            for world in (ours, theirs):
                runner.run(world.close())

    def test_is_not_broken_by_bytes_without_sockets(self):
        by_chance(fuzzed_requests.check, 300)


class TestBodies:
    def test_a_delegate_may_take_its_time(self, run):
        """What comes meanwhile waits with its sender, and does not fill the router's memory."""

        class Slow(Message):
            taken = 0

            def data_received(self, chunk):
                self.body = self.body or b"x"
                self.taken += len(chunk)
                return self.recorder.take.wait()

        class SlowRecorder(Recorder):
            def __init__(self):
                super().__init__(lambda *_: self.message)
                self.take = asyncio.Event()

            def start_request(self, server_conn, request_conn):
                self.message = Slow(self, request_conn)
                return self.message

        async def story(world):
            size = 64 * 2**20
            reader, writer = await world.connect(head(b"Content-Length: %d" % size))
            sending = supervisor.start_task("sending", write_all(writer, size))
            await world.until(lambda: world.recorder.begun and world.recorder.message.body)
            await asyncio.sleep(0.1)
            (connection,) = world.observer.open
            assert world.recorder.message.taken + len(connection._buffer) < 2**20
            assert not sending.done()
            world.recorder.take.set()
            await sending
            assert await reader.readuntil(b"ok") == RESPONSE
            writer.close()
            return world.recorder.message.taken

        assert run(story, SlowRecorder, max_body_bytes=2**27) == 64 * 2**20

    def test_tiny_chunks_do_not_pile_up(self, run):
        """They are taken slower than they can be sent, as others have their turn."""
        most = []

        class Looking(Message):
            def data_received(self, chunk):
                (connection,) = self.recorder.world.observer.open
                most.append(len(connection._buffer))

        async def story(world):
            world.recorder.world = world
            reader, writer = await world.connect(head(b"Transfer-Encoding: chunked"))
            for _ in range(20):
                writer.write(b"1\r\nx\r\n" * 20_000)
                await writer.drain()
            writer.write(b"0\r\n\r\n")
            assert await reader.readuntil(b"ok") == RESPONSE
            writer.close()

        run(story, lambda: Recorder(Looking))
        assert max(most) < 2**19

    @pytest.mark.parametrize("length", [0, 5])
    def test_an_end_behind_a_head_that_is_not_taken_yet(self, run, length):
        """Its client waits for the response, if its request is whole."""

        class Thoughtful(Message):
            async def headers_received(self, start_line, headers):
                await asyncio.sleep(0.05)
                super().headers_received(start_line, headers)

        async def story(world):
            reader, writer = await world.connect(head(b"Content-Length: %d" % length))
            writer.write_eof()
            response = await reader.read()
            writer.close()
            return response

        response = run(story, lambda: Recorder(Thoughtful))
        assert response.endswith(b"ok") if length == 0 else response == b""

    @pytest.mark.parametrize("data", [FIXED, IN_CHUNKS])
    def test_none_is_passed_on_before_the_head_is_taken(self, run, data):
        class Thoughtful(Message):
            async def headers_received(self, start_line, headers):
                await asyncio.sleep(0.02)
                super().headers_received(start_line, headers)

            def data_received(self, chunk):
                assert self.head
                super().data_received(chunk)

        async def story(world):
            reader, writer = await world.connect(data + data)
            for _ in range(2):
                assert await reader.readuntil(b"ok") == RESPONSE
            writer.close()
            return [body for *_, body in world.recorder.seen]

        assert run(story, lambda: Recorder(Thoughtful)) in ([b"hello"] * 2, [PLAIN] * 2)

    def test_a_response_before_the_end_of_a_body_ends_the_connection(self, run):
        class Refusing(Message):
            def headers_received(self, start_line, headers):
                self.respond()

        async def story(world):
            response = await world.respond(head(b"Content-Length: 5") + b"hel")
            assert world.recorder.cut == 1
            return response

        expected = RESPONSE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        assert run(story, lambda: Recorder(Refusing)) == expected


async def write_all(writer, size):
    for _ in range(size // 2**20):
        writer.write(b"x" * 2**20)
        await writer.drain()


class TestLeaving:
    @pytest.mark.parametrize("data", [FIXED, IN_CHUNKS, GET % 1])
    def test_at_every_byte_of_a_request(self, run, data, failures):
        async def story(world):
            loop, recorder = asyncio.get_running_loop(), world.recorder
            for size in range(len(data) + 1):
                with socket.socket() as sock:
                    sock.setblocking(False)
                    await loop.sock_connect(sock, ("127.0.0.1", world.port))
                    await loop.sock_sendall(sock, data[:size])
                    if size % 3:
                        await asyncio.sleep(0)  # else both arrive together
                    reset(sock) if size % 2 else sock.close()
            await world.until(lambda: len(world.observer.seen) == len(data) + 1)
            await world.until(lambda: not world.observer.open)
            assert recorder.begun == len(recorder.seen) + recorder.cut
            assert len(recorder.closed) == len(data) + 1
            reader, writer = await world.connect(data)
            assert await reader.readuntil(b"ok") == RESPONSE
            writer.close()

        run(story)
        assert failures() == 0

    def test_at_every_byte_of_a_response(self, run, failures):
        async def story(world):
            loop = asyncio.get_running_loop()
            for size in range(len(RESPONSE) + 1):
                with socket.socket() as sock:
                    sock.setblocking(False)
                    await loop.sock_connect(sock, ("127.0.0.1", world.port))
                    await loop.sock_sendall(sock, GET % size + GET % size)
                    if size:
                        await loop.sock_recv(sock, size)
                    reset(sock)
            await world.until(lambda: not world.observer.open)

        run(story)
        assert failures() == 0

    def test_with_further_requests_sent_is_noticed_at_once(self, run):
        """Though nothing is read of its connection meanwhile."""

        async def story(world):
            recorder = world.recorder
            _, writer = await world.connect(GET % 1 + GET % 2)
            await world.until(lambda: recorder.seen)
            await asyncio.sleep(0.05)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.close()
            await world.until(lambda: recorder.left)
            return recorder.left, recorder.paths

        assert run(story, WaitingRecorder) == (["/1"], ["/1"])

    def test_while_a_delegate_is_busy_is_reported_behind_that(self, run):
        class Busy(Message):
            async def headers_received(self, start_line, headers):
                await self.recorder.go.wait()
                self.recorder.worked = True

            def on_connection_close(self):
                assert self.recorder.worked
                super().on_connection_close()

            def finish(self):
                raise AssertionError

        class BusyRecorder(WaitingRecorder):
            def __init__(self):
                super().__init__()
                self.make = Busy

        async def story(world):
            _, writer = await world.connect(head(b"Content-Length: 5"))
            await world.until(lambda: world.recorder.begun)
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            writer.close()
            await world.until(lambda: not world.observer.open)
            assert world.recorder.cut == 0
            world.recorder.go.set()
            await world.until(lambda: world.recorder.cut)
            return world.recorder.cut

        assert run(story, BusyRecorder) == 1

    def test_at_random_leaves_nothing_behind(self, run, failures):
        async def one(world, seed):
            dice = random.Random(seed)
            data = b"".join(dice.choices([FIXED, IN_CHUNKS, GET % seed, b"\r\n", b"x"], k=5))
            reader, writer = await world.connect()
            while data and not writer.is_closing():
                size = dice.randrange(1, 60)
                writer.write(data[:size])
                data = data[size:]
                await asyncio.sleep(dice.choice([0, 0, 0.001]))
            with suppress(ConnectionError):
                if dice.random() < 0.5:
                    await reader.read(dice.randrange(1, 200))
            if dice.random() < 0.5:
                writer.transport.abort()
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        async def story(world):
            await asyncio.gather(*(one(world, seed) for seed in range(200)))
            await world.until(lambda: not world.observer.open)
            assert world.recorder.begun == len(world.recorder.seen) + world.recorder.cut

        run(story, room=1000)
        assert failures() == 0


class TestFaults:
    """Of the application: they are reported, and end one connection."""

    @pytest.mark.parametrize("where", ["headers_received", "data_received", "finish"])
    @pytest.mark.parametrize("later", [False, True])
    def test_in_a_delegate(self, run, where, later, failures):
        if later and where == "finish":
            pytest.skip("it is not waited for")

        class Faulty(Message):
            pass

        def fail(self, *_):
            raise ZeroDivisionError

        async def fail_later(self, *_):
            raise ZeroDivisionError

        setattr(Faulty, where, fail_later if later else fail)

        async def story(world):
            assert await world.respond(FIXED) == b""
            return world.recorder.cut

        assert run(story, lambda: Recorder(Faulty)) == (0 if where == "finish" else 1)
        assert failures() == 1

    @pytest.mark.parametrize("later", [False, True])
    def test_one_that_is_the_clients_is_a_400(self, run, later, failures):
        class Strict(Message):
            def headers_received(self, start_line, headers):
                raise HTTPInputError("no")

        class StrictLater(Message):
            async def headers_received(self, start_line, headers):
                raise HTTPInputError("no")

        async def story(world):
            return await world.respond(FIXED + SMUGGLED)

        assert run(story, lambda: Recorder(StrictLater if later else Strict)) == BAD_REQUEST
        assert failures() == 0

    def test_in_what_is_called_at_the_end(self, run, failures):
        class Faulty(WaitingRecorder):
            def on_close(self, server_conn):
                raise ZeroDivisionError

        async def story(world):
            _, writer = await world.connect(GET % 1)
            await world.until(lambda: world.recorder.seen)
            writer.transport.abort()
            await world.until(lambda: not world.observer.open)

        run(story, Faulty)
        assert failures() == 1


def test_idle_connections_take_little_memory(run):
    """Those that have sent a request and wait; 10,000 are measured by `bench/idle.py`."""
    count, most = 1000, 6 * 1024
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * count)), hard))

    async def story(world):
        loop, sockets = asyncio.get_running_loop(), []

        async def connect():
            sock = socket.socket()
            sock.setblocking(False)
            sockets.append(sock)
            await loop.sock_connect(sock, ("127.0.0.1", world.port))
            await loop.sock_sendall(sock, GET % 1)
            assert await loop.sock_recv(sock, 100) == RESPONSE

        async def memory_of(number):
            before = in_use()
            for _ in range(number):
                await connect()
            world.recorder.seen.clear()
            return (in_use() - before) / number

        await memory_of(100)  # what is made once
        each = await memory_of(count)
        for sock in sockets:
            sock.close()
        return each

    tracemalloc.start()
    try:
        assert run(story, room=2 * count) < most
    finally:
        tracemalloc.stop()


def in_use():
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
