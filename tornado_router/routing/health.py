"""Which targets are well: how they responded lately, how fast, and how many calls they have now.

A target that fails too often is left out for a while, then one call tries whether it is well
again: https://martinfowler.com/bliki/CircuitBreaker.html.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

from loguru import logger

from tornado_router.background.supervisor import report
from tornado_router.config.options import RoutingOptions
from tornado_router.routing.routes import KNOWN_TARGETS, Target

WINDOW = 20
"""Attempts that are remembered of each target."""

_ALL = (1 << WINDOW) - 1

LONGEST_SECONDS = 300.0

MOST_DOUBLED = 64
"""How often the time is doubled that a target is left out: any is the longest by then."""

LIMITED_SECONDS = 1.0
"""How long a target is left out that has no room and gives no time."""

WEIGHT = 0.2
"""Of the newest response, in the average of how fast a target is."""

STALE_SECONDS = 60.0
"""After so long without a response, it is not known how fast a target is."""

OnOpen = Callable[[Target, float], None]
"""Called with a target that is left out from now on, and for how many seconds."""


class TargetHealth(NamedTuple):
    """How a target is.

    Attributes:
        target: the provider and its model.
        state: `closed`, calls go there; `open`, none do; `half-open`, one tries it.
        failures: among the last attempts.
        seconds: until it is tried again, or 0.
        in_flight: calls that it has now.
        first_byte: seconds until a response begins, on the average of the last; None if unknown.
    """

    target: Target
    state: str
    failures: int
    seconds: float
    in_flight: int
    first_byte: float | None


class _State:
    __slots__ = (
        "history",
        "in_flight",
        "latency",
        "measured",
        "open_until",
        "openings",
        "probing",
    )

    def __init__(self) -> None:
        self.history = 0
        """A bit for each of the last attempts, the newest lowest: whether it was a failure."""
        self.open_until = 0.0
        self.openings = 0
        self.probing = False
        self.in_flight = 0
        self.latency = 0.0
        self.measured = float("-inf")


class Health:
    """Watches every target that was ever tried.

    Args:
        options: when a target is left out, and for how long.
        clock: seconds, of a clock that never goes back.

    Attributes:
        on_open: called for each that is left out, unless it is None.
    """

    def __init__(
        self,
        options: RoutingOptions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.configure(options)
        self._clock = clock
        self.on_open: OnOpen | None = None
        self._states: dict[Target, _State] = {}

    def configure(self, options: RoutingOptions) -> None:
        """Uses other options from now on."""
        self._failures = options.breaker_failures
        self._seconds = options.breaker_seconds
        self._slow = options.slow_seconds

    def forget(self, providers: Collection[str]) -> None:
        """Forgets the targets of some providers, which are gone or have changed."""
        self._states = {
            target: state
            for target, state in self._states.items()
            if target.provider not in providers
        }

    def well(self, targets: Sequence[Target]) -> Sequence[Target]:
        """Those that calls may go to now, in the same order; all of them if none is well."""
        if not self._states:
            return targets
        now = self._clock()
        well = [target for target in targets if self._is_well(target, now)]
        return well or targets

    def begin(self, target: Target) -> Observation:
        """Begins to watch an attempt; it has to be ended, whatever comes of it."""
        state = self._state(target)
        state.in_flight += 1
        probes = state.open_until > 0
        if probes:
            state.probing = True
        return Observation(self, target, state, probes=probes)

    def in_flight(self, target: Target) -> int:
        """The calls that a target has now."""
        state = self._states.get(target)
        return state.in_flight if state else 0

    def first_byte(self, target: Target) -> float | None:
        """Seconds until a target's responses begin, on the average; None if unknown."""
        state = self._states.get(target)
        if state is None or self._clock() > state.measured + STALE_SECONDS:
            return None
        return state.latency

    def leave_out(self, target: Target, seconds: float) -> None:
        """Leaves a target out as another router found it to fail."""
        state = self._state(target)
        state.open_until = max(state.open_until, self._clock() + min(seconds, LONGEST_SECONDS))
        state.openings = max(state.openings, 1)

    def targets(self) -> Iterator[TargetHealth]:
        """Every target that was tried."""
        now = self._clock()
        for target, state in self._states.items():
            if not state.open_until:
                name = "closed"
            elif now < state.open_until:
                name = "open"
            else:
                name = "half-open"
            yield TargetHealth(
                target,
                name,
                state.history.bit_count(),
                max(0.0, state.open_until - now) if state.open_until else 0.0,
                state.in_flight,
                self.first_byte(target),
            )

    def _is_well(self, target: Target, now: float) -> bool:
        state = self._states.get(target)
        if state is None or not state.open_until:
            return True
        return now >= state.open_until and not state.probing

    def _succeeded(self, target: Target, state: _State, seconds: float, *, probed: bool) -> None:
        if probed:
            if state.open_until:
                logger.info("the target {} is well again", target.title)
            state.open_until = 0.0
            state.openings = 0
            state.history = 0
        elif state.history:
            state.history = (state.history << 1) & _ALL
        now = self._clock()
        if now > state.measured + STALE_SECONDS:
            state.latency = seconds
        else:
            state.latency += (seconds - state.latency) * WEIGHT
        state.measured = now

    def _failed(self, target: Target, state: _State, *, probed: bool) -> None:
        state.history = (state.history << 1 | 1) & _ALL
        if state.open_until:
            if not probed:
                return  # it began before
        elif state.history.bit_count() < self._failures:
            return
        seconds = min(self._seconds * 2.0 ** min(state.openings, MOST_DOUBLED), LONGEST_SECONDS)
        state.openings += 1
        self._open(target, state, seconds)

    def _open(self, target: Target, state: _State, seconds: float) -> None:
        until = self._clock() + min(seconds, LONGEST_SECONDS)
        if until <= state.open_until:
            return
        if not state.open_until:
            logger.warning("the target {} is skipped for {:.1f} s", target.title, seconds)
        state.open_until = until
        if self.on_open:
            self.on_open(target, seconds)

    def _state(self, target: Target) -> _State:
        state = self._states.get(target)
        if state is None:
            if len(self._states) >= KNOWN_TARGETS:
                self._forget()
            state = self._states[target] = _State()
        return state

    def _forget(self) -> None:
        """Forgets those that are idle and not left out; if most are, the oldest of them, too."""
        now = self._clock()
        states = self._states
        kept = [it for it, state in states.items() if state.in_flight or state.open_until > now]
        if len(kept) > KNOWN_TARGETS * 3 / 4:
            half = len(kept) // 2
            kept = [it for it in kept[:half] if states[it].in_flight] + kept[half:]
        self._states = {target: states[target] for target in kept}


class Observation:
    """What the breaker sees of one attempt. It begins when it is made.

    Whatever goes wrong in here is reported, and never decides a call: its next target is tried all
    the same.
    """

    __slots__ = (
        "_decided",
        "_ended",
        "_failed",
        "_health",
        "_probes",
        "_started",
        "_state",
        "_target",
    )

    def __init__(self, health: Health, target: Target, state: _State, *, probes: bool) -> None:
        self._health = health
        self._target = target
        self._state = state
        self._probes = probes
        self._started = health._clock()
        self._decided = False
        self._failed = False
        self._ended = False

    def succeeded(self) -> None:
        """A response has begun."""
        health = self._health
        seconds = health._clock() - self._started
        if health._slow and seconds > health._slow:
            self.failed()
            return
        self._note(health._succeeded, seconds, probed=self._probes)
        self._decide()

    def failed(self) -> None:
        """There was no response, or it broke off. However often, it is one failure."""
        if not self._failed:
            self._failed = True
            self._note(self._health._failed, probed=self._probes)
        self._decide()

    def limited(self, seconds: float | None) -> None:
        """The target is well but has no room, for so many seconds if that is known."""
        self._note(self._health._open, seconds or LIMITED_SECONDS)
        self._decide()

    def end(self) -> float:
        """The call does not need the target any more; returns the seconds that it did.

        If no response had begun by then, it may have been too slow: the call was cut off, as its
        client or the router did not want to wait.
        """
        seconds = self.seconds()
        if not self._ended:
            self._ended = True
            self._state.in_flight -= 1
            slow = self._health._slow
            if not self._decided:
                if slow and seconds > slow:
                    self.failed()
                self._decide()
        return seconds

    def seconds(self) -> float:
        """Seconds since it began."""
        return self._health._clock() - self._started

    def _note(self, note: Callable[..., None], *what: float, **how: bool) -> None:
        try:
            note(self._target, self._state, *what, **how)
        except Exception as error:  # noqa: BLE001 - reported
            report("health of targets", error)

    def _decide(self) -> None:
        """If it was the one call that tried whether the target is well, another may follow."""
        self._decided = True
        if self._probes:
            self._probes = False
            self._state.probing = False
