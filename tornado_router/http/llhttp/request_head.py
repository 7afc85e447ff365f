"""Reads the head of a request: llhttp takes it apart, and what it lets pass is checked here.

Where a body ends is decided once, by the very headers that a handler sees; what servers and proxies
may read in two ways is refused (RFC 9112 section 11.2).

Not documented by Tornado, and thus checked by a test of its own with each version that `setup.py`
allows (last: 6.6): `_as_list` and `_combined_cache` of `HTTPHeaders`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser
from tornado.httputil import HTTPHeaders, HTTPInputError, RequestStartLine

from tornado_router.http.head_facts import KnownHead, KnownHeaders

END = b"\r\n\r\n"

MAX_HEADERS = 200
"""Clients send some 20, proxies add a few."""

_MAX_CACHED = 1024
"""So many names of headers are remembered, as they were sent."""

_CACHED_BYTES = 64
"""Longer ones are not, or clients could fill the memory with them."""

_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,10})\r\n")
"""In a head, only a header can be that."""

_KNOWN_HEADS = 512
_KNOWN_BYTES = 2048
"""So many heads are remembered, and none that is longer."""

_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/1\.([01])\r\n")
"""Stricter than llhttp, which reads `GET /x` followed by a bare line feed as HTTP/0.9."""

_PARSED_METHODS = frozenset(b"CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT".split())
"""Of others, llhttp gets to see `GET`: a handler refuses by name what it does not serve."""

_VERSIONS = {b"0": "HTTP/1.0", b"1": "HTTP/1.1"}


class RequestHead(NamedTuple):
    """What the head of a request says.

    Attributes:
        line: method, target, version.
        headers: their names as Tornado writes them.
        keep_alive: whether another request may follow on the connection.
        length: of the body in bytes; None if it comes in chunks.
    """

    line: RequestStartLine
    headers: HTTPHeaders
    keep_alive: bool
    length: int | None


class _Pairs:
    """Collects the headers of one head."""

    __slots__ = ("is_whole", "pairs")

    def __init__(self) -> None:
        self.pairs: list[tuple[bytes, bytes]] = []
        self.is_whole = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by llhttp."""
        if len(self.pairs) == MAX_HEADERS:
            raise HTTPInputError("too many headers")
        self.pairs.append((name, value))

    def on_headers_complete(self) -> None:
        """Called by llhttp."""
        self.is_whole = True


def read_head(data: bytes) -> RequestHead:
    """Reads a head, which ends with the first `END`.

    A client sends the same head again and again, but for the length of the body: one that is known
    is not taken apart anew, which takes four times as long. Its headers may be set and deleted, but
    not added to: those that are known share their values.

    Raises:
        HTTPInputError: it is none, or may be read in two ways.
    """
    found = _LENGTH.search(data)
    if found is None or len(data) > _KNOWN_BYTES:
        return _read(data)
    start, end = found.span(1)
    (line, known, keep_alive, _), shared = _known_head(data[:start], data[end:])
    length = found[1].decode()
    headers = KnownHeaders.__new__(KnownHeaders)
    headers._as_list = {**known._as_list, "Content-Length": [length]}
    headers._combined_cache = {**known._combined_cache, "Content-Length": length}
    headers.known = shared
    return RequestHead(line, headers, keep_alive, int(length))


@lru_cache(_KNOWN_HEADS)
def _known_head(before: bytes, after: bytes) -> tuple[RequestHead, KnownHead]:
    """The head with a body of one byte, by what is before and behind the length; what is shared.

    Raises:
        HTTPInputError: as `read_head`; that is not remembered.
    """
    head = _read(b"%b1%b" % (before, after))
    for name in head.headers:
        head.headers[name]  # from now on it is joined, as nearly all are looked at
    return head, KnownHead()


def _read(data: bytes) -> RequestHead:
    found = _LINE.match(data)
    if found is None:
        raise HTTPInputError("malformed request line")
    if data.count(b"\n") != data.count(b"\r\n"):
        raise HTTPInputError("bare line feed")
    method, target, minor = found.groups()
    collected = _Pairs()
    seen = data if method in _PARSED_METHODS else b"GET" + data[found.end(1) :]
    try:
        HttpRequestParser(collected).feed_data(seen)
    except HttpParserUpgrade:
        pass  # another protocol is offered: a handler takes or refuses it
    except HttpParserError as error:
        raise HTTPInputError(str(error)) from None
    if not collected.is_whole:
        raise HTTPInputError("malformed headers")
    version = _VERSIONS[minor]
    headers = make_headers(collected.pairs)
    line = RequestStartLine(method.decode(), target.decode(), version)
    keep_alive = _keeps_alive(headers, version)
    return RequestHead(line, headers, keep_alive, _body_length(headers, version))


def make_headers(pairs: list[tuple[bytes, bytes]]) -> HTTPHeaders:
    """Headers that were checked already: Tornado would look at each twice, half of all the work.

    Args:
        pairs: names and values, as they were sent.
    """
    headers = HTTPHeaders()
    values = headers._as_list
    for raw, value in pairs:
        name = _known_name(raw) if len(raw) <= _CACHED_BYTES else _normalized(raw)
        text = value.decode("latin-1").rstrip(" \t")
        if name in values:
            values[name].append(text)
        else:
            values[name] = [text]
    return headers


def _normalized(name: bytes) -> str:
    return "-".join(word.capitalize() for word in name.decode("latin-1").split("-"))


_known_name = lru_cache(_MAX_CACHED)(_normalized)


def _keeps_alive(headers: HTTPHeaders, version: str) -> bool:
    if "Connection" not in headers:
        return version == "HTTP/1.1"
    options = {option.strip() for option in headers["Connection"].lower().split(",")}
    return "close" not in options and (version == "HTTP/1.1" or "keep-alive" in options)


def _body_length(headers: HTTPHeaders, version: str) -> int | None:
    """Where the body ends: after so many bytes, or, for None, by its chunks."""
    if "Transfer-Encoding" in headers:
        coding = headers["Transfer-Encoding"]
        if coding.lower() != "chunked" or "Content-Length" in headers or version != "HTTP/1.1":
            raise HTTPInputError("unsupported transfer encoding")
        return None
    if "Content-Length" not in headers:
        return 0
    length = headers["Content-Length"]
    if not (length.isascii() and length.isdigit()):
        raise HTTPInputError("malformed content length")
    return int(length)
