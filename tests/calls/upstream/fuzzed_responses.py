"""What the client makes of bytes, however they are cut, beside aiohttp's own reading of them."""

import asyncio
from types import SimpleNamespace

from aiohttp import http_exceptions
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpResponseParserPy

from tornado_router.calls.upstream.connection import Connection
from tornado_router.calls.upstream.exchange import Exchange

from ...coverage_guided import Choices

KNOWN = [
    *(
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 204 No\r\n",
        b"HTTP/1.1 304 N\r\n",
    ),
    *(b"HTTP/1.1 500 E\r\n", b"HTTP/1.1 100 Go\r\n\r\n", b"HTTP/1.1 101 S\r\n", b"X: y\r\n"),
    *(b"HTTP/1.1 103 Early\r\n", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"gzip"),
    *(b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: ", b"chunked"),
    *(b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Trailer: a\r\n", b"\r\n\r\n"),
    *(b"Connection: upgrade\r\nUpgrade: h2c\r\n", b"hello", b"5\r\nhello\r\n", b"5 \r\nhello\r\n"),
    *(b"0\r\n\r\n", b"0\r\n", b"3;a=b\r\nabc\r\n", b"ffffffffffffffff\r\n"),
    *(b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0"),
]

_loop = asyncio.new_event_loop()
_silence = SimpleNamespace(first_byte=1000.0, between_bytes=1000.0, idle=1000.0)


class Transport:
    """Sends nothing, and calls the connection as one of the event loop does."""

    def __init__(self, connection):
        self.connection, self.closed, self.paused = connection, False, False

    def write(self, data):
        pass

    def is_closing(self):
        return self.closed

    def abort(self):
        if not self.closed:
            self.closed = True
            _loop.call_soon(self.connection.connection_lost, None)

    def pause_reading(self):
        self.paused = True

    def resume_reading(self):
        self.paused = False


async def received(pieces, *, ends, has_body):
    """Status and body of the response, or None if it fails."""
    released, lost = [], []
    connection = Connection(_loop, _silence, lambda _, keeps: released.append(keeps), lost.append)
    transport = Transport(connection)
    connection.connection_made(transport)
    exchange = Exchange(_loop, None, has_body=has_body)
    connection.send(exchange, b"GET", b"", _loop.time() + 1000)
    reading = _loop.create_task(_read(exchange))
    for piece in pieces:
        await asyncio.sleep(0)
        while transport.paused and not transport.closed:  # noqa: ASYNC110 - a turn each
            await asyncio.sleep(0)
        if transport.closed:
            break
        connection.data_received(piece)
    if ends and not transport.closed:
        connection.eof_received()
        transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)
    transport.abort()
    for _ in range(3):
        await asyncio.sleep(0)
    assert reading.done()
    assert len(lost) == 1
    assert len(released) <= 1
    return reading.result()


async def _read(exchange):
    body = b""
    try:
        await exchange.begun()
        while piece := await exchange.read(2**20):
            body += piece
    except Exception:  # noqa: BLE001 - whichever: it has failed
        return None
    return exchange.status, body


async def by_aiohttp(data, *, ends, has_body):
    """Status and body of the first response that aiohttp sees, or None if it refuses them."""
    parser = HttpResponseParserPy(
        BaseProtocol(_loop), _loop, 2**16, method="GET" if has_body else "HEAD", read_until_eof=True
    )
    try:
        messages, _, _ = parser.feed_data(data)
        if ends:
            parser.feed_eof()
    except http_exceptions.HttpProcessingError:
        return None
    for head, payload in messages:
        if head.code >= 200:
            return head.code, b"".join(getattr(payload, "_buffer", ()))
    return None


def check(data):
    """Fails if it matters how a response is cut, or if aiohttp reads another in the same bytes.

    Where one of the two clients refuses what it gets, the other may take it.
    """
    choices = Choices(data)
    how = {"ends": bool(choices.number(1)), "has_body": choices.number(7) > 0}
    sent = choices.text(KNOWN)
    if not sent:
        return
    whole = _loop.run_until_complete(received([sent], **how))
    cut = _loop.run_until_complete(received(choices.pieces(sent), **how))
    if whole is None:
        return  # what is wrong behind a response may come when that has been read already
    assert cut == whole, sent
    theirs = _loop.run_until_complete(by_aiohttp(sent, **how))
    assert theirs in (None, whole), sent
