"""What is known of a call while it runs, and the account that is given of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote

import orjson

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.admission import Permit
from tornado_router.calls.attempt import Attempts
from tornado_router.calls.response_cache import CachedResponse, CacheEntry
from tornado_router.endpoints import ENDPOINTS
from tornado_router.errors import CLIENT_CLOSED, ApiError, StoppedError, describe_exception
from tornado_router.ledger.record import CallRecord, Charge, RunningCall
from tornado_router.ledger.request_log import Exchange
from tornado_router.observability.redaction import MAX_NAME, printable_name
from tornado_router.observability.trace_context import TraceContext
from tornado_router.provider import Call
from tornado_router.routing.routes import Target
from tornado_router.usage import Usage

_IN_HEADER = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~"
"""What may stand in a header as it is, beside letters and digits."""

MOST_DROPPED = 50
"""Parameters that the log names: their names are the client's, and there may be any number."""


class Copy:
    """The start of an answer, as far as there is room for it.

    Attributes:
        size: bytes of all of it.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._pieces: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        """Adds a piece."""
        left = self._room - self.size
        if left > 0:
            self._pieces.append(data[:left])
        self.size += len(data)

    def data(self) -> bytes:
        """What there was room for."""
        return b"".join(self._pieces)


@dataclass(slots=True)
class Progress:
    """What is known of a call while it runs.

    Attributes:
        call: what the client asked for.
        key: whose call it is.
        request_id: what the client knows the call by.
        started: when it came in, by `time.monotonic()`.
        attempts: to have it served.
        usage: what it has come to.
        permit: of admission, or None until it is admitted.
        status: of the answer.
        error_code: of the error that ended it, or None.
        first_chunk: seconds until the first chunk of a stream was there, or None.
        overhead: see `begin_answer`.
        key_checked: when it was last asked whether the key was revoked.
        noted: when the ledger was last told what a stream has come to.
        settled: whether it was accounted for.
        entry: its place in the response cache, or None.
        cached: the response that was found there, or None.
        missed: whether one was looked for there, and not found.
        recorded: whether the request log wants it.
        trace: that it is part of, or None.
        client_address: where the client is; empty if nobody is to know.
        copy: of its answer, for the cache or the request log, or None.
        internal_error: of an error in the router itself, its type and place, or None.
    """

    call: Call
    key: Key
    request_id: str
    started: float
    attempts: Attempts
    usage: Usage
    permit: Permit | None = None
    status: int = 200
    error_code: str | None = None
    first_chunk: float | None = None
    overhead: float | None = None
    key_checked: float = 0.0
    noted: float = 0.0
    settled: bool = False
    entry: CacheEntry | None = None
    cached: CachedResponse | None = None
    missed: bool = False
    recorded: bool = False
    trace: TraceContext | None = None
    client_address: str = ""
    copy: Copy | None = None
    internal_error: str | None = None

    @property
    def dropped(self) -> Sequence[str]:
        """The parameters that the provider left out."""
        return self.cached.dropped if self.cached else self.attempts.dropped

    def headers(self) -> dict[str, str]:
        """What the client is told beside the answer: its limits, and what served it."""
        headers = self.permit.headers() if self.permit else {}
        target = self.attempts.target
        if target is not None:
            headers["x-router-target"] = _shown(target)
            headers["x-router-attempts"] = str(len(self.attempts.made))
            headers["x-router-overhead-ms"] = f"{self.begin_answer() * 1000:.2f}"
        if self.cached:
            headers |= {"x-router-cache": "hit", "age": str(int(self.cached.age))}
        elif self.entry:
            headers["x-router-cache"] = "miss"
        return headers

    def begin_answer(self) -> float:
        """Seconds that the router itself took until the answer, or the error, was there.

        What comes later is not part of it, so only the first time counts.
        """
        if self.overhead is None:
            self.overhead = time.monotonic() - self.started - self.attempts.waited
        return self.overhead

    def take(self, data: bytes) -> None:
        """Copies a part of the answer, if anybody wants a copy."""
        if self.copy:
            self.copy.add(data)

    def fail(self, error: BaseException) -> None:
        """Takes down why it ended: an error, or that its client went away."""
        if isinstance(error, ApiError):
            self.status, self.error_code = error.status, error.code or error.type
            error.headers = {**self.headers(), **error.headers}
            if isinstance(error, StoppedError):
                self._estimate()
            if self.recorded and self.copy:
                begun = self.copy.size > 0
                dialect = ENDPOINTS[self.call.endpoint].dialect
                self.take(
                    dialect.error_event(error) if begun else orjson.dumps(dialect.error_body(error))
                )
        elif isinstance(error, Exception):
            self.status, self.error_code = 500, "internal_error"
            self.internal_error = describe_exception(error)
        else:  # the client went away, and the provider may charge for it
            self.status, self.error_code = CLIENT_CLOSED, "client_closed"
            self._estimate()

    def running(self) -> RunningCall:
        """The record of it while it runs."""
        call, key = self.call, self.key
        return RunningCall(
            call.id,
            self.request_id,
            call.endpoint,
            key.user_id,
            key.id,
            key.name,
            printable_name(call.model),
            call.stream,
        )

    def finished(self, usage: Usage, charge: Charge) -> CallRecord:
        """The account of it, as if it was over now.

        Args:
            usage: what it has come to.
            charge: what that costs.
        """
        call, key, attempts, permit = self.call, self.key, self.attempts, self.permit
        target = attempts.target
        return CallRecord(
            call_id=call.id,
            request_id=self.request_id,
            endpoint=call.endpoint,
            user_id=key.user_id,
            key_id=key.id,
            key_name=key.name,
            model=printable_name(call.model),
            provider=target.provider if target else None,
            target_model=printable_name(target.model) if target else None,
            stream=call.stream,
            status=self.status,
            error_code=self.error_code[:MAX_NAME] if self.error_code else None,
            dropped_params=tuple(map(printable_name, self.dropped[:MOST_DROPPED])),
            paid_from_credits=permit is not None and permit.from_credits,
            finished_at=time.time(),
            duration=time.monotonic() - self.started,
            first_chunk=self.first_chunk,
            overhead=self.overhead,
            cache_hit=self.cached is not None,
            client_address=self.client_address,
            trace_id=self.trace.trace_id if self.trace else None,
            internal_error=self.internal_error,
            usage=usage,
            charge=charge,
        )

    def exchange(self, finished: CallRecord) -> Exchange:
        """What was asked and answered, for the request log.

        Args:
            finished: the account of it.
        """
        copy = self.copy
        return Exchange(
            call_id=finished.call_id,
            request_id=finished.request_id,
            user_id=finished.user_id,
            key_id=finished.key_id,
            endpoint=finished.endpoint,
            model=finished.model,
            status=finished.status,
            stream=finished.stream,
            finished_at=finished.finished_at,
            request=self.call.raw,
            response=copy.data() if copy else b"",
            response_bytes=copy.size if copy else 0,
        )

    def _estimate(self) -> None:
        if self.attempts.made:
            self.usage = ENDPOINTS[self.call.endpoint].estimate(self.call)


@lru_cache(maxsize=1000)
def _shown(target: Target) -> str:
    """A target in a header: a model's name may be the client's, and hold anything."""
    return quote(target.title, safe=_IN_HEADER)
