"""What a call asks of its request's head: looked up once for all requests with the same head.

A client sends the same head again and again, and `llhttp.request_head` keeps those that it knows.
"""

from __future__ import annotations

from typing import NamedTuple

from tornado.httputil import HTTPHeaders

from tornado_router.http.request_header import header
from tornado_router.observability.redaction import printable_name

MAX_CLIENT = 100
"""Characters of a client's name, and of its session, that are recorded."""


class HeadFacts(NamedTuple):
    """Headers of a request, each as it was sent; None for one that was not.

    Attributes:
        request_id: `X-Request-Id`.
        authorization: `Authorization`.
        content_type: `Content-Type`.
        cache_control: `Cache-Control`.
        target: `X-Router-Target`.
        traceparent: `Traceparent`.
        client: `User-Agent`, as it may be recorded; empty if there is none.
    """

    request_id: str | None
    authorization: str | None
    content_type: str | None
    cache_control: str | None
    target: str | None
    traceparent: str | None
    client: str


class KnownHead:
    """What the requests with one head share.

    Attributes:
        facts: what its headers say, once that was asked.
        sessions: by the headers that say it, the session that they name.
    """

    __slots__ = ("facts", "sessions")

    def __init__(self) -> None:
        self.facts: HeadFacts | None = None
        self.sessions: dict[tuple[str, ...], str] = {}


class KnownHeaders(HTTPHeaders):
    """The headers of a request whose head is known.

    What `HeadFacts` has of them may not be changed.

    Attributes:
        known: what they share with those of other requests.
    """

    known: KnownHead


def facts_of(headers: HTTPHeaders) -> HeadFacts:
    """What the headers of a request say."""
    if type(headers) is not KnownHeaders:
        return _read(headers)
    known = headers.known
    facts = known.facts
    if facts is None:
        facts = known.facts = _read(headers)
    return facts


def session_of(headers: HTTPHeaders, names: tuple[str, ...]) -> str:
    """The session that the client says a call is part of, as it may be recorded; empty for none.

    Args:
        headers: of the request.
        names: of the headers that may say it, the first that is there counts.
    """
    if type(headers) is not KnownHeaders:
        return _read_session(headers, names)
    sessions = headers.known.sessions
    session = sessions.get(names)
    if session is None:
        session = sessions[names] = _read_session(headers, names)
    return session


def _read_session(headers: HTTPHeaders, names: tuple[str, ...]) -> str:
    for name in names:
        value = header(headers, name)
        if value:
            return printable_name(value)[:MAX_CLIENT]
    return ""


def _read(headers: HTTPHeaders) -> HeadFacts:
    return HeadFacts(
        header(headers, "X-Request-Id"),
        header(headers, "Authorization"),
        header(headers, "Content-Type"),
        header(headers, "Cache-Control"),
        header(headers, "X-Router-Target"),
        header(headers, "Traceparent"),
        printable_name(header(headers, "User-Agent") or "")[:MAX_CLIENT],
    )
