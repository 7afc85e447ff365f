"""Tornado's request handler, run and given headers more cheaply: behind its interface.

Not documented by Tornado, and thus checked by a test of their own with each version that `setup.py`
allows (last: 6.6): `_headers`, `_headers_written`, `_write_buffer`, `_status_code`, `_reason`,
`_finished`, `_transforms` and `_handle_request_exception` of a handler, and what else it
sets at its start.
"""

from __future__ import annotations

import asyncio
import time
from asyncio import Future
from collections.abc import Mapping, Sequence
from functools import lru_cache
from http.client import responses
from typing import Any, ClassVar

from tornado.httputil import HTTPServerRequest, ResponseStartLine, format_timestamp
from tornado.web import Application, HTTPError, RequestHandler

from tornado_router.http.connection import ClientGoneError, connection_of
from tornado_router.http.response_headers import ResponseHeaders


class TornadoHandler(RequestHandler):
    """One request.

    Tornado formats the date for each response, and looks at each header twice. That took 4 % of
    the processor time of a call. It also runs handlers of any kind: it parses forms into arguments,
    checks cookies against forgery, makes modules for templates, and streams bodies, none of which
    this router's use.

    Args:
        application: that serves it.
        request: that was made.
        arguments: of `initialize`.

    Attributes:
        waits_for_none: whether its requests begin at once, however many others have come.
    """

    waits_for_none: ClassVar[bool] = False

    def __init__(
        self, application: Application, request: HTTPServerRequest, **arguments: Any
    ) -> None:
        self.application = application
        self.request = request
        self._headers_written = self._finished = False
        self._transforms = []
        self.clear()
        assert request.connection is not None, "the request came over one"
        request.connection.set_close_callback(  # type: ignore[attr-defined]  # as in Tornado
            self.on_connection_close
        )
        self.initialize(**arguments)

    async def execute(self, path_args: Sequence[bytes]) -> None:
        """Responds to the request, in place of Tornado's `_execute`. It is to be a task.

        Args:
            path_args: what the path has in place of what changes in it.
        """
        try:
            method = self.request.method or ""
            if method not in self.SUPPORTED_METHODS:
                raise HTTPError(405)
            await self.prepare()
            if not self._finished:
                arguments = map(self.decode_argument, path_args)
                await getattr(self, method.lower())(*arguments)
            if not self._finished:
                self.finish()
        except ClientGoneError:
            self.break_off()
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                if not self._finished:
                    self.send_error(500)
                raise
            self._handle_request_exception(error)

    async def prepare(self) -> None:
        """Called before the method of the request; a subclass may refuse it there."""

    def clear(self) -> None:
        """Empties the response, but for its default headers; without Tornado's `Server`."""
        self._headers: ResponseHeaders = ResponseHeaders({"Date": _date(int(time.time()))})
        self.set_default_headers()
        self._write_buffer = []
        self._status_code = 200
        self._reason = responses[200]

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Responds with an error; breaks a response off of which a part is sent already."""
        if self._headers_written and not self._finished:
            self.break_off()
        else:
            super().send_error(status_code, **kwargs)

    def break_off(self) -> None:
        """Ends a request whose response lacks a part, as its client sees by the connection.

        Tornado would try to finish it, log twice that it cannot, and never call `on_finish`.
        """
        connection_of(self.request).abort()
        if not self._finished:
            self._finished = True
            self.on_finish()

    def respond(self, body: bytes) -> Future[None]:
        """Writes a response that is whole, in place of `finish`: its headers have its length.

        Not for HEAD and GET, which have less or a tag; nor are `begin` and `end`.
        """
        written = self.begin(body)
        self._end()
        return written

    def begin(self, part: bytes) -> Future[None]:
        """Writes the head and the first part of the body, in place of `flush`."""
        self._headers_written = True
        line = ResponseStartLine("", self._status_code, self._reason)
        assert self.request.connection is not None, "the request came over one"
        return self.request.connection.write_headers(line, self._headers, part)

    def end(self, part: bytes) -> Future[None]:
        """Writes the last part of a body that has begun, in place of `finish`."""
        assert self.request.connection is not None, "the request came over one"
        written = self.request.connection.write(part)
        self._end()
        return written

    def leave_http(self) -> None:
        """Notes that the connection was taken over: there is no response, and no error of one."""
        self._headers_written = True

    def end_tunnel(self) -> None:
        """Ends a request whose connection was taken over."""
        if not self._finished:
            self._finished = True
            self.on_finish()

    def _end(self) -> None:
        connection = self.request.connection
        assert connection is not None, "the request came over one"
        connection.set_close_callback(None)  # type: ignore[attr-defined]  # as in Tornado
        connection.finish()
        self._finished = True
        self.on_finish()

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Sets headers that the router has made: nothing looks for line breaks in them."""
        self._headers.put(headers)


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return format_timestamp(second)
