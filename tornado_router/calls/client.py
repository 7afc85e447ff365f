"""The client's side of a call: what comes with it, and where the response goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.response_cache import CacheControl
from tornado_router.errors import ApiError, RouterError
from tornado_router.observability.trace_context import TraceContext

NO_HEADERS: Mapping[str, str] = {}

CACHE_DEFAULTS = CacheControl()
"""Of a request that asks nothing of the cache."""


class Deferred(Protocol):
    """What a call is for that no client waits for: if it is cut off, it is run again."""

    async def wait(self, refusal: ApiError) -> None:
        """Returns once it may be tried again to admit the call.

        Raises:
            ApiError: the same, if that is of no use.
        """
        ...

    async def keep(self, data: bytes) -> None:
        """Writes the whole response, before the call is charged: what it raises fails the call."""
        ...


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
        client: the program that makes the call, for the log; empty if it does not say.
        session: of the program, for the log; empty if it has none.
        headers: of the request, for what is looked up in them by an operator's wish.
        let_in: called once the call was admitted, if anything; what it raises fails the call.
        deferred: what the call is for, if no client waits for it.
    """

    key: Key
    request_id: str
    started: float
    chosen: str | None = None
    cache_control: CacheControl = CACHE_DEFAULTS
    trace: TraceContext | None = None
    client_address: str = ""
    client: str = ""
    session: str = ""
    headers: Mapping[str, str] = NO_HEADERS
    let_in: Callable[[], Awaitable[None]] | None = None
    deferred: Deferred | None = None


class ClientLeftError(RouterError):
    """The client closed its connection while it was written to."""


class Client(Protocol):
    """Takes the response of one call. Each method may raise OSError: the client has left."""

    @property
    def is_ready(self) -> bool:
        """Whether a write need not be awaited: the client has taken all before it."""
        ...

    @property
    def begun(self) -> bool:
        """Whether it was sent anything: then its status is settled."""
        ...

    def keep_alive(
        self, comment: bytes, headers: Callable[[], Mapping[str, str]], content_type: str
    ) -> None:
        """From now on a comment is sent whenever nothing else was for a while, if that is wanted.

        If that happens before `begin`, the response begins with a head of its own.

        Args:
            comment: what the client's parser of the stream skips.
            headers: of such a head.
            content_type: of the stream.
        """
        ...

    def await_end(self, seconds: float, give_up: Callable[[], None]) -> None:
        """From now on, silence is not answered by comments: after some, `give_up` is called.

        Args:
            seconds: how long nothing was sent.
            give_up: ends the wait for more.
        """
        ...

    def begin(self, headers: Mapping[str, str], content_type: str, *, stream: bool) -> None:
        """Takes the head of a response; it is sent with the first bytes of the body.

        It is ignored if a comment was sent before.

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
