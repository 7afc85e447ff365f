"""Sends a call to its targets: one after the other, and those that may do better once more.

A staircase, one concern a step: `send` goes round the targets with pauses between the rounds,
`_send_to_first` goes through them once, `_send_once` makes one attempt. Once a stream's first chunk
is here nothing is tried again, for the client is about to see it.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

from loguru import logger

from tornado_router.calls.tool_state import Memory, Owner, tool_call_ids
from tornado_router.config.options import RoutingOptions
from tornado_router.errors import ApiError, ProviderError, bad_answer
from tornado_router.observability.attempt_record import AttemptRecord, RecordingClient
from tornado_router.observability.redaction import printable_name
from tornado_router.plugins.registry import FAULTS, ConfiguredProvider
from tornado_router.provider import Body, Call, HTTPClient, Provider, Unsupported
from tornado_router.routing.health import Attempt, Health
from tornado_router.routing.hedging import Start, race
from tornado_router.routing.retries import Retries, seconds_of
from tornado_router.routing.routes import Target

MAX_WORDS = 4000
"""Of a vendor's message, this much goes on."""

_STATUSES = {401: 502, 402: 503, 403: 502, 503: 503, 504: 504, 529: 503}
"""What the client sees for a provider's status, where it is not the same."""

_LIMITED = 429
_AGAIN = frozenset((408, 409, 425, 429, 500, 502, 503, 504, 529))
"""Statuses that may be others a moment later."""

_BUSY = frozenset((_LIMITED, 503, 529))
"""Statuses after which clients expect `Retry-After`; not every vendor sends it."""

_LASTING = frozenset(("timeout", "tls_error"))
"""Codes of our own failures that are not: after a time-out the provider may still be at work, and
be paid for it."""


@dataclass(slots=True)
class Attempts:
    """What was tried for one call; the last is the one that the client was answered from.

    Attributes:
        user_id: whose call it is.
        started: when the call came in, by `time.monotonic()`.
        targets: those that were tried, in order.
        dropped: the parameters that the last one left out.
        waited: seconds that providers took until they answered or failed, and pauses between.
        outrun: those that were cut off as another was faster, and may charge for it.
        records: of each attempt, for metrics and traces.
        traced: whether what attempts ask and are answered is noted, too, for traces.
    """

    user_id: int
    started: float
    targets: list[Target] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    waited: float = 0.0
    outrun: list[Target] = field(default_factory=list)
    records: list[AttemptRecord] = field(default_factory=list)
    traced: bool = False

    @property
    def last(self) -> Target | None:
        """The target that was tried last."""
        return self.targets[-1] if self.targets else None


@dataclass(slots=True)
class _Runner(Attempts):
    """The attempts of one side of a race.

    Attributes:
        outcome: its answer, or the error that ended it; None if it was cut off or found none.
        failed: whether it came to its end without an answer.
    """

    outcome: Body | ChunkStream | Exception | None = None
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ChunkStream:
    """A streamed answer: the chunks that came first, and the rest as it comes."""

    first: Sequence[Body]
    rest: AsyncGenerator[Sequence[Body], None]


class Dispatcher:
    """Sends calls to providers.

    Args:
        providers: every configured provider, by name.
        clients: the connections of those that are on, by name.
        memory: keeps what providers need back on the next turn.
        health: of the targets.
        options: how failures are met.
    """

    def __init__(
        self,
        providers: Mapping[str, ConfiguredProvider],
        clients: Mapping[str, HTTPClient],
        memory: Memory,
        health: Health,
        options: RoutingOptions,
    ) -> None:
        self._providers = providers
        self._clients = clients
        self._memory = memory
        self._health = health
        self._retries = Retries(options)
        self._deadline_seconds = options.deadline_seconds

    async def send(
        self,
        call: Call,
        targets: Sequence[Target],
        attempts: Attempts,
        hedge_seconds: float | None = None,
    ) -> Body | ChunkStream:
        """Serves a call from the first target that can.

        Args:
            call: what the client asked for.
            targets: what to try, in order; at least one.
            attempts: told of each attempt as it is made.
            hedge_seconds: how long the first target may take before another is asked, too; None
                for as long as it takes.

        Raises:
            ApiError: every target failed, or one refused what any other would refuse too.
        """
        self._retries.deposit()
        deadline = attempts.started + self._deadline_seconds
        for made in count():
            failures = _Failures()
            well = self._health.well(targets) if len(targets) > 1 else targets
            if hedge_seconds is None or len(well) == 1:
                answer = await self._go_round(call, well, attempts, deadline, failures)
            else:
                answer = await self._race(
                    call, well, attempts, deadline, failures, hedge_seconds=hedge_seconds
                )
            if answer is not None:
                return answer
            pause = None
            if failures.again:
                left = deadline - time.monotonic()
                pause = self._retries.pause(made, failures.retry_after, left)
            if pause is None:
                raise failures.last
            attempts.waited += pause
            await asyncio.sleep(pause)
            targets = failures.again
        raise AssertionError("unreachable")

    async def _go_round(
        self,
        call: Call,
        targets: Sequence[Target],
        attempts: Attempts,
        deadline: float,
        failures: _Failures,
    ) -> Body | ChunkStream | None:
        """Tries each target once, until one answers; None if none does.

        Raises:
            ApiError: one refused what any other would refuse too.
        """
        for target in targets:
            seconds = deadline - time.monotonic() if attempts.targets else None
            if seconds is not None and seconds <= 0:
                break
            try:
                return await self._send_once(call, target, attempts, seconds)
            except ProviderError as error:
                if not error.retryable:
                    raise
                failures.add(target, error)
        return None

    async def _race(
        self,
        call: Call,
        targets: Sequence[Target],
        attempts: Attempts,
        deadline: float,
        failures: _Failures,
        *,
        hedge_seconds: float,
    ) -> Body | ChunkStream | None:
        """Tries the first target, and the others too if it takes longer than most.

        Raises:
            ApiError: one refused what any other would refuse too.
        """
        began = time.monotonic()
        runners = [
            _Runner(
                attempts.user_id,
                attempts.started,
                records=attempts.records,
                traced=attempts.traced,
            )
            for _ in range(2)
        ]

        def start(runner: _Runner, its_targets: Sequence[Target]) -> Start[Body | ChunkStream]:
            async def run() -> Body | ChunkStream | None:
                try:
                    answer = await self._go_round(call, its_targets, runner, deadline, failures)
                except Exception as error:
                    runner.outcome, runner.failed = error, True
                    raise
                runner.outcome, runner.failed = answer, answer is None
                return answer

            return run

        outcome: Body | ChunkStream | Exception | None = None
        try:
            answer: Body | ChunkStream | None = await race(
                start(runners[0], targets[:1]),
                start(runners[1], targets[1:]),
                hedge_seconds,
                self._retries.take,
                _discard,
            )
            outcome = answer
            return answer
        except Exception as error:
            outcome = error
            raise
        finally:
            # The one that the client hears from, be it an answer or an error, has to be the last.
            runners.sort(key=lambda runner: outcome is not None and runner.outcome is outcome)
            for runner in runners:
                attempts.targets += runner.targets
                attempts.dropped = runner.dropped
                if runner is not runners[-1] and runner.targets and not runner.failed:
                    attempts.outrun.append(runner.targets[-1])
            attempts.waited += time.monotonic() - began

    async def _send_once(
        self, call: Call, target: Target, attempts: Attempts, seconds: float | None
    ) -> Body | ChunkStream:
        """Makes one attempt.

        Args:
            call: as the client sent it.
            target: where to.
            attempts: told of it.
            seconds: until its answer must have begun, or None.

        Raises:
            ApiError: it failed.
        """
        configured = self._providers[target.provider]
        provider = configured.provider
        assert provider is not None, "routing plans no target that is off"
        owner = (attempts.user_id, target.provider)
        attempt = Call(
            call.id,
            call.endpoint,
            target.model,
            call.body,
            call.raw,
            call.stream,
            cast(Unsupported, configured.common.unsupported),
            await self._recall(owner, call) if provider.remembers else {},
        )
        attempts.targets.append(target)
        attempts.dropped = attempt.dropped
        trying = _Try(
            configured,
            provider,
            self._clients[target.provider],
            attempt,
            owner,
            self._health.begin(target),
            _record(configured, provider, target),
            len(attempts.records) + 1,
        )
        attempts.records.append(trying.record)
        if attempts.traced:
            trying.trace()
        if attempt.stream:
            return await self._open_stream(trying, attempts, seconds)
        try:
            if seconds is None:
                answer = await provider.send(attempt, trying.client)
            else:
                async with asyncio.timeout(seconds):
                    answer = await provider.send(attempt, trying.client)
            if answer is None:
                raise TypeError("a provider has to return an answer")
        except FAULTS as error:  # a plugin's fault stays the plugin's
            raise trying.failed(error) from None
        else:
            trying.succeeded()
            trying.record.complete = True
            if attempts.traced:
                trying.record.read((answer,))
        finally:
            attempts.waited += trying.end()
        if attempt.kept:
            await self._keep(attempt, owner)
        return answer

    async def _open_stream(
        self, trying: _Try, attempts: Attempts, seconds: float | None
    ) -> ChunkStream:
        """Waits for the first chunk: a failure before it can still be answered otherwise."""
        rest = self._stream(trying)
        try:
            if seconds is None:
                first = await anext(rest, None)
            else:
                async with asyncio.timeout(seconds):
                    first = await anext(rest, None)
        except TimeoutError as error:
            raise trying.failed(error) from None
        finally:
            attempts.waited += trying.health.seconds()
        if first is None:
            name = trying.configured.name
            raise trying.failed(
                bad_answer(f"The provider '{name}' ended its stream before it began.")
            )
        trying.succeeded()
        trying.record.first_chunk = time.monotonic()
        return ChunkStream(first, rest)

    async def _stream(self, trying: _Try) -> AsyncGenerator[Sequence[Body], None]:
        try:
            async with aclosing(trying.provider.stream(trying.call, trying.client)) as chunks:
                async for batch in chunks:
                    if trying.call.kept:  # before the client sees the call: it may answer at once
                        await self._keep(trying.call, trying.owner)
                    if trying.traced:
                        trying.record.read(batch)
                    yield batch
            trying.record.complete = True
        except FAULTS as error:  # a plugin's fault stays the plugin's
            raise trying.failed(error) from None
        finally:
            trying.end()

    async def _recall(self, owner: Owner, call: Call) -> dict[str, Any]:
        return await self._memory.recall(owner, tool_call_ids(call.body))

    async def _keep(self, attempt: Call, owner: Owner) -> None:
        await self._memory.keep(owner, attempt.kept)
        attempt.kept.clear()


@dataclass(slots=True)
class _Failures:
    """What became of targets that failed: what is told of the last, and which are worth a retry."""

    last: ProviderError = field(
        default_factory=lambda: ProviderError(504, "No provider answered in time.", code="timeout")
    )
    again: list[Target] = field(default_factory=list)
    retry_after: float | None = None

    def add(self, target: Target, error: ProviderError) -> None:
        self.last = error
        if error.again:
            seconds = error.retry_after or 0.0
            self.retry_after = seconds if not self.again else min(seconds, self.retry_after or 0.0)
            self.again.append(target)


def _record(configured: ConfiguredProvider, provider: Provider, target: Target) -> AttemptRecord:
    otel_provider_name = provider.otel_provider_name or configured.common.type
    return AttemptRecord(target.provider, otel_provider_name, printable_name(target.model))


async def _discard(answer: Body | ChunkStream | None) -> None:
    """Hangs up on a stream that nobody will read."""
    if isinstance(answer, ChunkStream):
        await answer.rest.aclose()


@dataclass(slots=True)
class _Try:
    """One attempt; `number` counts those of its call from 1."""

    configured: ConfiguredProvider
    provider: Provider
    client: HTTPClient
    call: Call
    owner: Owner
    health: Attempt
    record: AttemptRecord
    number: int
    traced: bool = False

    def trace(self) -> None:
        """Has it noted what is asked and answered, too."""
        self.traced = True
        self.client = RecordingClient(self.client, self.record)

    def succeeded(self) -> None:
        """Notes that an answer has begun."""
        self.record.answered = True
        self.health.succeeded()

    def end(self) -> float:
        """Ends the attempt; returns the seconds that it took until its answer began."""
        self.record.end()
        return self.health.end()

    def failed(self, error: BaseException) -> ApiError:
        """Notes a failure; returns what the client is told of it."""
        told = self._failed(error)
        self.record.fail(told.status, told.code)
        return told

    def _failed(self, error: BaseException) -> ApiError:
        if isinstance(error, TimeoutError):
            name = self.configured.name
            error = ProviderError(
                504, f"The provider '{name}' did not answer in time.", code="timeout"
            )
        if not isinstance(error, ApiError):
            self.health.failed()
            return self._for_client(error)
        if not isinstance(error, ProviderError) or not error.retryable:
            return self._for_client(error)  # it is the request that is at fault
        again = error.status in _AGAIN and error.code not in _LASTING
        retry_after = seconds_of(error.headers.get("Retry-After"))
        if error.status == _LIMITED:
            self.health.limited(retry_after)
        else:
            self.health.failed()
        told = self._for_client(error)
        if isinstance(told, ProviderError):
            told.again, told.retry_after = again, retry_after
        return told

    def _for_client(self, error: BaseException) -> ApiError:
        """What the client is told of a provider's failure; nothing in it is a secret."""
        configured = self.configured
        message = f"The provider '{configured.name}' failed."
        if not isinstance(error, ApiError):
            # The message may hold a part of the prompt, so only the place is logged.
            frames = "".join(traceback.format_tb(error.__traceback__)[-3:])
            logger.error("{} raised {} {}\n{}", *self._named(type(error).__name__), frames)
            return ProviderError(502, message, code="provider_fault")
        error.message = _clean(error.message, configured) or message
        error.type = _clean(error.type, configured) or "api_error"
        error.param = _clean(error.param, configured)
        error.code = _clean(error.code, configured)
        if not isinstance(error, ProviderError):
            return error  # the plugin refused the client's request
        code = f", {error.code}" if error.code else ""
        logger.warning("{} failed with status {} {}", *self._named(f"{error.status}{code}"))
        if error.status in (401, 403):
            # The client's own key is right, so it must not be told that it is wrong; and a vendor's
            # words on a bad key tend to quote it.
            message = f"The provider '{configured.name}' refused the router's credentials."
            return ProviderError(502, message, code="provider_refused_credentials")
        if error.retryable and error.status in _BUSY and error.code != "insufficient_quota":
            error.headers.setdefault("Retry-After", "1")
        error.status = _status(error.status)
        return error

    def _named(self, what: str) -> tuple[str, str, str]:
        """For the log: the target, what became of it, and when that was."""
        title = Target(self.configured.name, self.call.model).title
        return title, what, f"(attempt {self.number}) in request {self.call.id}"


def _clean(text: object, configured: ConfiguredProvider) -> str | None:
    """A vendor's words as they may go on: one line that any log and database takes, no secret."""
    if not isinstance(text, str):
        return None
    for secret in configured.secrets:
        text = text.replace(secret, "***")
    return "".join(c if c.isprintable() else " " for c in text[:MAX_WORDS])


def _status(status: int) -> int:
    if status in _STATUSES:
        return _STATUSES[status]
    return status if 400 <= status < 500 else 502
