"""Another front than Tornado's: what it has to have to serve the router, and no more."""

import asyncio

import orjson
import pytest
from tornado.httputil import HTTPConnection, HTTPHeaders, RequestStartLine

from tornado_router.http import client_bounds
from tornado_router.http.connection import ClientGoneError
from tornado_router.http.handlers.documentation import DocsHandler

from ..support import DEADLINE


class Connection(asyncio.Protocol, HTTPConnection):
    """A `ClientConnection` on asyncio's transports, with just enough HTTP for these tests."""

    secure = False

    def __init__(self, front):
        self.front = front
        self.waiting = b""
        self.message = None
        self.written = 0

    @property
    def unsent(self):
        return self.transport.get_write_buffer_size()

    @property
    def taken(self):
        return self.written - self.unsent

    def abort(self):
        self.transport.abort()

    def connection_made(self, transport):
        self.transport = transport
        self.peer = transport.get_extra_info("peername")[0]
        self.context = type("Context", (), {"remote_ip": self.peer, "protocol": "http"})
        if not self.front.observer.opened(self):
            transport.abort()

    def connection_lost(self, exc):
        if self.message:
            self.message.on_connection_close()
        self.front.observer.closed(self)

    def data_received(self, data):
        self.waiting += data
        self.read_request()

    def read_request(self):
        if self.message or b"\r\n\r\n" not in self.waiting:
            return
        head, _, self.waiting = self.waiting.partition(b"\r\n\r\n")
        first, _, rest = head.decode().partition("\r\n")
        headers = HTTPHeaders.parse(rest)
        body, self.waiting = self.split(int(headers.get("Content-Length", "0")))
        self.message = self.front.application.start_request(self, self)
        self.message.headers_received(RequestStartLine(*first.split(" ")), headers)
        if body:
            self.message.data_received(body)
        self.message.finish()

    def split(self, length):
        return self.waiting[:length], self.waiting[length:]

    def set_close_callback(self, callback):
        self.callback = callback

    def write_headers(self, start_line, headers, chunk=None):
        lines = [f"HTTP/1.1 {start_line.code} {start_line.reason}"]
        lines += [f"{name}: {value}" for name, value in headers.get_all()]
        return self.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (chunk or b""))

    def write(self, chunk):
        done = asyncio.get_running_loop().create_future()
        if self.transport.is_closing():
            done.set_exception(ClientGoneError())
            return done
        self.written += len(chunk)
        self.transport.write(chunk)
        done.set_result(None)
        return done

    def finish(self):
        self.message = None
        asyncio.get_running_loop().call_soon(self.read_request)


class Front:
    def __init__(self, application, observer):
        self.application = application
        self.observer = observer

    async def listen(self, sockets):
        (sock,) = sockets
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Connection(self), sock=sock)

    def stop_listening(self):
        self.server.close()

    async def close(self):
        for connection in list(self.observer.connections):
            connection.abort()
        while self.observer.connections:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0)


@pytest.fixture
def http_server(io_loop, app, _unused_port):
    front = Front(app.application, app.services.bounds)

    io_loop.run_sync(lambda: front.listen([_unused_port[0]]))
    yield front
    front.stop_listening()
    io_loop.run_sync(front.close)


@pytest.mark.gen_test
async def test_serves_what_the_router_serves(http_client, base_url, app, key):
    answer = await http_client.fetch(
        f"{base_url}/v1/chat/completions",
        method="POST",
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        body=orjson.dumps({"model": "echo", "messages": [{"role": "user", "content": "hello"}]}),
    )
    assert orjson.loads(answer.body)["choices"]
    assert (await http_client.fetch(f"{base_url}/nope", raise_error=False)).code == 404
    assert app.services.requests.count == 0


@pytest.mark.gen_test
async def test_and_is_bounded_like_any_other(http_server, http_port, app, monkeypatch):
    monkeypatch.setattr(client_bounds, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(DocsHandler, "get", lambda self: self.finish(b"x" * 2**24))
    app.services.bounds._stalled_seconds = 0.1
    app.services.bounds.start()
    _, writer = await asyncio.open_connection("127.0.0.1", http_port)
    writer.write(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(DEADLINE):
        while not app.services.bounds.connections:  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
        while app.services.bounds.connections:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)
    app.services.bounds.close()
    writer.transport.abort()
