"""Limits of one process, in its memory: a step is atomic because nothing in it awaits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tornado_router.limits.limiter import MINUTE, Demand, Lease, LimitReachedError, Purse, Rates
from tornado_router.limits.verdict import Counts, Funds, fullest, refusal

FEWEST_SWEPT = 1000
"""Holders and purses that are kept before anybody looks whether they still count."""

IDLE = 60 * MINUTE
"""A purse that nobody used for so long is forgotten: the database knows what was spent by then."""


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
        if level < 0:  # max() takes four times as long  # noqa: PLR1730
            level = 0
        self.level = level
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

    def has_room(self, rates: Rates, tokens: int, now: int) -> bool:
        """Whether one more call of so many tokens fits, once what is due has flowed back."""
        fits = rates.in_flight is None or self.in_flight < rates.in_flight
        limit = rates.requests
        if limit is not None and self.requests.drain(limit, now) + MINUTE > limit * MINUTE:
            fits = False
        limit = rates.tokens
        if limit is not None and self.tokens.drain(limit, now) > (limit - tokens) * MINUTE:
            fits = False
        return fits

    def is_idle(self, now: int) -> bool:
        """Whether it is as good as new."""
        return not self.in_flight and self.requests.is_empty(now) and self.tokens.is_empty(now)


@dataclass(slots=True)
class Account:
    """What is counted of a purse, in billionths of a US dollar, and since when nobody looked."""

    spent: int
    reserved: int = 0
    time: int = 0


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
        if len(self._holders) + len(self._accounts) >= self._sweep_at:
            self._sweep(now)
        fits, cost = True, demand.cost
        holders, accounts = [], []
        for rates in demand.rates:
            holder = self._holders.get(rates.holder)
            if holder is None:
                holder = self._holders[rates.holder] = Holder()
            holders.append(holder)
            if not holder.has_room(rates, demand.tokens, now):
                fits = False
        for purse in demand.purses:
            account = self._account(purse, now)
            accounts.append(account)
            # What costs nothing is not held up by an empty purse.
            if cost and account.spent + account.reserved + cost > purse.allowance:
                fits = False
        if not fits:
            raise self._refusal(demand)
        requests, tokens = [], []
        for rates, holder in zip(demand.rates, holders, strict=True):
            holder.in_flight += 1
            if rates.requests is not None:
                holder.requests.level += MINUTE
                requests.append((rates.requests, holder.requests.level))
            if rates.tokens is not None:
                holder.tokens.level += demand.tokens * MINUTE
                tokens.append((rates.tokens, holder.tokens.level))
        for account in accounts:
            account.reserved += cost
        return Lease(demand, cost, fullest(requests), fullest(tokens))

    async def extend(self, lease: Lease, cost: int) -> int:
        """See `Limiter.extend`."""
        now, purses = self._clock(), lease.demand.purses
        for purse in purses:
            account = self._account(purse, now)
            cost = min(cost, purse.allowance - account.spent - account.reserved)
        cost = max(cost, 0)
        for purse in purses:
            self._accounts[purse.id].reserved += cost
        lease.cost += cost
        return cost

    def settle(self, lease: Lease, tokens: int, cost: int) -> None:
        """See `Limiter.settle`."""
        now = self._clock()
        more = (tokens - lease.demand.tokens) * MINUTE
        for rates in lease.demand.rates:
            holder = self._holders[rates.holder]
            holder.in_flight -= 1
            if rates.tokens is not None:
                # A debt is due from now on: what flowed back before has no part in it.
                bucket = holder.tokens
                bucket.level = max(bucket.drain(bucket.limit, now) + more, 0)
        for purse in lease.demand.purses:
            account = self._account(purse, now)
            account.reserved -= lease.cost
            account.spent += cost

    async def close(self) -> None:
        """See `Limiter.close`."""

    def _account(self, purse: Purse, now: int) -> Account:
        account = self._accounts.get(purse.id)
        if account is None:
            account = self._accounts[purse.id] = Account(purse.spent)
        elif purse.spent > account.spent:
            account.spent = purse.spent
        account.time = now
        return account

    def _refusal(self, demand: Demand) -> LimitReachedError:
        accounts = [self._accounts[purse.id] for purse in demand.purses]
        funds = [Funds(account.spent, account.reserved) for account in accounts]
        holders = [self._holders[rates.holder] for rates in demand.rates]
        counts = [Counts(one.requests.level, one.tokens.level, one.in_flight) for one in holders]
        return refusal(demand, counts, funds)

    def _sweep(self, now: int) -> None:
        """Forgets whoever is as good as new: a flood of log-ins makes up names without end."""
        self._holders = {
            name: holder for name, holder in self._holders.items() if not holder.is_idle(now)
        }
        self._accounts = {
            id_: account
            for id_, account in self._accounts.items()
            if account.reserved or now < account.time + IDLE
        }
        self._sweep_at = max(FEWEST_SWEPT, 2 * (len(self._holders) + len(self._accounts)))
