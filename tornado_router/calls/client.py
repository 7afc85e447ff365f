"""The client's side of a call: what comes with it, and where the response goes."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import NamedTuple, Protocol

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.response_cache import CacheControl
from tornado_router.errors import RouterError
from tornado_router.observability.trace_context import TraceContext

CACHE_DEFAULTS = CacheControl()
"""Of a request that asks nothing of the cache."""


class Envelope(NamedTuple):
    """What comes with a call, beside what it asks for.

    Attributes:
        key: whose call it is.
        request_id: what the client knows the call by.
        started: when it came in, by `time.monotonic()`.
        chosen: the target that the client wants, as `provider/model`; None for any.
        cache_control: what it asks of the cache.
        trace: that the call is part of, or None.
        client_address: for the log; empty if the log is to hold none.
    """

    key: Key
    request_id: str
    started: float
    chosen: str | None = None
    cache_control: CacheControl = CACHE_DEFAULTS
    trace: TraceContext | None = None
    client_address: str = ""


class ClientLeftError(RouterError):
    """The client closed its connection while it was written to."""


class Client(Protocol):
    """Takes the response of one call. Each method may raise OSError: the client has left."""

    def begin(self, headers: Mapping[str, str], content_type: str, *, stream: bool) -> None:
        """Takes the head of a response; it is sent with the first bytes of the body.

        Args:
            headers: of the response.
            content_type: of the response.
            stream: whether the body comes in pieces, each to be passed on at once.
        """
        ...

    def write(self, data: bytes) -> Awaitable[None]:
        """Sends a part of the body; ends once the client has room for more."""
        ...

    def finish(self, data: bytes) -> Awaitable[None]:
        """Sends the last part of the body."""
        ...

    def abort(self) -> None:
        """Breaks the response off, so that it does not look whole."""
        ...
