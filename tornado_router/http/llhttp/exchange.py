"""One request and its response: the `HTTPConnection` that Tornado's handlers write to."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable
from typing import Protocol

from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPOutputError,
    RequestStartLine,
    ResponseStartLine,
)

from tornado_router.http.connection import ClientGoneError
from tornado_router.http.llhttp.request_head import RequestHead

BAD_REQUEST = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 (Continue)\r\n\r\n"

_PROBE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LEADING_ZERO = b"0"
_LAST_CHUNK = b"0\r\n\r\n"


class Context:
    """What a handler learns of a connection, as `HTTPServerRequest` reads it.

    Attributes:
        remote_ip: address of the other end.
        protocol: `http` or `https`.
    """

    __slots__ = ("protocol", "remote_ip")

    def __init__(self, remote_ip: str, protocol: str) -> None:
        self.remote_ip = remote_ip
        self.protocol = protocol


class Line(Protocol):
    """What takes the bytes of a response: the connection."""

    @property
    def is_receiving(self) -> bool:
        """Whether some of the request is still to come."""
        ...

    def send(self, data: bytes) -> Future[None]:
        """Sends them; done once the client's system, or ours, has taken them."""
        ...

    def end_exchange(self) -> None:
        """The response is written."""
        ...

    def abort(self) -> None:
        """Closes the connection at once."""
        ...


class Exchange(HTTPConnection):
    """One request and its response.

    Args:
        line: takes the bytes.
        context: of the connection.
        head: of the request.

    Attributes:
        keep_alive: whether another request may follow.
        begun: whether the head of the response is out.
        finished: whether the response is written.
    """

    __slots__ = (
        "_chunked",
        "_close_callback",
        "_left",
        "_line",
        "_request_line",
        "begun",
        "context",
        "finished",
        "keep_alive",
    )

    def __init__(self, line: Line, context: Context, head: RequestHead) -> None:
        self._line = line
        self._request_line: RequestStartLine = head.line
        self._close_callback: Callable[[], None] | None = None
        self._chunked = False
        self._left: int | None = None
        self.context = context
        self.keep_alive = head.keep_alive
        self.begun = self.finished = False

    @property
    def probe(self) -> bytes | None:
        """What may be sent now without meaning anything, if there is such a thing.

        Before a response, that is `100 Continue`, which a client of HTTP/1.1 has to skip (RFC 9110
        section 15.2); within a chunked one, a leading zero of the next chunk's size (RFC 9112
        section 7.1).
        """
        if not self.begun:
            return _PROBE
        return _LEADING_ZERO if self._chunked else None

    @property
    def may_outlive_end(self) -> bool:
        """Whether a client that has ended its side may get the response; not with HTTP/1.0."""
        return not self.finished and self._request_line.version == "HTTP/1.1"

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Has it called if the connection is closed before the response is written."""
        self._close_callback = callback

    def detach(self) -> None:
        """There is no response: what goes on over the connection is none of HTTP's business."""
        self.finished = True
        self._close_callback = None

    def closed(self) -> None:
        """The connection is closed."""
        callback, self._close_callback = self._close_callback, None
        if callback and not self.finished:
            callback()

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Future[None]:
        """Writes the head, and the beginning of the body along with it.

        Raises:
            ValueError: the head would hold a line break that its author did not mean.
            HTTPOutputError: the body is longer than it says.
        """
        assert isinstance(start_line, ResponseStartLine)
        self._frame(start_line.code, headers)
        try:
            head = _encode_head(start_line, headers)
        except ValueError:
            self._line.abort()
            raise
        self.begun = True
        return self._line.send(head + self._part(chunk) if chunk else head)

    def write(self, chunk: bytes) -> Future[None]:
        """Writes more of the body; done once it is taken.

        Raises:
            HTTPOutputError: the body is longer than it says.
        """
        if self.finished:
            raise HTTPOutputError("the response is finished")
        return self._line.send(self._part(chunk) if chunk else b"")

    def finish(self) -> None:
        """Ends the response.

        Raises:
            HTTPOutputError: the body is shorter than it says.
        """
        if self.finished:
            raise HTTPOutputError("the response is finished")
        if self._left:
            self._line.abort()
            raise HTTPOutputError(f"the response lacks {self._left} bytes of its Content-Length")
        if self._chunked:
            self._line.send(_LAST_CHUNK)
        self.finished = True
        self._close_callback = None
        self._line.end_exchange()

    def _frame(self, code: int, headers: HTTPHeaders) -> None:
        """Sets how the body is framed, and what follows it."""
        method, _, version = self._request_line
        has_body = method != "HEAD" and code >= 200 and code not in (204, 304)
        is_last = "Connection" in headers and headers["Connection"].lower() == "close"
        if is_last or self._line.is_receiving:
            self.keep_alive = False
        if "Content-Length" in headers:
            self._left = int(headers["Content-Length"]) if has_body else 0
        elif not has_body:
            self._left = 0
        elif version == "HTTP/1.1":
            self._chunked = True
            headers["Transfer-Encoding"] = "chunked"
        else:
            self.keep_alive = False  # the end of the connection is that of the body
        if version == "HTTP/1.1":
            if not self.keep_alive:
                headers["Connection"] = "close"
        elif self.keep_alive:
            headers["Connection"] = "Keep-Alive"

    def _part(self, chunk: bytes) -> bytes:
        """A part of the body as it is sent."""
        if self._chunked:
            return b"%x\r\n%b\r\n" % (len(chunk), chunk)
        if self._left is not None:
            self._left -= len(chunk)
            if self._left < 0:
                self._line.abort()
                raise HTTPOutputError("the response is longer than its Content-Length")
        return chunk


def _encode_head(start_line: ResponseStartLine, headers: HTTPHeaders) -> bytes:
    """The head of a response.

    Raises:
        ValueError: it would hold a line break that its author did not mean, or no Latin-1.
    """
    lines = list(map(": ".join, headers.get_all()))
    text = "\r\n".join([f"HTTP/1.1 {start_line.code} {start_line.reason}", *lines, "", ""])
    count = len(lines) + 2
    if text.count("\r") != count or text.count("\n") != count or "\0" in text:
        raise ValueError("line break or NUL in a header of the response")
    return text.encode("latin-1")


def gone(write: Future[None]) -> Future[None]:
    """A write that is not taken any more."""
    if not write.done():
        write.set_exception(ClientGoneError())
        write.exception()  # who does not wait for it need not hear of it
    return write
