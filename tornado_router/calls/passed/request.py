"""A request that is passed to a vendor, as the handler has read it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

from tornado_router.calls.passed import resumable
from tornado_router.config.credentials import SECRET_NAME
from tornado_router.endpoints.dialects import Dialect
from tornado_router.endpoints.passed_paths import PassedPath

Query = Sequence[tuple[str, str]]
"""The parameters of a query, in order."""

FORWARDED = frozenset(("accept", "anthropic-beta", "anthropic-version", "openai-beta", "range"))
"""Headers that go on. No other does: by one such as `Idempotency-Key`, a vendor would show a client
what another one of the same account has made."""


class Incoming(Protocol):
    """The body of a request while it comes in."""

    size: int | None
    """In bytes, as its head says."""

    def check(self) -> None:
        """Refuses a body that is known to be too large.

        Raises:
            ApiError: 413.
        """
        ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Its pieces, once.

        Raises:
            ApiError: it is too large, or its client too slow.
        """
        ...


@dataclass(slots=True)
class PassedRequest:
    """One request.

    Attributes:
        endpoint: by which keys permit it.
        provider: whose vendor it goes to.
        dialect: the form of its errors.
        method: of it.
        path: in the vendor's API.
        query: without credentials.
        headers: of the request, all of them.
        json: the value of a body in JSON; None without one.
        raw: the bytes that it was read from.
        upload: a body in another form, which is still to come; None without one.
        content_type: of the upload.
        session: parameters of the query by which the vendor knows an upload that goes on.
        address: makes an address of the router's of the vendor's for an upload that goes on.
    """

    endpoint: str
    provider: str
    dialect: Dialect
    method: str
    path: PassedPath
    query: Query = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    json: Any = None
    raw: bytes = b""
    upload: Incoming | None = None
    content_type: str = ""
    session: Query = ()
    address: Callable[[str], str | None] | None = None

    @property
    def is_list(self) -> bool:
        """Whether it asks for all that there is of a kind, be it whose it may."""
        path = self.path
        return self.method == "GET" and not path.owned and not path.model and path.collection != ""

    def forwarded(self) -> dict[str, str]:
        """The headers that go on."""
        found = {name.lower(): value for name, value in self.headers.items()}
        names = FORWARDED | resumable.FORWARDED if resumable.is_upload(self.path) else FORWARDED
        kept = {name: found[name] for name in found if name in names}
        if self.raw:
            kept["content-type"] = "application/json"
        return kept


def read_query(query: str) -> Query:
    """The parameters of a query, without those that are credentials."""
    given = parse_qsl(query, keep_blank_values=True)
    return [(name, value) for name, value in given if not SECRET_NAME.search(name)]


def write_query(query: Query) -> str:
    """A query as it goes on."""
    return urlencode(query)
