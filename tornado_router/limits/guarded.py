"""Limits in Redis, and the configured policy for each sort of limit while Redis is away.

Money that is spent then is not counted in Redis. It gets there from the database: each demand
holds the sum that the database has, and the larger figure counts.
"""

from __future__ import annotations

from tornado_router.config.options import LimitsOptions
from tornado_router.limits.kinds import KINDS, Rates
from tornado_router.limits.limiter import Demand, Lease, LimiterAwayError, Purse
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.limits.redis import RedisLimiter
from tornado_router.limits.redis_lease import RedisLease

REFUSE, SHARE = "refuse", "local-share"


class GuardedLimiter:
    """Asks Redis, or while it is away this process alone.

    Args:
        remote: holds the limits of all processes.
        local: holds this process's share of them.
        options: the policy for each sort of limit.
    """

    def __init__(self, remote: RedisLimiter, local: MemoryLimiter, options: LimitsOptions) -> None:
        self._remote = remote
        self._local = local
        self._options = options
        self._extensions: dict[str, Lease] = {}

    async def admit(self, demand: Demand) -> Lease:
        """See `Limiter.admit`."""
        limited = any(rates.bounds for rates in demand.rates)
        if not limited and not demand.purses:
            return Lease(demand._replace(rates=()), demand.cost, local=True)
        try:
            return await self._remote.admit(demand)
        except LimiterAwayError:
            if limited and self._options.rates_without_redis == REFUSE:
                raise
            if demand.purses and self._options.money_without_redis == REFUSE:
                raise
        lease = await self._local.admit(self._share(demand))
        lease.local = True
        return lease

    async def extend(self, lease: Lease, cost: int) -> int:
        """See `Limiter.extend`."""
        if lease.local:
            return await self._local.extend(lease, cost)
        try:
            return await self._remote.extend(lease, cost)
        except LimiterAwayError:
            if self._options.money_without_redis == REFUSE:
                return 0
        # What this process adds to a lease in Redis is a lease of its own, without rates.
        more = self._extensions.get(lease.id)
        if more is None:
            share = self._share(lease.demand._replace(rates=(), cost=0, most=0))
            more = self._extensions[lease.id] = await self._local.admit(share)
        got = await self._local.extend(more, cost)
        assert isinstance(lease, RedisLease), "it is not local"
        lease.added += got
        return got

    def settle(self, lease: Lease, tokens: int, cost: int) -> None:
        """See `Limiter.settle`."""
        if lease.local:
            self._local.settle(lease, tokens, cost)
            return
        more = self._extensions.pop(lease.id, None)
        if more is not None:
            before = max(0, lease.cost - more.cost)
            self._local.settle(more, more.demand.tokens, max(0, cost - before))
        self._remote.settle(lease, tokens, cost)

    async def close(self) -> None:
        """See `Limiter.close`."""
        await self._remote.close()
        await self._local.close()

    def _share(self, demand: Demand) -> Demand:
        """The demand, with the share of each limit that this process may use alone."""
        count = max(self._options.processes, self._remote.processes)
        rates: tuple[Rates, ...] = ()
        if self._options.rates_without_redis == SHARE:
            rates = tuple(_part_of_rates(one, count) for one in demand.rates)
        purses: tuple[Purse, ...] = ()
        if self._options.money_without_redis == SHARE:
            purses = tuple(_part_of_purse(one, count) for one in demand.purses)
        return demand._replace(rates=rates, purses=purses)


def _part_of_rates(rates: Rates, count: int) -> Rates:
    parts = {
        KINDS[index].name: limit and max(1, limit // count) for index, limit, *_ in rates.bounds
    }
    return Rates(rates.holder, **parts)


def _part_of_purse(purse: Purse, count: int) -> Purse:
    left = max(0, purse.allowance - purse.spent)
    return purse._replace(allowance=purse.spent + left // count)
