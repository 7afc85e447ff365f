"""What holds while Redis is away, by policy; and with a real Redis, when it goes and comes."""

import asyncio
from contextlib import contextmanager

import pytest

from tornado_router.config.options import LimitsOptions, RedisOptions
from tornado_router.limits.guarded import GuardedLimiter
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import LimiterAwayError, LimitReachedError, Purse
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.limits.redis import RedisLimiter
from tornado_router.redis.link import RedisLink

from ..servers import own_redis
from .behaviour import Behaviour, demand, refusal

PURSE = Purse("credits:1", 100, 20)


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


def told(port, story, **options):
    """Runs a story of a guarded limiter on a Redis, which may be nowhere."""

    async def run():
        link = RedisLink(RedisOptions(host="127.0.0.1", port=port, timeout=5.0))
        remote = RedisLimiter(link, 30)
        limiter = GuardedLimiter(remote, MemoryLimiter(), LimitsOptions(**options))
        try:
            return await story(limiter)
        finally:
            await limiter.close()
            await link.close()

    return asyncio.run(run())


def away(story, rates="local-share", money="refuse", processes=1):
    return told(1, story, rates_without_redis=rates, money_without_redis=money, processes=processes)


async def refused(limiter, wanted):
    with pytest.raises(LimiterAwayError):
        await limiter.admit(wanted)


class TestGuarded(Behaviour):
    """With Redis there, it is nothing but Redis."""

    @pytest.fixture(autouse=True)
    def _redis(self, redis):
        redis.ask("FLUSHALL")
        self.redis = redis

    def run(self, story):
        return told(self.redis.port, story)


def test_refused_rates():
    async def story(limiter):
        await refused(limiter, demand(Rates("a", requests=5)))
        await refused(limiter, demand(Rates("a", tokens=5)))
        await refused(limiter, demand(Rates("a", in_flight=5)))
        await limiter.admit(demand(purses=[PURSE], cost=5))

    away(story, rates="refuse", money="allow")


def test_refused_money():
    async def story(limiter):
        await refused(limiter, demand(purses=[PURSE], cost=5))
        await refused(limiter, demand(Rates("a", requests=5), purses=[PURSE], cost=5))
        return await limiter.admit(demand(Rates("a", requests=5)))

    assert away(story).local


def test_a_share_of_rates():
    async def story(limiter):
        rates = Rates("a", requests=8, tokens=400, in_flight=4)
        first = await limiter.admit(demand(rates, tokens=10))
        second = await limiter.admit(demand(rates, tokens=10))
        met = await refusal(limiter, demand(rates, tokens=10))
        limiter.settle(first, 10, 0)
        limiter.settle(second, 10, 0)
        return first, met, await refusal(limiter, demand(rates, tokens=201))

    first, in_flight, tokens = away(story, processes=2)
    assert first.local
    assert (first.levels["requests"].limit, first.levels["tokens"].limit) == (4, 200)
    assert (in_flight.kind, in_flight.limit) == ("in_flight", 2)
    assert (tokens.kind, tokens.limit) == ("tokens", 200)


def test_a_share_is_never_nothing_unless_the_whole_is():
    async def story(limiter):
        lease = await limiter.admit(demand(Rates("a", requests=3)))
        refused = await refusal(limiter, demand(Rates("b", requests=0)))
        return lease.levels["requests"].limit, refused.limit

    assert away(story, processes=10) == (1, 0)


def test_a_share_of_what_is_left_of_the_money():
    async def story(limiter):
        lease = await limiter.admit(demand(purses=[PURSE], cost=15))
        got = await limiter.extend(lease, 30)
        met = await refusal(limiter, demand(purses=[PURSE], cost=1))
        limiter.settle(lease, 0, 20)
        # The others spent 30 meanwhile, as the database knows: 30 are left, and 15 are our part.
        later = PURSE._replace(spent=70)
        await limiter.admit(demand(purses=[later], cost=15))
        return got, lease.cost, met.used, (await refusal(limiter, demand(purses=[later], cost=1)))

    got, cost, used, later = away(story, money="local-share", processes=2)
    assert (got, cost, used) == (25, 40, 60)
    assert (later.limit, later.used) == (85, 85)


def test_an_overdrawn_purse_has_no_share():
    async def story(limiter):
        overdrawn = Purse("credits:1", 100, 120)
        return await refusal(limiter, demand(purses=[overdrawn], cost=1))

    assert away(story, money="local-share").limit == 120


def test_what_is_allowed_is_not_held():
    async def story(limiter):
        wanted = demand(Rates("a", 1, 1, 1), purses=[PURSE], tokens=1000, cost=1000)
        leases = [await limiter.admit(wanted) for _ in range(10)]
        assert await limiter.extend(leases[0], 500) == 500
        for lease in leases:
            limiter.settle(lease, 5000, lease.cost)
        return leases

    leases = away(story, rates="allow", money="allow")
    assert all(lease.local and not lease.levels for lease in leases)
    assert leases[0].cost == 1500


def test_whoever_is_not_limited_asks_nobody():
    async def story(limiter):
        lease = await limiter.admit(demand(Rates("a"), cost=5))
        assert await limiter.extend(lease, 5) == 5
        limiter.settle(lease, 7, 10)
        return lease

    assert away(story, rates="refuse", money="refuse").cost == 10


def going(redis, story, **options):
    """Runs a story with what makes Redis go for the rest of it."""

    async def run(limiter):
        limiter._remote._beats.cancel()

        async def go():
            redis.stop()
            async with asyncio.timeout(10):
                while limiter._remote._link.available:  # noqa: ASYNC110 - nothing tells when
                    await asyncio.sleep(0.01)

        return await story(limiter, go)

    redis.ask("FLUSHALL")
    try:
        return told(redis.port, run, **options)
    finally:
        redis.start()


@pytest.mark.parametrize(
    ("money", "got"), [("refuse", [0, 0]), ("local-share", [40, 0]), ("allow", [90, 90])]
)
def test_a_stream_that_wants_more_while_redis_is_away(redis, money, got):
    async def story(limiter, go):
        lease = await limiter.admit(demand(Rates("a", 5), purses=[PURSE], cost=10))
        await go()
        extended = [await limiter.extend(lease, 90), await limiter.extend(lease, 90)]
        cost = lease.cost
        limiter.settle(lease, 0, cost)
        return extended, cost, limiter._local._accounts.get("credits:1")

    extended, cost, account = going(redis, story, money_without_redis=money, processes=2)
    assert extended == got
    assert cost == 10 + sum(got)
    if money == "local-share":
        assert (account.spent, account.reserved) == (20 + 40, 0)


@contextmanager
def unreachable(limiter):
    """Has a limiter ask Redis in vain for a while; Redis itself notices nothing."""

    def available(_):
        return False

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(limiter._remote._link), "available", property(available))
        yield


@pytest.mark.parametrize(("money", "got"), [("local-share", 40), ("allow", 90)])
def test_what_is_added_is_certain_though_the_router_stood_still(redis, money, got):
    async def story(limiter, go):
        lease = await limiter.admit(demand(purses=[PURSE], cost=10))
        await go()
        limiter._remote._certainty.until = 0
        added = await limiter.extend(lease, 90)
        doubtful = lease.cost
        limiter._remote._certainty.until = float("inf")
        certain = lease.cost
        limiter._remote._certainty.until = 0
        limiter.settle(lease, 0, min(got - 5, lease.cost))
        return added, doubtful, certain, limiter._local._accounts.get("credits:1")

    *costs, account = going(redis, story, money_without_redis=money, processes=2)
    assert costs == [got, got, 10 + got]
    if money == "local-share":
        assert (account.spent, account.reserved) == (20 + 35, 0)


@pytest.mark.parametrize("is_forgotten", [False, True])
def test_what_was_added_meanwhile_stays_when_redis_is_back(redis, is_forgotten):
    redis.ask("FLUSHALL")

    async def story(limiter):
        lease = await limiter.admit(demand(purses=[PURSE], cost=10))
        with unreachable(limiter):
            added = await limiter.extend(lease, 30)
        if is_forgotten:
            redis.ask("FLUSHALL")
        more = await limiter.extend(lease, 5)
        cost = lease.cost
        held = await refusal(limiter, demand(purses=[PURSE], cost=100))
        limiter.settle(lease, 0, cost)
        settled = await refusal(limiter, demand(purses=[PURSE], cost=100))
        account = limiter._local._accounts["credits:1"]
        return added, more, cost, held.used, settled.used, account.spent, account.reserved

    told_ = told(redis.port, story, money_without_redis="local-share", processes=2)
    in_redis = 45 if is_forgotten else 15
    assert told_ == (30, 5, 45, 20 + in_redis, 20 + 45, 20 + 30, 0)


def test_routers_that_were_seen_count(redis):
    async def story(limiter, go):
        redis.ask("ZADD", "tornado-router:limits:routers", 9e15, "one", 9e15, "two", 9e15, "three")
        await limiter._remote._renew()
        await go()
        return await limiter.admit(demand(Rates("a", requests=8)))

    assert going(redis, story, processes=2).levels["requests"].limit == 2


def test_what_began_in_redis_ends_there(redis):
    redis.ask("FLUSHALL")

    async def story(limiter):
        lease = await limiter.admit(demand(purses=[PURSE], cost=30))
        with redis.frozen():
            await refused(limiter, demand(purses=[PURSE], cost=30))
            limiter.settle(lease, 0, 25)
        async with asyncio.timeout(10):
            while True:
                try:
                    await limiter.admit(demand(purses=[PURSE], cost=100))
                except LimitReachedError as error:
                    if error.used == 45:
                        return error.retry_after
                except LimiterAwayError:
                    pass
                await asyncio.sleep(0.01)

    assert told(redis.port, story) is None
