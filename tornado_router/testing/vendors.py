"""An imitation of a vendor's API: a real server, whose responses a test decides.

def respond(request):
    return Path("tests/recordings/chat.completions/hello.http")

with running_vendor(respond) as vendor:
    ...  # vendor.url is for `base_url`; vendor.requests has what came
"""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tornado_router.provider import UpstreamResponse
from tornado_router.testing.hosting import hosted
from tornado_router.testing.recordings import parse_http

_NOT_REPLAYED = {"connection", "content-encoding", "content-length", "date", "transfer-encoding"}
"""Headers of a recording that were about how it came, not about what it says."""


@dataclass(frozen=True)
class VendorRequest:
    """What the router sent.

    Attributes:
        method: such as `POST`.
        path: with its query.
        headers: looked up whatever the case of a name.
        body: as it came.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as a JSON value."""
        return orjson.loads(self.body)


Reply = UpstreamResponse | Path | AsyncIterator[bytes]
"""A response, the file of a recorded one, or the pieces of an event stream, sent one by one."""


@dataclass
class RunningVendor:
    """A server that imitates a vendor.

    Attributes:
        url: where it is, without a slash at its end.
        requests: what came, oldest first; a test may clear it.
        left: set once the router closed a connection before the response was whole.
    """

    url: str = ""
    requests: list[VendorRequest] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)


@contextmanager
def running_vendor(respond: Callable[[VendorRequest], Reply]) -> Iterator[RunningVendor]:
    """A vendor that listens on a free port of 127.0.0.1 until the block ends.

    Args:
        respond: makes the response to a request. It runs in the thread of the server, must not
            block, and what it raises is a response with status 500.
    """
    with hosted(_serving(respond)) as vendor:
        yield vendor


def json_response(body: Any, status: int = 200) -> UpstreamResponse:
    """A response that is a JSON value."""
    return UpstreamResponse(status, {"Content-Type": "application/json"}, orjson.dumps(body))


@asynccontextmanager
async def _serving(
    respond: Callable[[VendorRequest], Reply],
) -> AsyncGenerator[RunningVendor, None]:
    vendor = RunningVendor()
    arguments = {"respond": respond, "vendor": vendor}
    server = HTTPServer(Application([("/.*", _Handler, arguments)], log_function=lambda _: None))
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    vendor.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    try:
        yield vendor
    finally:
        server.stop()
        await server.close_all_connections()


class _Handler(RequestHandler):
    """Any method of any path."""

    def initialize(self, respond: Callable[[VendorRequest], Reply], vendor: RunningVendor) -> None:
        self._respond = respond
        self._vendor = vendor

    async def prepare(self) -> None:
        """Answers here, whatever the method."""
        asked = self.request
        request = VendorRequest(asked.method or "", asked.uri or "", asked.headers, asked.body)
        self._vendor.requests.append(request)
        reply = self._respond(request)
        if isinstance(reply, Path):
            reply = parse_http(reply.read_bytes())
        if isinstance(reply, UpstreamResponse):
            self._send(reply)
        else:
            await self._stream(reply)

    def on_connection_close(self) -> None:
        """Notes that the router closed it."""
        self._vendor.left.set()

    def _send(self, reply: UpstreamResponse) -> None:
        self.set_status(reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in _NOT_REPLAYED:
                self.set_header(name, value)
        self.finish(reply.body)

    async def _stream(self, pieces: AsyncIterator[bytes]) -> None:
        self.set_header("Content-Type", "text/event-stream")
        with suppress(StreamClosedError):
            async for piece in pieces:
                self.write(piece)
                await self.flush()
            self.finish()
