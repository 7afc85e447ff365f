"""Clients that are refused while they still send: they read why, and hold nothing for long."""

import asyncio
import socket
import ssl

import pytest
import trustme

from tornado_router.http.connection import ClientGoneError
from tornado_router.http.llhttp import lingering
from tornado_router.http.llhttp.connection import BAD_REQUEST
from tornado_router.http.tls import Tls

from ...support import DEADLINE
from ..fronts import LLHTTP, play
from .delegates import OK, RESPONSE, HTTPHeaders, Message, Recorder
from .test_connection import RecordingWorld
from .test_request_head import head

UPLOAD = 20 * 1024 * 1024
REFUSED = RESPONSE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class Refusing(Message):
    """Responds to the head, before the body is here."""

    def headers_received(self, start_line, headers):
        self.respond()


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def secure(request):
    return request.param


@pytest.fixture(scope="module")
def contexts(tmp_path_factory):
    """What the server and its clients encrypt by."""
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    made = authority.issue_cert("localhost")
    made.private_key_pem.write_to_path(folder / "tls.key")
    made.cert_chain_pems[0].write_to_path(folder / "tls.crt")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    return Tls(folder / "tls.crt", folder / "tls.key"), trusting


@pytest.fixture(params=LLHTTP)
def run(request, secure, contexts):
    http, loop = request.param

    def run(story, make=lambda: Recorder(Refusing), **options):
        tls = contexts[0] if secure else None
        return play(story, lambda: RecordingWorld(http, make(), tls=tls, **options), loop)

    return run


@pytest.fixture
def connect(secure, contexts):
    """A connection that blocks, as those of most SDKs do; to be used in a thread."""

    def connect(world):
        sock = socket.create_connection(("127.0.0.1", world.port), DEADLINE)
        return contexts[1].wrap_socket(sock, server_hostname="localhost") if secure else sock

    return connect


def read(sock):
    """All that comes until the other side ends."""
    pieces = []
    while piece := sock.recv(65_536):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize(
    ("begin", "response"),
    [
        (head(b"Content-Length: %d" % UPLOAD), REFUSED),
        (head(b"Transfer-Encoding: chunked"), REFUSED),
        (head(b"X y"), BAD_REQUEST),
    ],
    ids=["length", "chunks", "malformed"],
)
def test_one_that_sends_all_before_it_reads_learns_why(run, connect, begin, response):
    def upload(world):
        with connect(world) as sock:
            sock.sendall(begin)
            for _ in range(UPLOAD // 2**16):
                sock.sendall(b"x" * 2**16)
            return read(sock)

    async def story(world):
        found = await asyncio.to_thread(upload, world)
        await world.until(lambda: not world.observer.open)
        return found

    assert run(story) == response


def test_one_that_goes_on_sending_is_reset(run, connect, monkeypatch):
    monkeypatch.setattr(lingering, "LINGER_BYTES", 2**20)

    def upload(world):
        with connect(world) as sock:
            sock.sendall(head(b"Content-Length: %d" % 2**30))
            for _ in range(2**10):
                sock.sendall(b"x" * 2**20)

    async def story(world):
        with pytest.raises(OSError):  # noqa: PT011 - a reset, or a broken pipe
            await asyncio.to_thread(upload, world)
        await world.until(lambda: not world.observer.open)

    run(story)


def test_one_that_does_not_end_its_side_is_counted_and_then_reset(run, connect, monkeypatch):
    monkeypatch.setattr(lingering, "LINGER_SECONDS", 0.3)

    def begin(world):
        sock = connect(world)
        sock.sendall(head(b"Content-Length: 5"))
        return sock, sock.recv(len(REFUSED))

    async def story(world):
        sock, response = await asyncio.to_thread(begin, world)
        (connection,) = world.observer.open
        assert connection._buffer == b""
        await world.until(lambda: not world.observer.open)
        assert world.recorder.closed == [connection]
        sock.close()
        return response

    assert run(story) == REFUSED


def test_what_is_written_behind_the_refusal_is_not_taken(run, connect):
    """As that of a handler that has not heard yet that its request was malformed."""
    writes = []

    class Late(Message):
        def on_connection_close(self):
            super().on_connection_close()
            length = HTTPHeaders({"Content-Length": "2"})
            self.recorder.loop.call_soon(
                lambda: writes.append(self.exchange.write_headers(OK, length, b"ok"))
            )

    def ask(world):
        with connect(world) as sock:
            sock.sendall(head(b"Transfer-Encoding: chunked") + b"nonsense\r\n")
            return read(sock)

    async def story(world):
        world.recorder.loop = asyncio.get_running_loop()
        found = await asyncio.to_thread(ask, world)
        with pytest.raises(ClientGoneError):
            await writes[0]
        return found

    assert run(story, lambda: Recorder(Late)) == BAD_REQUEST
