"""Limits of one process, in its memory: a step is atomic because nothing in it awaits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from tornado_router.limits import (
    MINUTE,
    Demand,
    Kind,
    Lease,
    Level,
    LimitReachedError,
    Purse,
    Rates,
)

BUSY_SECONDS = 1.0
"""When to come back for what running calls hold: nobody knows when they end."""

FEWEST_SWEPT = 1000
"""Holders that are kept before anybody looks whether they still count."""


class Bucket:
    """A token bucket in whole numbers, so that nothing is ever rounded in anybody's favour.

    Attributes:
        level: what was taken and has not flowed back, in units times `MINUTE`: it sinks by the
            limit in each microsecond.
        time: when that was true, in microseconds.
        limit: what flowed back by then in a minute.
    """

    __slots__ = ("level", "limit", "time")

    def __init__(self) -> None:
        self.level = self.time = self.limit = 0

    def drain(self, limit: int, now: int) -> int:
        """Lets flow back what is due by now; returns the level."""
        level = self.level - (now - self.time) * limit
        self.level = level = max(level, 0)
        self.time = now
        self.limit = limit
        return level

    def is_empty(self, now: int) -> bool:
        """Whether it will be as good as new by now."""
        return self.level <= (now - self.time) * self.limit


class Holder:
    """What is counted for a key or a user."""

    __slots__ = ("in_flight", "requests", "tokens")

    def __init__(self) -> None:
        self.requests = Bucket()
        self.tokens = Bucket()
        self.in_flight = 0

    def is_idle(self, now: int) -> bool:
        """Whether it is as good as new."""
        return not self.in_flight and self.requests.is_empty(now) and self.tokens.is_empty(now)


@dataclass(slots=True)
class Account:
    """What is counted of a purse, in billionths of a US dollar."""

    spent: int
    reserved: int = 0


class MemoryLimiter:
    """Holds limits in the memory of this process.

    Args:
        clock: microseconds, of a clock that never goes back.
    """

    def __init__(self, clock: Callable[[], int] = lambda: time.monotonic_ns() // 1000) -> None:
        self._clock = clock
        self._holders: dict[str, Holder] = {}
        self._accounts: dict[str, Account] = {}
        self._sweep_at = FEWEST_SWEPT

    async def admit(self, demand: Demand) -> Lease:
        """See `Limiter.admit`."""
        now = self._clock()
        if len(self._holders) >= self._sweep_at:
            self._sweep(now)
        refusals: list[LimitReachedError] = []
        for rates in demand.rates:
            self._check_rates(rates, demand.tokens, now, refusals)
        for purse in demand.purses:
            self._check_purse(purse, demand.cost, refusals)
        if refusals:
            raise self._worst(refusals, demand.rates)
        tokens, cost = demand.tokens * MINUTE, demand.cost
        for rates in demand.rates:
            holder = self._holders[rates.holder]
            holder.in_flight += 1
            if rates.requests is not None:
                holder.requests.level += MINUTE
            if rates.tokens is not None:
                holder.tokens.level += tokens
        for purse in demand.purses:
            self._accounts[purse.id].reserved += cost
        return Lease(demand, cost, *self._levels(demand.rates))

    async def extend(self, lease: Lease, cost: int) -> int:
        """See `Limiter.extend`."""
        accounts = [(purse, self._accounts[purse.id]) for purse in lease.demand.purses]
        for purse, account in accounts:
            cost = min(cost, purse.allowance - account.spent - account.reserved)
        cost = max(cost, 0)
        for _, account in accounts:
            account.reserved += cost
        lease.cost += cost
        return cost

    def settle(self, lease: Lease, tokens: int, cost: int) -> None:
        """See `Limiter.settle`."""
        more = (tokens - lease.demand.tokens) * MINUTE
        for rates in lease.demand.rates:
            holder = self._holders[rates.holder]
            holder.in_flight -= 1
            if rates.tokens is not None:
                holder.tokens.level += more  # below 0, it is 0 as soon as somebody looks
        for purse in lease.demand.purses:
            account = self._accounts[purse.id]
            account.reserved -= lease.cost
            account.spent += cost

    async def close(self) -> None:
        """See `Limiter.close`."""

    def _check_rates(
        self, rates: Rates, tokens: int, now: int, refusals: list[LimitReachedError]
    ) -> None:
        holder = self._holders.get(rates.holder)
        if holder is None:
            holder = self._holders[rates.holder] = Holder()
        limit = rates.requests
        if limit is not None:
            level = holder.requests.drain(limit, now)
            if level + MINUTE > limit * MINUTE:
                refusals.append(_full("requests", rates.holder, limit, level, 1))
        limit = rates.tokens
        if limit is not None:
            level = holder.tokens.drain(limit, now)
            if level + tokens * MINUTE > limit * MINUTE:
                refusals.append(_full("tokens", rates.holder, limit, level, tokens))
        limit = rates.in_flight
        if limit is not None and holder.in_flight >= limit:
            refusals.append(
                LimitReachedError(
                    "in_flight",
                    rates.holder,
                    limit=limit,
                    used=holder.in_flight,
                    requested=1,
                    retry_after=BUSY_SECONDS if limit else None,
                )
            )

    def _check_purse(self, purse: Purse, cost: int, refusals: list[LimitReachedError]) -> None:
        account = self._accounts.get(purse.id)
        if account is None:
            account = self._accounts[purse.id] = Account(purse.spent)
        elif purse.spent > account.spent:
            account.spent = purse.spent
        used = account.spent + account.reserved
        # What costs nothing is not held up by an empty purse.
        if cost and used + cost > purse.allowance:
            refusals.append(
                LimitReachedError(
                    "money",
                    purse.id,
                    limit=purse.allowance,
                    used=used,
                    requested=cost,
                    retry_after=BUSY_SECONDS if account.spent + cost <= purse.allowance else None,
                )
            )

    def _worst(
        self, refusals: list[LimitReachedError], holders: tuple[Rates, ...]
    ) -> LimitReachedError:
        """The refusal that holds the longest, with how full the buckets are."""
        worst = max(
            refusals, key=lambda one: math.inf if one.retry_after is None else one.retry_after
        )
        worst.requests, worst.tokens = self._levels(holders)
        return worst

    def _levels(self, holders: tuple[Rates, ...]) -> tuple[Level | None, Level | None]:
        """The fullest-drawn buckets of requests and of tokens, just drained."""
        requests = tokens = None
        for rates in holders:
            holder = self._holders[rates.holder]
            if rates.requests is not None:
                requests = _tightest(requests, rates.requests, holder.requests.level)
            if rates.tokens is not None:
                tokens = _tightest(tokens, rates.tokens, holder.tokens.level)
        return requests, tokens

    def _sweep(self, now: int) -> None:
        """Forgets whoever is as good as new: a flood of log-ins makes up names without end."""
        self._holders = {
            name: holder for name, holder in self._holders.items() if not holder.is_idle(now)
        }
        self._sweep_at = max(FEWEST_SWEPT, 2 * len(self._holders))


def _full(kind: Kind, name: str, limit: int, level: int, wanted: int) -> LimitReachedError:
    """The refusal of a bucket that has no room for so many units."""
    excess = level + (wanted - limit) * MINUTE
    never = wanted > limit  # not even when it is full
    wait = None if never else math.ceil(excess / limit) / 1e6
    return LimitReachedError(
        kind, name, limit=limit, used=-(-level // MINUTE), requested=wanted, retry_after=wait
    )


def _seconds(refusal: LimitReachedError) -> float:
    return math.inf if refusal.retry_after is None else refusal.retry_after


def _tightest(known: Level | None, limit: int, level: int) -> Level:
    remaining = max(0, limit - -(-level // MINUTE))
    if known is not None and known.remaining <= remaining:
        return known
    return Level(limit, remaining, level / limit / 1e6 if limit else 0.0)
