"""TLS over real sockets: handshakes, clients that are slow, and those that leave."""

import asyncio
import socket
import ssl
from contextlib import suppress

import pytest
import trustme
from loguru import logger

from tornado_router.http.tls import Tls

from ..fronts import LARGE, LLHTTP, play
from .delegates import RESPONSE, Message, Recorder, WaitingRecorder
from .test_connection import FIXED, GET, IN_CHUNKS, RecordingWorld
from .test_exchange import OK, HTTPHeaders


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def tls(authority, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    made = authority.issue_cert("localhost")
    made.private_key_pem.write_to_path(folder / "tls.key")
    made.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    return Tls(folder / "tls.crt", folder / "tls.key")


@pytest.fixture
def trusting(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return {"ssl": context, "server_hostname": "localhost"}


@pytest.fixture(params=LLHTTP)
def run(request, tls):
    http, loop = request.param

    def run(story, make=Recorder):
        return play(story, lambda: RecordingWorld(http, make(), tls=tls), loop)

    return run


@pytest.fixture
def lines():
    lines = []
    sink = logger.add(lines.append, format="{message}")
    yield lines
    logger.remove(sink)


class Large(Message):
    def respond(self):
        length = HTTPHeaders({"Content-Length": str(LARGE)})
        self.recorder.write = self.exchange.write_headers(OK, length, b"x" * LARGE)
        self.exchange.finish()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_requests_are_served(run, trusting, version):
    trusting["ssl"].maximum_version = version

    async def story(world):
        reader, writer = await world.connect(FIXED + IN_CHUNKS + GET % 1, **trusting)
        for _ in range(3):
            assert await reader.readuntil(b"ok") == RESPONSE
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() is None
        (connection,) = world.observer.open
        assert (connection.secure, connection.unsent) == (True, 0)
        writer.close()
        await world.until(lambda: not world.observer.open)

    run(story)


def test_its_end_is_announced(run, trusting):
    """So that a body which the end of the connection ends cannot be cut short by others."""

    async def story(world):
        data = FIXED.replace(b"Host: x", b"Host: x\r\nConnection: close")
        reader, writer = await world.connect(data, **trusting)
        transport = writer.transport
        ended = []
        protocol = transport.get_protocol()
        original = protocol.connection_lost
        protocol.connection_lost = lambda exc: (ended.append(exc), original(exc))
        assert (await reader.read()).endswith(b"ok")
        writer.close()
        await world.until(lambda: ended)
        return ended

    assert run(story) == [None]


def test_what_is_not_read_is_counted_and_waited_for(run, trusting):
    async def story(world):
        reader, writer = await world.connect(GET % 1 + GET % 2, limit=65536, **trusting)
        await reader.readexactly(1)
        await asyncio.sleep(0.05)
        (connection,) = world.observer.open
        assert connection.unsent > LARGE / 4
        assert not world.recorder.write.done()
        first = world.recorder.write
        for _ in range(LARGE // 2**14 - 1):
            await reader.readexactly(2**14)
        await world.until(first.done)
        await world.until(lambda: len(world.recorder.seen) == 2)
        writer.transport.abort()

    run(story, lambda: Recorder(Large))


def test_a_client_that_reads_nothing_can_be_aborted(run, trusting):
    async def story(world):
        reader, writer = await world.connect(GET % 1, limit=1, **trusting)
        await reader.readexactly(1)
        (connection,) = world.observer.open
        connection.abort()
        await world.until(lambda: not world.observer.open)
        assert connection.unsent == 0
        writer.transport.abort()

    run(story, lambda: Recorder(Large))


@pytest.mark.parametrize("resets", [False, True])
def test_a_client_that_leaves_is_noticed(run, trusting, resets):
    async def story(world):
        _, writer = await world.connect(GET % 1, **trusting)
        await world.until(lambda: world.recorder.seen)
        writer.transport.abort() if resets else writer.close()
        await world.until(lambda: world.recorder.left)

    run(story, WaitingRecorder)


def test_what_follows_a_request_waits(run, trusting):
    async def story(world):
        reader, writer = await world.connect(b"".join(GET % it for it in range(50)), **trusting)
        await world.until(lambda: world.recorder.seen)
        await asyncio.sleep(0.05)
        assert world.recorder.paths == ["/0"]
        world.recorder.go.set()
        assert await reader.readexactly(50 * len(RESPONSE)) == RESPONSE * 50
        writer.close()

    run(story, WaitingRecorder)


def test_bytes_may_come_one_by_one(run, authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")

    async def exchange(reader, writer, step):
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                for byte in outgoing.read():
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0)
                incoming.write(await reader.read(65536))

    async def story(world):
        reader, writer = await world.connect()
        await exchange(reader, writer, tls.do_handshake)
        tls.write(FIXED)
        assert await exchange(reader, writer, lambda: tls.read(1000)) == RESPONSE
        writer.close()

    run(story)


def test_plain_http_is_named(run, lines):
    async def story(world):
        response = await world.respond(FIXED)
        assert b"HTTP/1.1" not in response
        await world.until(lambda: not world.observer.open)

    run(story)
    assert lines == ["127.0.0.1 spoke HTTP to the HTTPS port\n"]


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x00\x05hello", b"\x80\x80", b"\x16" * 100_000])
def test_what_is_no_handshake_ends_the_connection(run, lines, data):
    async def story(world):
        reader, writer = await world.connect(data)
        writer.write_eof()
        with suppress(ConnectionError):
            await reader.read()
        writer.close()
        await world.until(lambda: not world.observer.open)
        return world.recorder.begun

    assert run(story) == 0
    assert all("TLS handshake of 127.0.0.1 failed" in line for line in lines)


def test_a_reset_at_every_byte_of_a_handshake(run, trusting):
    """Of its first part, which the client sends before it has heard of the server."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting["ssl"].wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()

    async def story(world):
        loop = asyncio.get_running_loop()
        for size in range(0, len(hello) + 1, 7):
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, ("127.0.0.1", world.port))
                await loop.sock_sendall(sock, hello[:size])
        await world.until(lambda: len(world.observer.seen) == len(range(0, len(hello) + 1, 7)))
        await world.until(lambda: not world.observer.open)

    run(story)
