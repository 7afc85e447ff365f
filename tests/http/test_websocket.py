"""Websockets of clients on both fronts: what they say, and every rule that a client may break."""

import asyncio
import ssl
from contextlib import suppress

import pytest
import trustme
from tornado.web import RequestHandler

from tornado_router.errors import ApiError
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.tls import Tls
from tornado_router.http.websocket import Handshake

from . import fronts
from .fronts import ON_LOOPS, play, serve
from .websockets import (
    BINARY,
    CLOSE,
    CONT,
    HEAD,
    PING,
    PONG,
    TEXT,
    close,
    frame,
    read_frame,
    shake_hands,
)

MAX_BYTES = 100_000
ROOM = 10_000_000


class Echo(RequestHandler):
    """Says every message back; some of them ask for something else."""

    world = None

    async def get(self):
        with suppress(ClientGoneError):
            await self.talk(self.world)

    async def talk(self, world):
        try:
            handshake = Handshake(self.request, MAX_BYTES, ("realtime",))
        except ApiError as error:
            self.set_status(error.status)
            for name, value in error.headers.items():
                self.set_header(name, value)
            return
        self._finished = True  # nothing of it is a response
        socket = handshake.grant({"X-Request-Id": "req_1"}, world.take_room)
        world.sockets.append(socket)
        while (message := await socket.receive()) is not None:
            world.received.append(message)
            if message == "close":
                await socket.close(4000, "\u2603" * 100)
                return
            if message == "flood":
                for number in range(400):
                    await socket.send(bytes(65536))
                    world.sent = number + 1
            elif message == "wait":
                await world.go.wait()
            else:
                await socket.send(message)
        world.codes.append((socket.close_code, socket.close_reason))
        await socket.close()


class World(fronts.World):
    def __init__(self, http, **options):
        handler = type("Handler", (Echo,), {"world": self})
        self.sockets, self.codes, self.received = [], [], []
        self.go = asyncio.Event()
        self.room = ROOM
        self.sent = 0
        super().__init__(http, serve(("/", handler)), **options)

    def take_room(self, count):
        if count > self.room:
            return False
        self.room -= count
        return True

    async def open(self, **options):
        reader, writer = await self.connect(**options)
        head = await shake_hands(reader, writer)
        assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n"), head
        return reader, writer

    async def end(self, *data):
        """What comes for some frames, up to the close frame, and what the server made of it."""
        reader, writer = await self.open()
        writer.write(b"".join(data))
        frames = []
        while not frames or frames[-1].opcode != CLOSE:
            frames.append(await read_frame(reader))
        assert await reader.read() == b""
        writer.close()
        await self.until(lambda: self.codes)
        return frames, self.codes[0]


@pytest.fixture(params=ON_LOOPS)
def run(request):
    def run(story, **options):
        http, loop = request.param
        return play(story, lambda: World(http, **options), loop)

    return run


class TestHandshake:
    def ask(self, run, **headers):
        async def story(world):
            reader, writer = await world.connect()
            head = await shake_hands(reader, writer, **headers)
            writer.close()
            return head

        return run(story)

    def test_is_granted(self, run):
        head = self.ask(run)
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head
        assert b"X-Request-Id: req_1\r\n" in head
        assert b"WebSocket-Protocol" not in head

    def test_takes_a_protocol_that_is_spoken(self, run):
        head = self.ask(run, Sec_WebSocket_Protocol="openai-insecure-api-key.k, realtime")
        assert b"Sec-WebSocket-Protocol: realtime\r\n" in head

    def test_passes_over_those_that_are_not(self, run):
        assert b"WebSocket-Protocol" not in self.ask(run, Sec_WebSocket_Protocol="chat")

    def test_compresses_nothing(self, run):
        head = self.ask(run, Sec_WebSocket_Extensions="permessage-deflate")
        assert b"Extensions" not in head

    @pytest.mark.parametrize(
        ("line", "other", "status"),
        [
            ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl", 400),
            ("Connection: Upgrade", "Connection: keep-alive", 426),
            ("Upgrade: websocket", "Upgrade: h2c", 426),
        ],
    )
    def test_is_refused(self, run, line, other, status):
        async def story(world):
            data = HEAD.format(path="/", more="").replace(line, other)
            reader, writer = await world.connect(data.encode())
            head = await reader.readuntil(b"\r\n\r\n")
            writer.close()
            return head

        head = run(story)
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert (b"Upgrade: websocket" in head) == (status == 426)


def test_messages_go_both_ways(run):
    async def story(world):
        reader, writer = await world.open()
        for opcode, data in [(TEXT, "Grüße".encode()), (BINARY, b"\0\xff"), (TEXT, b"x" * 70_000)]:
            writer.write(frame(opcode, data))
            assert await read_frame(reader) == (opcode, data, True)
        writer.write(close(3000, b"bye"))
        assert (await read_frame(reader)).code == 3000
        assert await reader.read() == b""
        writer.close()
        await world.until(lambda: world.codes)
        return world.codes

    assert run(story) == [(3000, "bye")]


def test_one_over_tls(run, tmp_path):
    authority = trustme.CA()
    made = authority.issue_cert("localhost")
    made.cert_chain_pems[0].write_to_path(tmp_path / "tls.crt")
    made.private_key_pem.write_to_path(tmp_path / "tls.key")
    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def story(world):
        reader, writer = await world.open(ssl=context, server_hostname="localhost")
        for data in (b"one", b"x" * 90_000):
            writer.write(frame(TEXT, data))
            assert (await read_frame(reader)).data == data
        writer.write(close(1001))
        assert (await read_frame(reader)).code == 1001
        writer.close()
        await world.until(lambda: world.codes and not world.observer.open)

    run(story, tls=Tls(tmp_path / "tls.crt", tmp_path / "tls.key"))


def test_frames_that_come_byte_by_byte_or_all_at_once(run):
    async def story(world):
        reader, writer = await world.open()
        for byte in frame(TEXT, b"slow"):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await read_frame(reader)).data == b"slow"
        writer.write(b"".join(frame(TEXT, b"%d" % number) for number in range(1000)))
        for number in range(1000):
            assert (await read_frame(reader)).data == b"%d" % number
        writer.close()

    run(story)


def test_a_message_in_fragments_with_a_ping_among_them(run):
    async def story(world):
        reader, writer = await world.open()
        snow = "\u2603".encode()
        writer.write(frame(TEXT, b"a" + snow[:1], fin=False) + frame(PING, b"hi"))
        assert await read_frame(reader) == (PONG, b"hi", True)
        writer.write(frame(CONT, snow[1:], fin=False) + frame(CONT))
        assert (await read_frame(reader)).data == b"a" + snow
        writer.close()

    run(story)


WRONG = {
    "a frame that is not masked": ([frame(TEXT, b"x", masked=False)], 1002),
    "a reserved bit": ([frame(TEXT, b"x", reserved=0x40)], 1002),
    "an unknown opcode": ([frame(3, b"x")], 1002),
    "an unknown control opcode": ([frame(11)], 1002),
    "a ping that is too large": ([frame(PING, b"x" * 126)], 1002),
    "a ping in fragments": ([frame(PING, b"x", fin=False)], 1002),
    "nothing to continue": ([frame(CONT, b"x")], 1002),
    "a message within another": ([frame(TEXT, b"x", fin=False), frame(TEXT, b"y")], 1002),
    "a close frame of one byte": ([frame(CLOSE, b"x")], 1002),
    "a code that may not be sent": ([close(1005)], 1002),
    "a code of no meaning": ([close(1016)], 1002),
    "words of a close frame that are no text": ([close(1000, b"\xff")], 1007),
    "text that is none": ([frame(TEXT, b"\xce\xba\xed\xa0\x80")], 1007),
    "text in fragments that is none": (
        [frame(TEXT, b"\xce", fin=False), frame(CONT, b"\xce")],
        1007,
    ),
    "a message that is too large": ([frame(TEXT, b"", length=MAX_BYTES + 1)], 1009),
    "fragments that are too large": (
        [frame(TEXT, b"x" * 60_000, fin=False), frame(CONT, b"", length=40_001)],
        1009,
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_the_rules_ends_it(run, name):
    data, code = WRONG[name]

    async def story(world):
        (*_, last), (seen, _) = await world.end(*data)
        assert (last.code, seen) == (code, code)
        assert world.received == []
        await world.until(lambda: not world.observer.open)

    run(story)


def test_what_comes_behind_a_close_frame_is_not_read(run):
    async def story(world):
        reader, writer = await world.open()
        writer.write(frame(TEXT, b"one") + close() + frame(TEXT, b"two") + frame(PING))
        assert (await read_frame(reader)).code == 1000
        writer.close()
        await world.until(lambda: not world.observer.open)
        assert world.received == ["one"]

    run(story)


def test_a_client_that_leaves_without_a_word(run):
    async def story(world):
        _, writer = await world.open()
        writer.close()
        await world.until(lambda: world.codes and not world.observer.open)
        return world.codes

    assert run(story) == [(1006, "")]


def test_the_server_closes_it(run):
    async def story(world):
        reader, writer = await world.open()
        writer.write(frame(TEXT, b"close"))
        last = await read_frame(reader)
        assert (last.code, last.data[2:].decode()) == (4000, "\u2603" * 41)
        writer.write(frame(TEXT, b"late") + close(4000))
        assert await reader.read() == b""
        writer.close()
        await world.until(lambda: not world.observer.open)
        assert world.received == ["close"]

    run(story)


def test_memory_that_is_left_is_asked_for(run):
    async def story(world):
        world.room = 50_000
        reader, writer = await world.open()
        writer.write(frame(TEXT, b"x" * 90_000))  # fits into a message, but not into the room
        assert (await read_frame(reader)).code == 1013
        writer.close()
        await world.until(lambda: not world.observer.open)
        assert world.room == 50_000

    run(story)


def test_a_client_that_does_not_read_slows_the_server_down(run):
    async def story(world):
        _, writer = await world.open(limit=1024)
        writer.write(frame(TEXT, b"flood"))
        last = -1
        while world.sent > last or not world.sent:
            last = world.sent
            await asyncio.sleep(0.2)
        assert world.sent < 400
        (connection,) = world.observer.open
        assert connection.unsent < 10 * 65536
        writer.transport.abort()
        await world.until(lambda: not world.observer.open)

    run(story)


def test_a_server_that_does_not_fetch_slows_the_client_down(run):
    async def story(world):
        reader, writer = await world.open()
        writer.write(frame(TEXT, b"wait"))
        message = frame(TEXT, b"x" * 60_000)
        taken = 0
        try:
            while taken < 400:
                writer.write(message)
                async with asyncio.timeout(0.5):
                    await writer.drain()
                taken += 1
        except TimeoutError:
            pass
        assert taken < 400
        world.go.set()
        for _ in range(taken):
            assert len((await read_frame(reader)).data) == 60_000
        writer.close()

    run(story)


def test_it_is_seen_that_a_client_is_alive(run):
    async def story(world):
        reader, writer = await world.open()
        (socket,) = world.sockets
        socket.alive_at = 0.0
        socket.ping()
        assert await read_frame(reader) == (PING, b"", True)
        writer.write(frame(PONG))
        await world.until(lambda: socket.alive_at)
        writer.close()

    run(story)
