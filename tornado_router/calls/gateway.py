"""The whole story of a call: plan, send, answer, and account for it whatever happened."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from loguru import logger

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.account import Copy, Progress
from tornado_router.calls.admission import Admission, Permit
from tornado_router.calls.attempt import Attempt, Attempts
from tornado_router.calls.dispatch import Dispatcher
from tornado_router.calls.response_cache import (
    CacheControl,
    CachedResponse,
    CacheEntry,
    ResponseCache,
    not_cached,
)
from tornado_router.endpoints import ENDPOINTS, StreamEncoder
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.errors import ApiError
from tornado_router.ledger.record import CallRecord, Charge
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.ledger.writer import Ledger
from tornado_router.observability.metrics import Metrics
from tornado_router.observability.telemetry import Telemetry
from tornado_router.observability.trace_context import TraceContext
from tornado_router.plugins.registry import FAULTS
from tornado_router.provider import Call
from tornado_router.routing.routes import Route, Router
from tornado_router.routing.selection import Selection
from tornado_router.usage import Usage

CACHE_DEFAULTS = CacheControl()
"""Of a request that asks nothing of the cache."""

REVOCATION_SECONDS = 0.25
"""How often a running stream asks whether its key was revoked."""

NOTE_SECONDS = 1.0
"""How often it is noted what a running stream has come to, in case the router is killed."""

Observer = Callable[[CallRecord], None]
RevocationCheck = Callable[[Key], Awaitable[bool]]


@dataclass(slots=True)
class Reply:
    """An answer.

    Attributes:
        dropped: parameters of the request that the provider left out.
        headers: to be sent with it.
        body: a JSON body, or None for a stream.
        events: server-sent events as they come, or None; to be closed, read to its end or not.
    """

    dropped: Sequence[str]
    headers: Mapping[str, str]
    body: bytes | None = None
    events: AsyncGenerator[bytes, None] | None = None


class _Meter:
    """Watches that a stream costs no more than is reserved for it.

    Attributes:
        room: bytes of text that are paid for; beyond them, `extend` is to be asked.
    """

    def __init__(
        self, admission: Admission, encoder: StreamEncoder, progress: Progress, permit: Permit
    ) -> None:
        target = progress.attempts.target
        assert target is not None, "a stream comes from somewhere"
        self._admission = admission
        self._encoder = encoder
        self._permit = permit
        self._target = target
        self.room = admission.room(permit, target)

    async def extend(self) -> bool:
        """Reserves more; False if there is no money for what was generated already."""
        generated = self._encoder.generated
        paid = await self._admission.extend(self._permit, self._target, generated)
        self.room = self._admission.room(self._permit, self._target)
        return paid


class Gateway:
    """Serves calls.

    Args:
        router: says who could serve a model.
        selection: says who of them can serve a call, and who goes first.
        admission: says whether a call may run, and what it is charged.
        dispatcher: sends calls there.
        cache: of responses to equal requests.
        recorder: keeps what calls asked and were answered.
        ledger: keeps the record of each call, from its start.
        metrics: counts calls and their attempts.
        observers: told of each call once it is over, by the names that the log has for them; none
            may block.
        telemetry: told of each call and its attempts once it is over; None if nobody traces calls.
        is_revoked: asked now and then while a stream runs, to cut it; None lets streams end.
        is_stopping: whether the router stops and cuts off the calls that still run. Those that wait
            for a provider are to be cancelled, too.
        answer_model: what answers call their model: `vendor`, as it does, or `asked`.
    """

    def __init__(
        self,
        router: Router,
        selection: Selection,
        admission: Admission,
        dispatcher: Dispatcher,
        *,
        cache: ResponseCache,
        recorder: RequestRecorder,
        ledger: Ledger,
        metrics: Metrics,
        observers: Mapping[str, Observer],
        telemetry: Telemetry | None = None,
        is_revoked: RevocationCheck | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
        answer_model: str = "vendor",
    ) -> None:
        self._router = router
        self._selection = selection
        self._admission = admission
        self._dispatcher = dispatcher
        self._cache = cache
        self._recorder = recorder
        self._ledger = ledger
        self._metrics = metrics
        self._observers = observers
        self._telemetry = telemetry
        self._is_revoked = is_revoked
        self._is_stopping = is_stopping
        self._names_as_asked = answer_model == "asked"
        self._variant = answer_model

    def check_room(self) -> None:
        """Lets no call begin that could not be recorded.

        Raises:
            ApiError: 503.
        """
        if not self._ledger.takes_more():
            raise Refusal.ledger_full()

    async def run(
        self,
        call: Call,
        key: Key,
        request_id: str,
        started: float,
        *,
        chosen: str | None = None,
        cache_control: CacheControl = CACHE_DEFAULTS,
        trace: TraceContext | None = None,
        client_address: str = "",
    ) -> Reply:
        """Serves one valid call.

        Args:
            call: what the client asked for.
            key: whose call it is.
            request_id: what the client knows the call by.
            started: when it came in, by `time.monotonic()`.
            chosen: the target that the client wants, as `provider/model`; None for any.
            cache_control: what it asks of the cache.
            trace: what it is part of, or None.
            client_address: where the client is, for the log; empty if nobody is to know.

        Raises:
            ApiError: the call is refused, or failed before its answer began.
        """
        attempts = Attempts(key.user_id, started, traced=self._telemetry is not None)
        progress = Progress(call, key, request_id, started, attempts, Usage())
        progress.trace, progress.client_address = trace, client_address
        try:
            return await self._serve(progress, chosen, cache_control)
        except BaseException as raised:
            error = self._reason(raised)
            if not progress.settled:
                progress.fail(error)
                self._settle(progress)
            if error is raised:
                raise
            raise error from None

    async def _serve(
        self, progress: Progress, chosen: str | None, cache_control: CacheControl
    ) -> Reply:
        """Has a call answered, by the cache or by a provider; see `run`."""
        call, key = progress.call, progress.key
        self._record(progress, by_route=False)
        route = await self._route(call, key, chosen)
        self._record(progress, by_route=route.log_requests)
        entry = self._cache.entry(route, call, key, cache_control, self._variant)
        if entry or cache_control.only_if_cached:
            progress.cached = await self._look_up(progress, entry, cache_control)
            if progress.cached:
                return self._replay(progress, progress.cached)
        if entry and call.stream:
            progress.copy = Copy(max(entry.room, self._room(progress)))
        permit = progress.permit = await self._admission.admit(call, key, route.targets)
        if len(permit.targets) < len(route.targets):
            route = route.only(permit.targets)
        targets = self._selection.order(route, call, permit.prompt, permit.answer)
        self._ledger.begin(progress.running())
        attempt = await self._dispatcher.send(call, targets, progress.attempts, route.hedge_seconds)
        if call.stream:
            events = await self._begin(attempt, progress, permit)
            return Reply(progress.dropped, progress.headers(), events=events)
        assert attempt.body is not None, "it has succeeded"
        endpoint = ENDPOINTS[call.endpoint]
        body, _, progress.usage = endpoint.whole(call, attempt.body, self._name(call))
        progress.take(body)
        missing = self._bill(progress, permit)
        if missing:
            await self._admission.cover(permit, missing)
        progress.begin_answer()
        self._settle(progress)
        if entry:
            await entry.put(body, tuple(progress.dropped))
        return Reply(progress.dropped, progress.headers(), body)

    def _reason(self, error: BaseException) -> BaseException:
        """Why a call ends: it is cancelled if its client went away, and if the router stops."""
        if isinstance(error, Exception) or not self._is_stopping():
            return error
        return Refusal.stopped()

    def _check_stop(self) -> None:
        """Ends a stream that waited for its client when the router cut off what still ran.

        Raises:
            ApiError: 503, it did.
        """
        if self._is_stopping():
            raise Refusal.stopped()

    def _record(self, progress: Progress, *, by_route: bool) -> None:
        """Has what the call asks and is answered kept, if its route or its key says so."""
        if not progress.recorded and self._recorder.wants(by_route, progress.key.log_requests):
            progress.recorded = True
            progress.copy = Copy(self._recorder.room)

    def _room(self, progress: Progress) -> int:
        return self._recorder.room if progress.recorded else 0

    async def _look_up(
        self, progress: Progress, entry: CacheEntry | None, control: CacheControl
    ) -> CachedResponse | None:
        """The cached response, if any; a hit counts as a request of the key.

        Permissions come first, so that nobody learns what was asked of a model that is not theirs.

        Raises:
            ApiError: 403; 429; 503; 504, only a cached response will do and there is none.
        """
        call, key = progress.call, progress.key
        await self._admission.check(call, key)
        progress.entry = entry
        found = await entry.get() if entry else None
        progress.missed = entry is not None and control.read and found is None
        if found:
            progress.permit = await self._admission.admit_free(call, key)
        elif control.only_if_cached:
            await self._admission.count(call, key)
            raise not_cached()
        return found

    def _replay(self, progress: Progress, response: CachedResponse) -> Reply:
        progress.take(response.data)
        self._settle(progress)
        headers = progress.headers()
        if progress.call.stream:
            return Reply(response.dropped, headers, events=_events(response.data))
        return Reply(response.dropped, headers, response.data)

    async def _route(self, call: Call, key: Key, chosen: str | None) -> Route:
        """The targets that could serve a call.

        Raises:
            ApiError: 404, there are none; 400, none of them can.
        """
        try:
            route = self._router.route(call.model, call.endpoint)
            if chosen is not None:
                route = _only_chosen(route, chosen)
            return self._selection.able(route, call)
        except ApiError:
            await self._admission.count(call, key)
            raise

    async def _begin(
        self, attempt: Attempt, progress: Progress, permit: Permit
    ) -> AsyncGenerator[bytes, None]:
        """Makes the first event before anything is sent, as it may still turn out an error."""
        progress.first_chunk = time.monotonic() - progress.started
        call = progress.call
        encoder = ENDPOINTS[call.endpoint].encoder(call, self._name(call))
        try:
            first = b"".join(map(encoder.encode, attempt.first))
        except BaseException:
            await attempt.aclose()
            raise
        events = self._relay(first, attempt, encoder, progress, permit)
        await anext(events)
        return events

    async def _relay(
        self,
        first: bytes,
        attempt: Attempt,
        encoder: StreamEncoder,
        progress: Progress,
        permit: Permit,
    ) -> AsyncGenerator[bytes, None]:
        try:
            async with aclosing(attempt):
                meter = _Meter(self._admission, encoder, progress, permit)
                yield b""  # to `_begin`: once begun, it settles even if nobody reads it
                if first:
                    progress.take(first)
                    yield first
                    self._check_stop()
                while (batch := await attempt.next()) is not None:
                    events = b"".join(map(encoder.encode, batch))
                    if encoder.generated > meter.room and not await meter.extend():
                        progress.error_code = "insufficient_quota"
                        events += encoder.cut(Refusal.quota_used_up())
                        progress.take(events)
                        self._settle_stream(progress, encoder)
                        yield events
                        return
                    now = time.monotonic()
                    if now >= progress.noted + NOTE_SECONDS:
                        self._note(progress, encoder.usage(), now)
                    if events:
                        progress.take(events)
                        yield events
                        self._check_stop()
                    if self._is_revoked:
                        await self._check_key(progress, now)
            progress.usage = encoder.usage()
            missing = self._bill(progress, permit)
            if missing:
                await self._admission.cover(permit, missing)
            end = encoder.finish()
            progress.take(end)
            self._settle(progress)  # first: who has the whole answer finds it in the books
            await self._cache_stream(progress)
            yield end
        except BaseException as raised:
            error = self._reason(raised)
            progress.fail(error)
            self._settle_stream(progress, encoder)
            if not isinstance(error, ApiError) or isinstance(raised, GeneratorExit):
                raise
            yield encoder.error(error)

    async def _cache_stream(self, progress: Progress) -> None:
        """Caches a stream that ended well, if all of it was copied."""
        entry, copy = progress.entry, progress.copy
        if entry and copy and copy.size <= entry.room:
            await entry.put(copy.data(), tuple(progress.dropped))

    def _name(self, call: Call) -> str | None:
        return call.model if self._names_as_asked else None

    def _bill(self, progress: Progress, permit: Permit) -> int:
        target = progress.attempts.target
        assert target is not None, "somebody has answered"
        return self._admission.bill(permit, target, progress.usage)

    async def _check_key(self, progress: Progress, now: float) -> None:
        """Ends a stream whose key was revoked.

        Raises:
            ApiError: 401.
        """
        assert self._is_revoked is not None
        if now < progress.key_checked + REVOCATION_SECONDS:
            return
        progress.key_checked = now
        if await self._is_revoked(progress.key):
            raise Refusal.revoked_api_key()

    def _note(self, progress: Progress, usage: Usage, now: float) -> None:
        """Notes what a stream has come to, as the client has that much of it."""
        progress.noted = now
        permit, target = progress.permit, progress.attempts.target
        assert permit is not None, "it was admitted"
        assert target is not None, "it comes from somewhere"
        charge = self._admission.charge(permit, target, usage)
        self._ledger.note(progress.finished(usage, charge))

    def _settle_stream(self, progress: Progress, encoder: StreamEncoder) -> None:
        if not progress.settled:
            progress.usage = encoder.usage()
            self._settle(progress)

    def _settle(self, progress: Progress) -> None:
        progress.settled = True
        permit = progress.permit
        charge = Charge()
        if permit:
            attempts = progress.attempts
            charge = self._admission.settle(permit, attempts.target, progress.usage)
            if attempts.outrun:
                charge = self._admission.add_prompts(charge, permit, attempts.outrun)
        finished = progress.finished(progress.usage, charge)
        self._ledger.add(finished)
        if progress.recorded:
            _safely("the request log", self._recorder.add, progress.exchange(finished))
        _safely("metrics", self._count, finished, progress)
        for name, observer in self._observers.items():
            _safely(name, observer, finished)
        if self._telemetry:
            records = progress.attempts.records
            _safely("telemetry", self._telemetry.add, finished, records, progress.trace)

    def _count(self, finished: CallRecord, progress: Progress) -> None:
        self._metrics.add(finished, progress.attempts.records, missed=progress.missed)


def _safely(name: str, observe: Callable[..., None], *what: Any) -> None:
    """Tells somebody of a call; what they raise comes too late to be the call's fault."""
    try:
        observe(*what)
    except FAULTS as error:  # the call was served, and it was charged
        logger.error("{} raised {} in request_finished", name, type(error).__name__)


async def _events(data: bytes) -> AsyncGenerator[bytes, None]:
    """A stream from the cache."""
    yield data


def _only_chosen(route: Route, chosen: str) -> Route:
    targets = [target for target in route.targets if f"{target.provider}/{target.model}" == chosen]
    if not targets:
        raise Invalid.target_not_found(target=chosen[:200])
    return route.only(targets)
