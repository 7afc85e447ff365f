"""The running account of one call: opened, admitted, spent from and ended, whatever happens.

It is the only thing that is edited while a call runs, and by its own methods alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType

import orjson
from loguru import logger

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.admission import Admission, Permit
from tornado_router.calls.attempts import Attempts
from tornado_router.calls.call_record import Outcome, call_record, exchange, running_call, safely
from tornado_router.calls.client import ClientLeftError, Envelope
from tornado_router.calls.response_cache import CachedResponse
from tornado_router.calls.response_copy import ResponseCopy
from tornado_router.calls.response_headers import cache_headers, change_headers, target_headers
from tornado_router.endpoints import KNOWN, Meter
from tornado_router.error_codes import Refusal
from tornado_router.errors import CLIENT_CLOSED, ApiError, StoppedError, describe_exception
from tornado_router.ledger.record import CallRecord, Charge
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.ledger.writer import Ledger
from tornado_router.observability.metrics import Metrics
from tornado_router.observability.telemetry import Telemetry
from tornado_router.plugins.registry import FAULTS
from tornado_router.provider import Call
from tornado_router.routing.routes import Target
from tornado_router.usage import Usage

REVOCATION_SECONDS = 0.25
"""How often a running stream asks whether its key was revoked."""

NOTE_SECONDS = 1.0
"""How often it is noted what a running stream has come to, in case the router is killed."""

Observer = Callable[[CallRecord], None]
RevocationCheck = Callable[[Key], Awaitable[bool]]


@dataclass(kw_only=True)
class CallAccounts:
    """Opens accounts, and reports each call once it has ended.

    Attributes:
        admission: decides whether a call may run, and what it is charged.
        ledger: keeps the record of each call, from its start.
        recorder: keeps requests and responses of the calls that are logged.
        metrics: counts calls and their attempts.
        observers: called with each call, by the names that the log has for them; none may block.
        telemetry: traces calls and their attempts, or None.
        is_revoked: asked now and then while a stream runs, to end it; None lets streams end.
        is_stopping: whether the router stops and cuts off the calls that still run. Those that wait
            for a provider are cancelled, too.
    """

    admission: Admission
    ledger: Ledger
    recorder: RequestRecorder
    metrics: Metrics
    observers: Mapping[str, Observer] = field(default_factory=dict)
    telemetry: Telemetry | None = None
    is_revoked: RevocationCheck | None = None
    is_stopping: Callable[[], bool] = lambda: False

    def open(self, call: Call, envelope: Envelope) -> CallAccount:
        """The account of a call, to be used by `async with`."""
        return CallAccount(self, call, envelope)

    def report(self, account: CallAccount, record: CallRecord) -> None:
        """Reports a call that has ended. It was served and charged: nothing can fail it now."""
        safely("the ledger", self.ledger.add, record)
        records = account.attempts.records
        if account.is_logged:
            safely("the request log", self.recorder.add, exchange(account, record))
        safely("metrics", self.metrics.add, record, records, missed=account.missed)
        for name, observer in self.observers.items():
            safely(name, observer, record)
        if self.telemetry:
            safely("telemetry", self.telemetry.add, record, records, account.envelope.trace)


class CallAccount:
    """The account of one call.

    `async with` settles it: what was reserved and not used is free again, and the call is recorded,
    whatever ended it. The error that does is noted on the way out.

    Args:
        accounts: that it is one of.
        call: what the client asked for.
        envelope: what came with it.

    Attributes:
        call: what the client asked for.
        envelope: what came with it.
        attempts: to have it served; the dispatcher adds to them.
        permit: of admission, or None until it is admitted.
        outcome: how it turned out so far.
        cached: the response that was found in the cache, or None.
        missed: whether one was looked for there, and not found.
        copy: of the response, as far as the cache or the request log wants it.
        is_logged: whether the request log keeps request and response.
        room: bytes of text of a stream that are paid for; beyond, `spend` is to be asked.
        due: when `spend` is to be asked next, by `time.monotonic()`.
    """

    permit: Permit | None = None
    cached: CachedResponse | None = None
    missed = False
    is_logged = False
    room = sys.maxsize
    due = 0.0
    _uses_cache = False
    _meter: Meter | None = None
    _usage: Usage | None = None
    _next_note = 0.0
    _next_check = 0.0
    _settled = False

    def __init__(self, accounts: CallAccounts, call: Call, envelope: Envelope) -> None:
        self.call = call
        self.envelope = envelope
        self.attempts = Attempts(
            envelope.key.user_id, envelope.started, accounts.telemetry is not None
        )
        self.outcome = Outcome()
        self.copy = ResponseCopy()
        self._accounts = accounts
        self._admission = accounts.admission
        self.log(by_route=False)

    async def __aenter__(self) -> CallAccount:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        """Settles the account, if `end` or `fail` has not.

        Raises:
            StoppedError: in place of a cancellation by the router's own stop. What ends the
                process, or closes the coroutine, is let through.
        """
        self.attempts.forget_frames()
        if self._settled:
            return  # the client may have left before its last byte: it had the whole response
        reason = await self.fail(error or RuntimeError("its response was never sent"))
        is_last = isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
        if isinstance(reason, StoppedError) and reason is not error and not is_last:
            raise reason from None

    def log(self, *, by_route: bool) -> None:
        """Keeps request and response for the request log, if the route or the key wants it."""
        recorder = self._accounts.recorder
        if not self.is_logged and recorder.wants(by_route, self.envelope.key.log_requests):
            self.is_logged = True
            self.copy.make_room(recorder.room)

    async def refuse(self) -> None:
        """Counts a call that is refused before admission as a request, for it is recorded, too.

        Raises:
            ApiError: 429, it is one too many; 503, its limits cannot be checked.
        """
        await self._admission.count(self.call, self.envelope.key)

    def looked_up(self, cached: CachedResponse | None, *, reads: bool, room: int) -> None:
        """The response cache was asked.

        Args:
            cached: the response that was found there.
            reads: whether the client takes one from there.
            room: bytes of the response that are worth copying for the cache.
        """
        self._uses_cache = True
        self.cached = cached
        self.missed = reads and cached is None
        self.copy.make_room(room)

    async def admit(self, targets: Sequence[Target]) -> Permit:
        """Reserves what the call may come to, and begins its record.

        Args:
            targets: that could serve it; none if it uses nothing.

        Raises:
            ApiError: 403; 429; 503.
        """
        if self.cached or not targets:
            self.permit = await self._admission.admit_free(self.call, self.envelope.key)
            return self.permit
        admit, deferred = self._admission.admit, self.envelope.deferred
        if deferred is not None:
            admit = partial(self._admission.admit_patiently, deferred)
        self.permit = permit = await admit(self.call, self.envelope.key, targets)
        self.attempts.bounds, ledger = permit.bounds, self._accounts.ledger
        safely("the ledger", lambda: ledger.begin(running_call(self.call, self.envelope)))
        return permit

    def begin_stream(self, meter: Meter) -> None:
        """The first chunk is here: from now on, the encoder of the stream measures the usage."""
        permit, target = self._served()
        now = time.monotonic()
        self.outcome.first_chunk = now - self.envelope.started
        self._begin_response()
        self._meter = meter
        self.room = self._admission.room(permit, target)
        self.due = self._next_note = now
        self._next_check = now if self._accounts.is_revoked else sys.maxsize

    async def spend(self) -> bool:
        """Accounts for what was generated so far: reserves more for it, and notes it.

        Returns:
            Whether it is paid for, so that the stream may go on.

        Raises:
            ApiError: 401, the key was revoked.
        """
        permit, target = self._served()
        assert self._meter is not None, "it has begun"
        generated = self._meter.generated
        if generated > self.room:
            paid = await self._admission.extend(permit, target, generated)
            self.room = self._admission.room(permit, target)
            if not paid:
                return False
        now = time.monotonic()
        if now >= self._next_note:
            self._next_note = now + NOTE_SECONDS
            safely("the ledger", self._note, permit, target)
        if now >= self._next_check and self._accounts.is_revoked:
            self._next_check = now + REVOCATION_SECONDS
            if await self._accounts.is_revoked(self.envelope.key):
                raise Refusal.revoked_api_key()
        self.due = min(self._next_note, self._next_check)
        return True

    def _note(self, permit: Permit, target: Target) -> None:
        """Notes what a stream has come to."""
        assert self._meter is not None, "it has begun"
        usage = self._meter.usage(permit.prompt)
        charge = self._admission.charge(permit, target, usage)
        self._accounts.ledger.note(call_record(self, usage, charge))

    def check_stop(self) -> None:
        """Ends a stream that waited for its client when the router cut off what still ran.

        Raises:
            StoppedError: it did.
        """
        if self._accounts.is_stopping():
            raise Refusal.stopped()

    async def end(self, usage: Usage, *, error_code: str | None = None) -> None:
        """The response is whole: charges for it. Before its last byte goes out, it is recorded.

        Args:
            usage: of the whole call.
            error_code: why it ends before its time, if there is no money to go on.
        """
        self._usage, self.outcome.error_code = usage, error_code
        self._begin_response()
        await self._bill(usage)
        self._settle()

    async def fail(self, raised: BaseException) -> ApiError | None:
        """Ends the account of a call that failed, or whose client has left, unless it has ended.

        Returns:
            The error for the client; None if there is no client any more.
        """
        error = self.reason(raised)
        if self._settled:
            return error
        try:
            if error is None:
                self.outcome.status, self.outcome.error_code = CLIENT_CLOSED, "client_closed"
            else:
                dialect = KNOWN[self.call.endpoint].dialect
                self.outcome.status = dialect.status(error)
                self.outcome.error_code = error.code or error.type
                error.headers = {**self.headers(), **error.headers}
                self._copy_error(error)
            if self._usage is None:
                is_cut_off = error is None or isinstance(error, StoppedError)
                self._usage = self._used(is_cut_off=is_cut_off)
            if not isinstance(raised, GeneratorExit):  # what is closed cannot wait for anything
                await self._bill(self._usage)
        except FAULTS as fault:  # it is charged what its lease holds
            logger.error("call {} was not billed: {}", self.call.id, describe_exception(fault))
        finally:
            self._settle()
        return error

    def headers(self) -> dict[str, str]:
        """Of its response, or of its error: the client's limits, and what served it."""
        headers = self.limit_headers()
        target = self.attempts.target
        if target is not None:
            headers |= target_headers(target, len(self.attempts.made), self._begin_response())
        if self._uses_cache:
            headers |= cache_headers(self.cached)
        return headers

    def limit_headers(self) -> dict[str, str]:
        """The client's limits; none before it is admitted."""
        dialect = KNOWN[self.call.endpoint].dialect
        return self.permit.headers(dialect) if self.permit else {}

    def response_headers(self) -> dict[str, str]:
        """Of its response: `headers`, and what of its request was changed."""
        headers, dropped, adapted = self.headers(), self.dropped, self.attempts.adapted
        return headers | change_headers(dropped, adapted) if dropped or adapted else headers

    @property
    def dropped(self) -> Sequence[str]:
        """The parameters that the provider left out."""
        return self.cached.dropped if self.cached else self.attempts.dropped

    def _served(self) -> tuple[Permit, Target]:
        target = self.attempts.target
        assert self.permit is not None, "it was admitted"
        assert target is not None, "it is served"
        return self.permit, target

    def _begin_response(self) -> float:
        """Seconds that the router itself took until the response, or the error, was there.

        What comes later is not part of it, so only the first time counts.
        """
        if self.outcome.overhead is None and self.attempts.target is not None:
            self.outcome.overhead = time.monotonic() - self.envelope.started - self.attempts.waited
        return self.outcome.overhead or 0.0

    def reason(self, raised: BaseException) -> ApiError | None:
        """Why a call ends; None if its client has left. It is cancelled then, and by a stop."""
        if isinstance(raised, ApiError):
            return raised
        if isinstance(raised, ClientLeftError) or not isinstance(raised, Exception):
            return Refusal.stopped() if self._accounts.is_stopping() else None
        self.outcome.internal_error = describe_exception(raised)
        return Refusal.internal_error()

    def _copy_error(self, error: ApiError) -> None:
        """What the client gets of an error is in the request log, too."""
        dialect, request_id = KNOWN[self.call.endpoint].dialect, self.envelope.request_id
        if self.copy.size:
            self.copy.add(dialect.error_event(error, request_id))
        elif self.is_logged:
            self.copy.add(orjson.dumps(dialect.error_body(error, request_id)))

    def _used(self, *, is_cut_off: bool) -> Usage:
        """The usage of a call that did not end well."""
        if self._meter is not None:
            return self._meter.usage()
        if is_cut_off and self.attempts.made and not self.envelope.deferred:  # it is not run again
            return KNOWN[self.call.endpoint].estimate(self.call)
        return Usage()

    async def _bill(self, usage: Usage) -> None:
        """Reserves what the call cost beyond its lease, as far as there is money."""
        if self.permit and self.attempts.target:
            missing = self._admission.bill(self.permit, self.attempts.target, usage)
            if missing:
                await self._admission.cover(self.permit, missing)

    def _settle(self) -> None:
        if self._settled:
            return
        self._settled = True
        usage = self._usage or Usage()
        try:
            charge = self._charge(usage)
        except FAULTS as error:  # it was served all the same
            logger.error("call {} was not charged: {}", self.call.id, describe_exception(error))
            charge = Charge()
        self._accounts.report(self, call_record(self, usage, charge))

    def _charge(self, usage: Usage) -> Charge:
        permit, attempts = self.permit, self.attempts
        if permit is None:
            return Charge()
        streamed = self._meter.generated if self._meter is not None else None
        charge = self._admission.settle(permit, attempts.target, usage, streamed)
        if len(attempts.made) > 1 and attempts.outrun:
            charge = self._admission.add_prompts(charge, permit, attempts.outrun)
        return charge
