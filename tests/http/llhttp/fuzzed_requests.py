"""What the front makes of bytes, however they are cut, beside a plain reading of them."""

import asyncio
import re

from tornado.httputil import HTTPHeaders, HTTPInputError, parse_request_start_line

from tornado_router.background.turns import Turns
from tornado_router.http.llhttp.connection import LlhttpConnection
from tornado_router.http.llhttp.front import AT_ONCE

from ...coverage_guided import Choices
from .delegates import Recorder

KNOWN = [
    b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    *(b"GET / HTTP/1.1\r\n", b"POST /a HTTP/1.1\r\n", b"HTTP/1.0", b"Host: x\r\n", b"X: y\r\n"),
    *(b"Content-Length: 5\r\n", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"gzip"),
    *(b"Transfer-Encoding: ", b"chunked", b"Connection: close\r\n", b"Connection: keep-alive\r\n"),
    *(b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"\r\n\r\n"),
    *(b"hello", b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\n", b"A\r\n0123456789\r\n", b"3;a=b\r\n"),
    *(b"ffffffffffffffff\r\n", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0"),
]

_loop = asyncio.new_event_loop()


class Transport:
    """Takes what is written, and calls the connection as one of the event loop does."""

    def __init__(self):
        self.written, self.closed, self.paused = b"", False, False

    def write(self, data):
        self.written += data

    def set_protocol(self, protocol):
        self.protocol = protocol

    def is_closing(self):
        return self.closed

    def close(self):
        if not self.closed:
            self.closed = True
            _loop.call_soon(self.protocol.connection_lost, None)

    abort = write_eof = close

    def get_write_buffer_size(self):
        return 0

    def set_write_buffer_limits(self, high):
        assert high == 0

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False


class Owner:
    """A front with one connection, which has no socket."""

    max_header_bytes, max_body_bytes, half_closed = 4096, 1000, None
    turns = Turns("reading", AT_ONCE)

    def __init__(self):
        self.application = Recorder()
        self.gone = 0

    def ended(self, connection):
        """Nothing more is read of it."""

    def closed(self, connection):
        self.gone += 1

    def fileno(self):
        return -1


async def served(pieces):
    """The requests that the front sees, what it says, and whether it closes the connection."""
    owner, transport = Owner(), Transport()
    connection = transport.protocol = LlhttpConnection(owner, owner, ("1.2.3.4",), secure=False)
    connection.connection_made(transport)
    for piece in pieces:
        while transport.paused and not transport.closed:  # noqa: ASYNC110 - a turn each
            await asyncio.sleep(0)
        if transport.closed:
            break
        connection.data_received(piece)
    while connection._is_yielding and not transport.closed:  # noqa: ASYNC110 - a turn each
        await asyncio.sleep(0)
    closed = transport.closed
    transport.close()
    await asyncio.sleep(0)
    recorder = owner.application
    assert owner.gone == 1
    assert recorder.begun == len(recorder.seen) + recorder.cut
    return recorder.seen, transport.written, closed


def read(data):
    """The requests in some bytes: their heads by Tornado's parser, their bodies in one piece."""
    seen = []
    while True:
        head, end, rest = data.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        start, _, lines = (head + end).decode("latin-1").partition("\r\n")
        try:
            line, headers = parse_request_start_line(start), HTTPHeaders.parse(lines)
        except HTTPInputError:
            return seen
        found = _body(headers, rest) if end else None
        if found is None:
            return seen
        body, data = found
        seen.append((line.method, line.path, list(headers.get_all()), body))


def _body(headers, data):
    """The body, and what is behind it; None if it does not end."""
    if "Transfer-Encoding" not in headers:
        length = headers.get("Content-Length", "0")
        if not length.isdecimal() or len(data) < int(length):
            return None
        return data[: int(length)], data[int(length) :]
    body = b""
    while size := re.match(rb"([0-9A-Fa-f]{1,16})\r\n", data):
        end = size.end() + int(size[1], 16)
        if data[end : end + 2] != b"\r\n":
            break
        body += data[size.end() : end]
        data = data[end + 2 :]
        if end == size.end():
            return body, data
    return None


def check(data):
    """Fails if it matters how some requests are cut, or if one is seen that is not there."""
    choices = Choices(data)
    sent = choices.text(KNOWN)
    if not sent:
        return
    whole = _loop.run_until_complete(served([sent]))
    assert _loop.run_until_complete(served(choices.pieces(sent))) == whole, sent
    assert whole[0] == read(sent)[: len(whole[0])], sent
