"""Sends a call to its targets: one after the other, and those that may do better once more.

A staircase, one concern a step: `send` goes round the targets with pauses between the rounds,
`_go_round` goes through them once, `_attempt` makes one attempt. Once a stream's first content is
here nothing is tried again, for the client is about to see it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tornado_router.calls.attempt import Attempt
from tornado_router.calls.attempts import Attempts
from tornado_router.calls.tool_state import ToolState
from tornado_router.calls.vendor_errors import Cause, judge
from tornado_router.calls.vendor_limits import VendorLimits
from tornado_router.config.options import RoutingOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.endpoints.bridges import bridged
from tornado_router.error_codes import Failure, Invalid
from tornado_router.errors import ApiError
from tornado_router.plugins.registry import FAULTS, ConfiguredProvider
from tornado_router.provider import Body, Call, HTTPClient, Unsupported
from tornado_router.routing.health import Health
from tornado_router.routing.hedging import race
from tornado_router.routing.retries import Retries
from tornado_router.routing.routes import Target

MOST_LEARNT = 4
"""Refusals of one call that are learnt from: a vendor might name a lower bound each time."""


class Dispatcher:
    """Sends calls to providers.

    Args:
        providers: every configured provider, by name.
        clients: the connections of those that are on, by name.
        memory: keeps what providers need back on the next turn.
        health: of the targets.
        options: how failures are met.
        chat_by: the endpoint by which a target takes chat completions; empty for their own.
    """

    def __init__(
        self,
        providers: Mapping[str, ConfiguredProvider],
        clients: Mapping[str, HTTPClient],
        memory: ToolState,
        health: Health,
        options: RoutingOptions,
        *,
        chat_by: Callable[[Target], str] = lambda _: "",
    ) -> None:
        self._providers = providers
        self._clients = clients
        self._memory = memory
        self._health = health
        self._limits = VendorLimits()
        self._retries = Retries(options)
        self._chat_by = chat_by
        self._deadline_seconds = options.deadline_seconds

    async def send(
        self,
        call: Call,
        targets: Sequence[Target],
        attempts: Attempts,
        hedge_seconds: float | None = None,
    ) -> Attempt:
        """Has a call served by the first target that can.

        Args:
            call: what the client asked for.
            targets: what to try, in order; at least one.
            attempts: holds each attempt from when it begins.
            hedge_seconds: how long the first target may take before another is asked, too; None
                for as long as it takes.

        Returns:
            The attempt that succeeded. If it is a stream, it has to be closed.

        Raises:
            ApiError: every target failed, or one refused what any other would refuse too.
        """
        self._retries.deposit()
        deadline = attempts.started + self._deadline_seconds
        try:
            for made in count():
                # The very first attempt of a call has its provider's time-outs alone.
                errand = _Errand(call, attempts, deadline, bounded=made > 0)
                well = self._health.well(targets) if len(targets) > 1 else targets
                if hedge_seconds is None or len(well) == 1:
                    served = await self._go_round(errand, well)
                else:
                    served = await self._race(errand, well, hedge_seconds)
                if served is not None:
                    attempts.lead(served)
                    return served
                targets = await self._pause(errand, made)
        except ApiError as error:
            for attempt in attempts.made:
                if attempt.error is error:
                    attempts.lead(attempt)
            raise
        raise AssertionError("unreachable")

    async def ask(self, call: Call, provider: str) -> Body:
        """Has one provider serve a call, once; nothing is reserved for it, and nothing recorded.

        Raises:
            ApiError: 404, the provider is not there, or cannot; or as it failed.
        """
        configured = self._providers.get(provider)
        if configured is None or configured.provider is None:
            raise Invalid.provider_is_gone(provider=provider)
        if call.endpoint not in configured.provider.endpoints:
            raise Invalid.provider_is_gone(provider=provider)
        try:
            return await configured.provider.send(call, self._clients[provider])
        except FAULTS as error:
            raise judge(error, configured).error from None

    async def _pause(self, errand: _Errand, made: int) -> Sequence[Target]:
        """Pauses before another round; returns the targets that are worth it.

        Raises:
            ApiError: there is none; the most useful error of all attempts.
        """
        failures, pause = errand.failures, None
        if failures.again:
            left = errand.deadline - time.monotonic()
            pause = self._retries.pause(made, failures.retry_after, left)
        if pause is None:
            raise errand.attempts.most_useful if failures.any else Failure.deadline_passed()
        errand.attempts.waited += pause
        await asyncio.sleep(pause)
        return failures.again

    async def _go_round(self, errand: _Errand, targets: Sequence[Target]) -> Attempt | None:
        """Tries each target once, until one serves the call; None if none does.

        Raises:
            ApiError: one refused what any other would refuse too.
        """
        left = deque(targets)
        while left:
            target = left.popleft()
            seconds = errand.deadline - time.monotonic() if errand.bounded else None
            if seconds is not None and seconds <= 0:
                break
            errand.bounded = True
            attempt = await self._attempt(errand.call, target, errand.attempts)
            try:
                await attempt.send(seconds)
            except ApiError as error:
                bounds = errand.attempts.bounds
                if bounds and bounds.lift(target, error):
                    attempt.was_lifted = True  # the fault was the router's own
                    left.appendleft(target)
                elif _may_learn(errand.attempts) and self._limits.learn(
                    attempt.call, errand.attempts.user_id, target, error
                ):
                    attempt.was_lifted = True
                    left.appendleft(target)
                elif not errand.failures.add(attempt):
                    raise
            else:
                return attempt
            finally:
                errand.attempts.waited += attempt.seconds
        return None

    async def _race(
        self, errand: _Errand, targets: Sequence[Target], hedge_seconds: float
    ) -> Attempt | None:
        """Tries the first target, and the others too if it takes longer than most.

        Raises:
            ApiError: one refused what any other would refuse too.
        """
        # `made` is the same for both sides, `waited` is their own.
        first = replace(errand, attempts=replace(errand.attempts))
        second = replace(first, attempts=replace(errand.attempts), bounded=True)
        began = time.monotonic()
        try:
            return await race(
                lambda: self._go_round(first, targets[:1]),
                lambda: self._go_round(second, targets[1:]),
                hedge_seconds,
                self._retries.take,
                Attempt.aclose,
            )
        finally:
            errand.attempts.waited += time.monotonic() - began
            if errand.attempts.made:
                errand.attempts.lead(errand.attempts.made[-1])

    async def _attempt(self, call: Call, target: Target, attempts: Attempts) -> Attempt:
        """The attempt to have a target serve a call, begun but not sent."""
        configured = self._providers[target.provider]
        provider = configured.provider
        assert provider is not None, "routing plans no target that is off"
        unsupported: Unsupported = configured.common.unsupported  # type: ignore[assignment]
        endpoint = ENDPOINTS[call.endpoint]
        n = call.body.get("n")  # of another endpoint's form, it may be a text
        choices = int(n) if n and unsupported == "adapt" and not isinstance(n, str) else 1
        server = bridged(provider, call.endpoint, self._chat_by(target), choices)
        owner = (attempts.user_id, target.provider)
        memory: dict[str, Any] = {}
        if server.remembers:
            memory = await self._memory.recall(owner, endpoint.tool_call_ids(call))
        call = endpoint.unmarked(call, target.provider)
        if attempts.bounds:
            call = attempts.bounds.apply(call, target)
        call, changed = self._limits.apply(call, attempts.user_id, target)
        its_call = Call(
            call.id,
            call.endpoint,
            target.model,
            call.body,
            call.raw,
            call.stream,
            unsupported,
            memory,
            [*call.dropped, *changed],
            files=call.files,
            parts=call.parts,
            headers=call.headers,
            takes_cache_marks=provider.takes_cache_marks(target.model),
            previous=call.previous,
        )
        attempt = Attempt(
            configured,
            self._clients[target.provider],
            its_call,
            target,
            self._health.begin(target),
            server=server,
            memory=self._memory,
            owner=owner,
            number=len(attempts.made) + 1,
            traced=attempts.traced,
        )
        attempts.made.append(attempt)
        attempts.lead(attempt)
        return attempt


@dataclass(slots=True)
class _Failures:
    """The failures of one round.

    Attributes:
        any: whether there are some.
        again: the targets that are worth a retry.
        retry_after: the least of the seconds that they asked for.
    """

    any: bool = False
    again: list[Target] = field(default_factory=list)
    retry_after: float | None = None

    def add(self, attempt: Attempt) -> bool:
        """Adds a failed attempt; False if any other target would fail, too."""
        verdict = attempt.verdict
        if verdict is None or verdict.cause is Cause.REQUEST:
            return False
        self.any = True
        if verdict.again:
            seconds = verdict.retry_after or 0.0
            self.retry_after = seconds if not self.again else min(seconds, self.retry_after or 0.0)
            self.again.append(attempt.target)
        return True


@dataclass(slots=True)
class _Errand:
    """A round of the targets of a call, or one side of a race.

    Attributes:
        call: what the client asked for.
        attempts: holds those that are made.
        deadline: by `time.monotonic()`.
        bounded: whether the next attempt ends with the deadline, as all but the first do.
        failures: collects those of the round.
    """

    call: Call
    attempts: Attempts
    deadline: float
    bounded: bool
    failures: _Failures = field(default_factory=_Failures)


def _may_learn(attempts: Attempts) -> bool:
    return sum(attempt.was_lifted for attempt in attempts.made) < MOST_LEARNT
