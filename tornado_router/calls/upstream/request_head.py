"""The head of a request as it is sent, and where that goes; kept, as most requests share theirs."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from tornado_router.calls.upstream import bounds
from tornado_router.calls.upstream.failures import BrokenResponseError
from tornado_router.provider import Parts, Upload, UpstreamRequest

MAX_KEPT = 256
"""So many heads are kept: some hold a value that no other request has."""

_PORTS = {"http": 80, "https": 443}
_OURS = frozenset(("content-length", "transfer-encoding", "expect"))
"""Headers that frame the body, which is the client's own to say."""

_HAS_LENGTH = frozenset(("POST", "PUT", "PATCH"))
"""Methods whose requests say how long their body is, even if empty (RFC 9110 section 8.6)."""

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_BAD_NAME = re.compile(r"[\x00-\x1f\x7f:]")
_BAD_VALUE = re.compile(r"[\x00\r\n]")
_NOT_IN_TARGET = re.compile(r"[^!-~]+")
_NOT_IN_HOST = re.compile(r"[\x00-\x20\x7f/\\<>^`{|}]")


class URLError(BrokenResponseError):
    """A URL that no request can be sent to."""


class Origin(NamedTuple):
    """What a connection leads to.

    Attributes:
        host: a name or an address, without brackets.
        port: of it.
        tls: whether it speaks TLS.
    """

    host: str
    port: int
    tls: bool


class Head(NamedTuple):
    """The head of a request, up to the length of its body.

    Attributes:
        origin: where it is sent.
        data: its lines, without the one of the body's length and the empty one.
        has_length: whether the length is said of an empty body, too.
    """

    origin: Origin
    data: bytes
    has_length: bool

    def ended(self, size: int | None) -> bytes:
        """The whole head of a request.

        Args:
            size: of its body, in bytes; None for one in chunks.
        """
        if size is None:
            return self.data + b"Transfer-Encoding: chunked\r\n\r\n"
        if size or self.has_length:
            return b"%bContent-Length: %d\r\n\r\n" % (self.data, size)
        return self.data + b"\r\n"


class Heads:
    """Makes the heads of requests, and keeps them."""

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Head] = {}

    def find(self, request: UpstreamRequest) -> Head:
        """The head of a request.

        Raises:
            URLError: its URL has no host, or is not one of HTTP.
            ValueError: a header would end its line, or the method is none.
        """
        body = request.body
        if isinstance(body, Parts | Upload):  # the boundary is another each time
            return _head(request, {"Content-Type": body.content_type})
        key = (request.method, request.url, *request.headers.items())
        head = self._kept.get(key)
        if head is None:
            if len(self._kept) >= MAX_KEPT:
                self._kept.clear()
            head = self._kept[key] = _head(request, {})
        return head


def _head(request: UpstreamRequest, more: Mapping[str, str]) -> Head:
    if _TOKEN.fullmatch(request.method) is None:
        raise ValueError("the method of a request is not a token")
    method = request.method.upper()
    origin, host, target, user = _split(request.url)
    given = {name.lower() for name in request.headers}
    headers = {"Host": host, **bounds.HEADERS, "Accept": "*/*"}
    if user is not None:
        headers["Authorization"] = user
    headers = {name: value for name, value in headers.items() if name.lower() not in given}
    replaced = _OURS | {name.lower() for name in more}
    for name, value in request.headers.items():
        if name.lower() not in replaced:
            headers[name] = value
    lines = [f"{method} {target} HTTP/1.1"]
    for name, value in {**headers, **more}.items():
        if not name or _BAD_NAME.search(name) or _BAD_VALUE.search(value):
            raise ValueError(f"the header {name!r} would not stay one")
        lines.append(f"{name}: {value}")
    data = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n"
    return Head(origin, data, method in _HAS_LENGTH)


def _split(url: str) -> tuple[Origin, str, str, str | None]:
    """The origin of a URL, its `Host`, its target and the authorization that its user stands for.

    Path and query stay as they are, but for what cannot be sent: blanks, controls, other letters.
    """
    try:
        parts = urlsplit(url)
        port, default = parts.port, _PORTS[parts.scheme]
    except (KeyError, ValueError):
        raise URLError("the URL is none of HTTP") from None
    host = _host(parts.hostname or "")
    named = f"[{host.partition('%')[0]}]" if ":" in host else host
    if port not in (None, default):
        named = f"{named}:{port}"
    _, _, rest = url.partition("://")
    start = re.search(r"[/?#]", rest)
    target = rest[start.start() :].partition("#")[0] if start else ""
    if not target.startswith("/"):
        target = f"/{target}"
    target = _NOT_IN_TARGET.sub(lambda found: quote(found[0]), target)
    user = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        user = f"Basic {base64.b64encode(pair.encode()).decode()}"
    origin = Origin(host, default if port is None else port, parts.scheme == "https")
    return origin, named, target, user


def _host(name: str) -> str:
    """A host as DNS knows it."""
    if not name.isascii():
        try:
            name = name.encode("idna").decode()
        except UnicodeError:
            raise URLError("the host of the URL is none") from None
    name = name.replace("%25", "%") if ":" in name else unquote(name)
    if not name or _NOT_IN_HOST.search(name) or not name.isascii():
        raise URLError("the host of the URL is none")
    return name
