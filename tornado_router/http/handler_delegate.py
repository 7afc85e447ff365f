"""Finds the handler of a request, and runs it once the whole request is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from loguru import logger
from tornado.httputil import HTTPConnection, HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.web import Application

from tornado_router.background.held_memory import Hold
from tornado_router.background.supervisor import start_task
from tornado_router.background.turns import Turns
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.http.connection import ClientConnection
from tornado_router.http.request import Request
from tornado_router.http.tornado_handler import TornadoHandler
from tornado_router.validation.forms import FormReader


class RequestDelegate(HTTPMessageDelegate):
    """Passes a request on to what its head says.

    Args:
        find: what takes the request, by its head.
        client: that sends it.
        connection: takes the response.
    """

    __slots__ = ("_client", "_connection", "_delegate", "_find")

    def __init__(
        self,
        find: Callable[[Request], HTTPMessageDelegate],
        client: ClientConnection,
        connection: HTTPConnection,
    ) -> None:
        self._find = find
        self._client = client
        self._connection = connection
        self._delegate: HTTPMessageDelegate | None = None

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Awaitable[None] | None:
        """See `HTTPMessageDelegate`."""
        request = Request(start_line, headers, self._connection, self._client)
        delegate = self._delegate = self._find(request)
        return delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """See `HTTPMessageDelegate`."""
        assert self._delegate is not None, "the head came first"
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        """See `HTTPMessageDelegate`."""
        assert self._delegate is not None, "the head came first"
        self._delegate.finish()

    def on_connection_close(self) -> None:
        """See `HTTPMessageDelegate`."""
        if self._delegate is not None:  # the head may have been refused
            self._delegate.on_connection_close()


class HandlerDelegate(HTTPMessageDelegate):
    """Gathers the body of a request, and has a handler made and run for it.

    Tornado's own looks for a reload of templates, streamed bodies, transforms, and for what the
    handler's coroutine may be instead; that took 5 % of the processor time of a call.

    Args:
        application: that serves the request.
        request: without its body yet.
        handler_class: of the request's path.
        arguments: of the handler.
        path_args: what the path has in place of what changes in it.
        turns: that requests take to begin, but for those that wait for none.
    """

    def __init__(
        self,
        application: Application,
        request: HTTPServerRequest,
        handler_class: type[TornadoHandler],
        arguments: Mapping[str, Any],
        path_args: Sequence[bytes],
        *,
        turns: Turns,
    ) -> None:
        self._application = application
        self._request = request
        self._handler_class = handler_class
        self._arguments = arguments
        self._path_args = path_args
        self._turns = turns
        self._pieces: list[bytes] = []
        self._has_left = False

    def data_received(self, chunk: bytes) -> None:
        """See `HTTPMessageDelegate`."""
        self._pieces.append(chunk)

    def finish(self) -> None:
        """See `HTTPMessageDelegate`."""
        pieces, self._pieces = self._pieces, []  # a front may keep this object for longer
        self._request.body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.start()

    def start(self) -> None:
        """Has the handler made and run, in its turn."""
        if self._handler_class.waits_for_none:
            self._begin()
        elif not self._turns.run(self._begin):
            connection = self._request.connection
            connection.set_close_callback(self._leave)  # type: ignore[union-attr]  # as in Tornado

    def on_connection_close(self) -> None:
        """See `HTTPMessageDelegate`."""
        self._pieces.clear()

    def _begin(self) -> None:
        handler = self._handler_class(self._application, self._request, **self._arguments)
        if self._has_left:
            handler.on_connection_close()
        start_task("request", handler.execute(self._path_args))

    def _leave(self) -> None:
        """The client has left while its request waited."""
        self._has_left = True


class FormDelegate(HandlerDelegate):
    """Reads a form as it arrives, so that the handler gets its fields and files and no body.

    Args:
        application: that serves the request.
        request: without its body.
        handler_class: of the request's path.
        arguments: of the handler; it gets the form, or the refusal of it, beside them.
        path_args: what the path has in place of what changes in it.
        hold: counts what the form takes of memory; the files are closed when it is freed.
        turns: that requests take to begin.
    """

    def __init__(
        self,
        application: Application,
        request: HTTPServerRequest,
        handler_class: type[TornadoHandler],
        arguments: Mapping[str, Any],
        path_args: Sequence[bytes],
        *,
        hold: Hold,
        turns: Turns,
    ) -> None:
        super().__init__(application, request, handler_class, arguments, path_args, turns=turns)
        self._hold = hold
        self._reader: FormReader | None = None
        self._held = 0

    def data_received(self, chunk: bytes) -> None:
        """See `HTTPMessageDelegate`.

        Raises:
            ApiError: it is not a form, or there is no room for it.
        """
        reader = self._reader or self._open()
        try:
            reader.feed(chunk)
        except OSError as error:
            logger.error("a form cannot be kept on disk: {}", error.strerror)
            raise Refusal.overloaded() from None
        more = reader.in_memory - self._held
        if more > 0 and not self._hold.grow(more):
            raise Refusal.overloaded()
        self._hold.shrink(max(0, -more))  # it went to disk
        self._held += more

    def finish(self) -> None:
        """See `HTTPMessageDelegate`."""
        try:
            form = (self._reader or self._open()).finish()
        except ApiError as error:
            self._arguments = {**self._arguments, "refusal": error}
        else:
            self._arguments = {**self._arguments, "form": form}
        self._reader = None  # a front may keep this object for longer
        self.start()

    def _open(self) -> FormReader:
        reader = self._reader = FormReader(self._request.headers.get("Content-Type", ""))
        self._hold.at_end(reader.close)
        return reader
