"""The router without sockets: a client and a vendor in its own process, which cost next to nothing.

What is left is the router's own part of a call.
"""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio import Future
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from tornado.httputil import HTTPConnection, HTTPHeaders, RequestStartLine, ResponseStartLine

from harness import BenchError, bodies
from harness.targets import Target
from harness.targets import router as configure
from tornado_router.cli.serve_command import _calm_garbage_collector, _loop_factory
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.request import Request
from tornado_router.provider import UpstreamRequest, UpstreamResponse
from tornado_router.runtime import router_process
from tornado_router.runtime.loaded_config import LoadedConfig, load_config
from tornado_router.runtime.router_process import RouterProcess
from tornado_router.runtime.server import Server
from tornado_router.storage.storage import Storage

_NO_PORT = 9
_LONG_SECONDS = 3600.0


class Connection:
    """Of the client (`ClientConnection`)."""

    peer, secure = "127.0.0.1", False
    unsent = taken = 0

    def abort(self) -> None:
        """There is nothing to close."""


class Exchange(HTTPConnection):
    """Takes the response of one request."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ended: Future[None] = loop.create_future()
        self.status = 0
        self._written: Future[None] = loop.create_future()
        self._written.set_result(None)

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """No client leaves."""

    def write_headers(
        self, start_line: Any, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Future[None]:
        """See `HTTPConnection`."""
        assert isinstance(start_line, ResponseStartLine)
        self.status = start_line.code
        return self._written

    def write(self, chunk: bytes) -> Future[None]:
        """See `HTTPConnection`."""
        return self._written

    def finish(self) -> None:
        """See `HTTPConnection`."""
        self.ended.set_result(None)


class Nothing(BaseHandler):
    """What every request costs, whatever it asks for."""

    open = True

    async def post(self) -> None:
        """Responds, without a line in the log."""
        self.logged = True
        self.finish(b"{}")


class InProcessRouter:
    """The router with everything on that the bench's configuration has.

    Attributes:
        process: of the router.
        authorization: what its calls show.
    """

    def __init__(
        self, process: RouterProcess, headers: dict[str, str], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.process = process
        self.authorization = headers["Authorization"]
        self._loop = loop
        self._body = bodies.small()
        sent = {"Host": "127.0.0.1", "User-Agent": "OpenAI/Python 2.8.1", **headers}
        sent |= {"Content-Type": "application/json", "Content-Length": str(len(self._body))}
        self._headers = HTTPHeaders(sent)
        self._line = RequestStartLine("POST", "/v1/chat/completions", "HTTP/1.1")
        self._connection = Connection()
        process.services.bounds.opened(self._connection)

    def run(self, count: int, handler: type[BaseHandler] | None = None) -> None:
        """Serves so many requests of 1 KB, one after the other.

        Args:
            count: of the requests.
            handler: what serves them; None for that of the path, which makes them calls.

        Raises:
            BenchError: one was refused, or failed.
        """
        self._loop.run_until_complete(self._serve(count, handler))

    async def _serve(self, count: int, handler: type[BaseHandler] | None) -> None:
        application, services = self.process.application, {"services": self.process.services}
        for _ in range(count):
            exchange = Exchange(self._loop)
            if handler:
                request = Request(self._line, self._headers, exchange, self._connection)
                delegate = application.get_handler_delegate(request, handler, services)
            else:
                delegate = application.start_request(self._connection, exchange)
            delegate.headers_received(self._line, self._headers)
            delegate.data_received(self._body)
            delegate.finish()
            await exchange.ended
            if exchange.status != 200:
                raise BenchError(f"a call in process has the status {exchange.status}")


@contextmanager
def in_process_router(folder: Path, response: bytes) -> Iterator[InProcessRouter]:
    """The router, ready to serve.

    Args:
        folder: for its files.
        response: the vendor's, to every request.
    """
    answer = UpstreamResponse(200, {"Content-Type": "application/json"}, response)

    class Vendor:
        """Stands for the connections to a provider."""

        async def send(self, request: UpstreamRequest) -> UpstreamResponse:
            return answer

        async def close(self) -> None:
            pass

    target = configure(folder, _NO_PORT)
    loaded = _load(folder)
    connect = router_process.open_upstream
    router_process.open_upstream = lambda *_: Vendor()  # type: ignore[assignment, return-value]

    async def make() -> RouterProcess:
        return RouterProcess(loaded, Storage(loaded.config.database_location))

    with _logged_to(folder / "log"), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        try:
            process = runner.run(make())
            _calm_garbage_collector()
            yield InProcessRouter(process, dict(target.headers), runner.get_loop())
            runner.run(process.close())
        finally:
            router_process.open_upstream = connect


class ServingRouter(NamedTuple):
    """A router that serves in this process.

    Attributes:
        target: how it is reached.
        loop: that it is on, which runs when it is told to.
    """

    target: Target
    loop: asyncio.AbstractEventLoop


@contextmanager
def serving_router(folder: Path, upstream_port: int) -> Iterator[ServingRouter]:
    """The router of this process, which listens while its event loop runs.

    Args:
        folder: for its files.
        upstream_port: of the vendor.
    """
    target = configure(folder, upstream_port)
    loaded = _load(folder)

    async def make() -> Server:
        storage = Storage(loaded.config.database_location)
        server = Server(RouterProcess(loaded, storage))
        await server.start()
        server._measurements.cancel()  # by time and not by calls, so they would spoil a count
        server._silence.cancel()
        server._bounds.close()
        return server

    with _logged_to(folder / "log"), asyncio.Runner(loop_factory=_loop_factory()) as runner:
        server = runner.run(make())
        _calm_garbage_collector()
        yield ServingRouter(target, runner.get_loop())
        runner.run(server.stop())


def _load(folder: Path) -> LoadedConfig:
    """The configuration, with keys that are looked up once, as that is none of a call's stages."""
    loaded = load_config(folder / "router.toml", {})
    auth = replace(loaded.config.auth, key_cache_seconds=_LONG_SECONDS)
    return replace(loaded, config=replace(loaded.config, auth=auth))


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Has all that this process writes to its standard error in a file."""
    terminal = os.dup(sys.stderr.fileno())
    try:
        with path.open("wb") as log:
            os.dup2(log.fileno(), sys.stderr.fileno())
        yield
    finally:
        os.dup2(terminal, sys.stderr.fileno())
        os.close(terminal)
