"""Delegates that record what a front makes of what arrives."""

import asyncio

from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    ResponseStartLine,
)

from tornado_router.background.supervisor import start_task

OK = ResponseStartLine("", 200, "OK")
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Message(HTTPMessageDelegate):
    """One request: responds `ok` at once."""

    def __init__(self, recorder, exchange):
        self.recorder = recorder
        self.exchange = exchange
        self.body = b""
        recorder.begun += 1

    def headers_received(self, start_line, headers):
        self.head = (start_line.method, start_line.path, list(headers.get_all()))

    def data_received(self, chunk):
        self.body += chunk

    def finish(self):
        self.recorder.seen.append((*self.head, self.body))
        self.respond()

    def respond(self):
        self.exchange.write_headers(OK, HTTPHeaders({"Content-Length": "2"}), b"ok")
        self.exchange.finish()

    def on_connection_close(self):
        self.recorder.cut += 1


class Recorder(HTTPServerConnectionDelegate):
    """What was requested.

    Args:
        make: the delegate of each request.

    Attributes:
        seen: method, target, headers and body of each request that was whole.
        begun, cut: how many had a head, and how many were never whole.
        closed: connections that are closed.
    """

    def __init__(self, make=Message):
        self.make = make
        self.seen = []
        self.begun = self.cut = 0
        self.closed = []

    def start_request(self, server_conn, request_conn):
        return self.make(self, request_conn)

    def on_close(self, server_conn):
        self.closed.append(server_conn)

    @property
    def paths(self):
        return [path for _, path, _, _ in self.seen]


class Waiting(Message):
    """Responds once `recorder.go` is set; `recorder.left` has those whose clients left before."""

    async def later(self):
        await self.recorder.go.wait()
        self.respond()

    def finish(self):
        recorder = self.recorder
        recorder.seen.append((*self.head, self.body))
        self.exchange.set_close_callback(lambda: recorder.left.append(self.head[1]))
        start_task("later", self.later())


class WaitingRecorder(Recorder):
    def __init__(self):
        super().__init__(Waiting)
        self.go = asyncio.Event()
        self.left = []
