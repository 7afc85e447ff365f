"""Limits of one process, in its memory: a step is atomic because nothing in it awaits."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tornado_router.limits.kinds import KINDS, MINUTE, Rates
from tornado_router.limits.limiter import SHARE, Demand, Lease, LimitReachedError, Purse
from tornado_router.limits.verdict import Funds, levels, refusal

FEWEST_SWEPT = 1000
"""So many holders and purses are kept before the first sweep."""

IDLE = 60 * MINUTE
"""A purse that nothing was charged to for so long is read anew: by then the database has the sum,
and has left out what the balance did not cover. No account from before the charge is believed for
longer while the database is away."""


_RUNNING = [index for index, kind in enumerate(KINDS) if not kind.period]
"""The kinds that count calls while they run; the others are token buckets."""


class Holder:
    """What is counted for a key or a user: lists with an item for each of `KINDS`.

    Buckets count in whole numbers, so that nothing is ever rounded in a caller's favour.

    Attributes:
        levels: of a bucket, what was taken and has not flowed back, in units times the period: it
            sinks by the limit in each microsecond. Else how many calls run, be they limited or
            not: they may be at any time.
        times: when the level of a bucket was true, in microseconds.
        limits: what has been flowing back in a period since then.
    """

    __slots__ = ("levels", "limits", "times")

    def __init__(self) -> None:
        self.levels = [0] * len(KINDS)
        self.times = [0] * len(KINDS)
        self.limits = [0] * len(KINDS)

    def take(self, rates: Rates, tokens: int, now: int) -> bool:
        """Counts one more call of so many tokens; returns whether it fits.

        If it does not, it has to be given back.
        """
        fits = True
        levels, times, limits = self.levels, self.times, self.limits
        for index, limit, period, by_tokens in rates.bounds:
            level = levels[index]
            if period:
                level -= (now - times[index]) * limits[index]  # which may have been another
                level = level if level > 0 else 0
                level += tokens * period if by_tokens else period
                levels[index] = level
                times[index] = now
                limits[index] = limit
                if level > limit * period:
                    fits = False
            elif level >= limit:
                fits = False
        for index in _RUNNING:
            levels[index] += 1
        return fits

    def give_back(self, rates: Rates, tokens: int) -> None:
        """Counts a call no more that was taken just now."""
        levels = self.levels
        for index, _, period, by_tokens in rates.bounds:
            levels[index] -= tokens * period if by_tokens else period
        for index in _RUNNING:
            levels[index] -= 1

    def end(self, rates: Rates, more: int, now: int) -> None:
        """Counts a call that is over, and took so many more tokens than were taken for it."""
        levels = self.levels
        for index in _RUNNING:
            levels[index] -= 1
        for index, period in rates.token_buckets:
            # A debt is due from now on: what flowed back before has no part in it.
            level = levels[index] - (now - self.times[index]) * self.limits[index]
            level = (level if level > 0 else 0) + more * period
            levels[index] = level if level > 0 else 0
            self.times[index] = now

    def is_idle(self, now: int) -> bool:
        """Whether it is as good as new."""
        return all(
            level <= (now - time) * limit
            for level, time, limit in zip(self.levels, self.times, self.limits, strict=True)
        )


@dataclass(slots=True)
class Account:
    """What is counted of a purse, in billionths of a US dollar, and when `spent` last grew."""

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
        fits, cost, tokens = True, demand.cost, demand.tokens
        counts = []
        for rates in demand.rates:
            holder = self._holders.get(rates.holder)
            if holder is None:
                holder = self._holders[rates.holder] = Holder()
            fits = holder.take(rates, tokens, now) and fits
            counts.append(holder.levels)
        accounts = self._accounts
        for purse in demand.purses:
            account = accounts.get(purse.id)
            if account is None or purse.spent > account.spent:
                account = self._account(purse, now)
            if not account.reserved and now >= account.time + IDLE:
                account.spent = purse.spent
            account.reserved += cost
            # What costs nothing is not held up by an empty purse.
            if cost and account.spent + account.reserved > purse.allowance:
                fits = False
        if not fits:
            self._give_back(demand)
            raise self._refusal(demand)
        if demand.most > cost:
            cost += self._share(demand)
        return Lease(demand, cost, levels(demand.rates, counts))

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
        now, demand = self._clock(), lease.demand
        more = tokens - demand.tokens
        for rates in demand.rates:
            self._holders[rates.holder].end(rates, more, now)
        for purse in demand.purses:
            account = self._accounts.get(purse.id)
            if account is None or purse.spent > account.spent:
                account = self._account(purse, now)
            account.reserved -= lease.cost
            if cost:
                account.spent += cost
                account.time = now

    async def close(self) -> None:
        """See `Limiter.close`."""

    def _share(self, demand: Demand) -> int:
        """Reserves a share of what is left for a call that was admitted; returns what it got."""
        more = demand.most - demand.cost
        accounts = [self._accounts[purse.id] for purse in demand.purses]
        for purse, account in zip(demand.purses, accounts, strict=True):
            more = min(more, (purse.allowance - account.spent - account.reserved) // SHARE)
        more = max(more, 0)
        for account in accounts:
            account.reserved += more
        return more

    def _account(self, purse: Purse, now: int) -> Account:
        account = self._accounts.get(purse.id)
        if account is None:
            account = self._accounts[purse.id] = Account(purse.spent, time=now)
        elif purse.spent > account.spent:
            account.spent, account.time = purse.spent, now
        return account

    def _give_back(self, demand: Demand) -> None:
        for rates in demand.rates:
            self._holders[rates.holder].give_back(rates, demand.tokens)
        for purse in demand.purses:
            self._accounts[purse.id].reserved -= demand.cost

    def _refusal(self, demand: Demand) -> LimitReachedError:
        accounts = [self._accounts[purse.id] for purse in demand.purses]
        funds = [Funds(account.spent, account.reserved) for account in accounts]
        counts = [self._holders[rates.holder].levels for rates in demand.rates]
        return refusal(demand, counts, funds)

    def _sweep(self, now: int) -> None:
        """Drops holders and purses without use: a flood of sign-ins makes up new names."""
        self._holders = {
            name: holder for name, holder in self._holders.items() if not holder.is_idle(now)
        }
        self._accounts = {
            id_: account
            for id_, account in self._accounts.items()
            if account.reserved or now < account.time + IDLE
        }
        self._sweep_at = max(FEWEST_SWEPT, 2 * (len(self._holders) + len(self._accounts)))
