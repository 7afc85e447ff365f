"""Redis forgets: what routers tell it anew, and what they wait for."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from loguru import logger

from tornado_router.config.options import RedisOptions
from tornado_router.errors import RouterError
from tornado_router.limits import epoch as epoch_module
from tornado_router.limits import redis as redis_module
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import LimiterAwayError, LimitReachedError, Purse
from tornado_router.limits.redis import RedisLimiter
from tornado_router.redis.link import RedisLink
from tornado_router.redis.subscription import RedisSubscription

from ..servers import own_redis
from ..support import DEADLINE
from .behaviour import admitted, demand, outcome, refusal

PREFIX = "tornado-router:limits:"
PURSE = Purse("p", 100, 0)
RATES = Rates("user:1", 1000, in_flight=50)


@pytest.fixture
def redis(tmp_path):
    with own_redis(tmp_path) as redis:
        yield redis


class FakeBooks:
    """The database, and the journals of all routers on their way there."""

    def __init__(self, database):
        self.database = database
        self.journal = []
        self.held = None
        self.asked = 0
        self.away = False

    def end(self, cost):
        self.journal.append(cost)

    def hold(self):
        self.held = len(self.journal)

    async def written(self):
        await asyncio.sleep(0.01)
        self._write(self.held)
        self.held = 0

    def release(self):
        self.held = None

    def write(self):
        self._write(len(self.journal) if self.held is None else 0)

    def _write(self, count):
        self.database["p"] += sum(self.journal[:count])
        del self.journal[:count]

    async def spent(self, ids):
        self.asked += 1
        if self.away:
            raise RouterError("the database does not answer")
        await asyncio.sleep(0.01)
        return {id_: self.database[id_] for id_ in ids}


class Router:
    """A limiter with its books."""

    def __init__(self, limiter, books):
        self.limiter, self.books = limiter, books
        self.admit = limiter.admit

    def end(self, lease, cost):
        self.limiter.settle(lease, 0, cost)
        self.books.end(cost)


@asynccontextmanager
async def fleet_of(port, count, *, lease_seconds=30.0):
    """So many routers over one Redis and one database."""
    database = {"p": 0, "q": 0}
    async with AsyncExitStack() as later:
        routers = []
        for _ in range(count):
            options = RedisOptions(host="127.0.0.1", port=port, timeout=5.0)
            link, subscription = RedisLink(options), RedisSubscription(options)
            books = FakeBooks(database)
            limiter = RedisLimiter(link, lease_seconds, subscription=subscription, books=books)
            for part in (link, subscription, limiter):
                later.push_async_callback(part.close)
            await limiter.admit(demand(purses=[PURSE]))
            routers.append(Router(limiter, books))
        for router in routers:
            await router.limiter._renew()  # each knows of the others
        yield routers


def told(redis, count, story, **options):
    async def run():
        async with fleet_of(redis.port, count, **options) as routers:
            return await story(routers)

    return asyncio.run(run())


def wanted(cost=10):
    return demand(RATES, purses=[PURSE], cost=cost)


async def spend(routers, cost=10):
    """How many calls are admitted until there is nothing left."""
    count = 0
    async with asyncio.timeout(DEADLINE):
        while True:
            for router in routers:
                tried = await asyncio.gather(*(outcome(router.limiter, wanted(cost)) for _ in "ab"))
                count += len(admitted(tried))
                if len(admitted(tried)) < 2:
                    return count


async def at_last(router, one):
    """A lease, as soon as the limits are told."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await router.admit(one)
            except LimiterAwayError:
                await asyncio.sleep(0.05)


async def forget(redis, how, routers):
    """Has Redis forget, and waits until every router has a connection again."""
    if how == "emptied":
        redis.ask("FLUSHALL")
    elif how == "evicted":
        redis.ask("DEL", PREFIX + "money")
    else:
        before = routers[0].limiter._link.server
        await asyncio.to_thread(redis.stop)
        await asyncio.to_thread(redis.start)
        async with asyncio.timeout(DEADLINE):
            for router in routers:
                while router.limiter._link.server in ("", before):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.01)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("how", ["emptied", "evicted", "started anew", "behind"])
def test_nothing_is_spent_twice_and_nothing_is_lost(redis, count, how):
    async def story(routers):
        first, last = routers[0], routers[-1]
        for cost in (7, 3):  # the first of them is in the database, the second is not yet
            last.end(await last.admit(wanted()), cost)
            last.books.write() if cost == 7 else None
        if how == "behind":
            await first.limiter._renew()
            redis.ask("SAVE")
        running = [await router.admit(wanted()) for router in routers]
        last.end(await last.admit(wanted()), 10)  # a replica that is behind does not have it
        await forget(redis, how, routers)
        counted = await spend([first])
        taken = 10 * len(running) + 20
        after = (await refusal(first.limiter, wanted())).used
        for router, lease in zip(routers, running, strict=True):
            router.end(lease, 4)
            router.books.write()
        again = await spend(routers, 2)
        return counted, taken, after, again, len(running)

    counted, taken, after, again, running = told(redis, count, story)
    assert counted == (100 - taken) // 10
    assert after == taken + 10 * counted
    assert again == 6 * running // 2


def test_calls_that_end_while_it_is_reported_are_counted_once(redis):
    async def story(routers):
        first, second = routers
        leases = [await router.admit(wanted()) for router in routers for _ in "abc"]
        joining = second.books.written

        async def end_meanwhile():
            for lease in leases[3:]:
                second.end(lease, 10)
            second.books.write()
            await joining()
            second.books.write()

        second.books.written = end_meanwhile
        redis.ask("FLUSHALL")
        counted = await spend([first])
        for router in routers:
            router.books.write()
        return counted, first.books.database["p"]

    assert told(redis, 2, story) == (4, 30)


def test_what_was_told_is_read_before_anything_of_it_is_written(redis):
    async def story(routers):
        first, second = routers
        lease = await second.admit(wanted())
        redis.ask("FLUSHALL")
        for router in routers:  # of another purse, so that nobody asks for this one
            await router.admit(demand(purses=[Purse("q", 100, 0)], cost=1))
        second.end(lease, 10)
        second.books.write()
        return await spend([first])

    assert told(redis, 2, story) == 9


def test_a_purse_that_nobody_knows_is_read_once(redis):
    async def story(routers):
        (router,) = routers
        redis.ask("FLUSHALL")
        router.books.database["p"] = 95
        before = router.books.asked
        tried = await asyncio.gather(*(outcome(router.limiter, wanted(1)) for _ in range(20)))
        return len(admitted(tried)), router.books.asked - before

    assert told(redis, 1, story) == (5, 1)


def test_rates_do_not_wait_for_the_database(redis):
    async def story(routers):
        (router,) = routers
        lease = await router.admit(demand(Rates("user:1", in_flight=2)))
        never = asyncio.Event()
        router.books.written = never.wait
        redis.ask("FLUSHALL")
        await router.admit(demand(Rates("user:1", in_flight=2)))
        refused = await refusal(router.limiter, demand(Rates("user:1", in_flight=2)))
        return refused.used, lease

    assert told(redis, 1, story)[0] == 2


def test_money_that_cannot_be_read_is_not_spent(redis, monkeypatch):
    monkeypatch.setattr(epoch_module, "WAIT_SECONDS", 0.3)

    async def story(routers):
        (router,) = routers
        redis.ask("FLUSHALL")
        router.books.away = True
        with pytest.raises(LimiterAwayError):
            await router.admit(wanted())
        router.books.away = False
        return await at_last(router, wanted())

    assert told(redis, 1, story)


def test_a_router_that_does_not_answer_is_waited_for_as_long_as_its_leases_hold(redis, monkeypatch):
    monkeypatch.setattr(epoch_module, "WAIT_SECONDS", 0.1)

    async def story(routers):
        first, still = routers
        lease = await still.admit(wanted(60))
        still.limiter._beats.cancel()
        still.limiter._link._connection.abort()  # and it does not come back
        still.limiter._link._task.cancel()
        redis.ask("FLUSHALL")
        with pytest.raises(LimiterAwayError):
            await first.admit(wanted())
        await at_last(first, wanted(70))
        return lease

    assert told(redis, 2, story, lease_seconds=1.5)


def test_who_comes_too_late_holds_what_is_left(redis, monkeypatch):
    monkeypatch.setattr(epoch_module, "WAIT_SECONDS", 0.1)

    async def story(routers):
        first, still = routers
        lease = await still.admit(wanted(60))
        connected = still.limiter._epoch._ask
        still.limiter._epoch._ask = lambda _: asyncio.get_running_loop().create_future()
        redis.ask("FLUSHALL")
        other = await at_last(first, wanted(70))
        still.limiter._epoch._ask = connected
        await still.limiter._epoch.close()
        await at_last(still, wanted(0))
        still.end(lease, lease.cost)
        return other.cost, lease.cost, (await refusal(first.limiter, wanted())).used

    assert told(redis, 2, story, lease_seconds=1.5) == (70, 30, 100)


def test_a_clock_that_jumps_ends_no_lease(redis, monkeypatch):
    real = "redis.call('TIME')"
    ahead = "{ redis.call('TIME')[1] + (redis.call('GET', 'ahead') or 0), 0 }"
    script = redis_module.SCRIPT.replace(real, ahead)
    monkeypatch.setattr(redis_module, "SCRIPT", script)
    monkeypatch.setattr(redis_module, "SCRIPT_DIGEST", redis_module.digest(script))

    async def story(routers):
        first, second = routers
        lease = await first.admit(wanted(60))
        for seconds in (3600, -3600, 7200):
            redis.ask("SET", "ahead", seconds)
            refused = await refusal(second.limiter, wanted(50))
            await first.limiter._renew()
            await second.limiter._renew()
        return refused.used, lease.cost

    assert told(redis, 2, story) == (60, 60)


def test_it_is_said_once(redis):
    lines = []
    sink = logger.add(lines.append, format="{message}", level="INFO")
    try:

        async def story(routers):
            redis.ask("FLUSHALL")
            await asyncio.gather(*(router.admit(wanted(1)) for router in routers for _ in "abc"))

        told(redis, 1, story)
    finally:
        logger.remove(sink)
    assert [line.strip() for line in lines if "limits" in line] == [
        "Redis has forgotten the limits: they are reported again",
        "the limits in Redis are complete again",
    ]


def test_a_lease_that_expired_is_charged_what_is_left(redis):
    async def story(routers):
        first, still = routers
        lease = await still.admit(wanted(60))
        still.limiter._beats.cancel()

        async def others_take():
            try:
                return await first.admit(wanted(90))
            except LimitReachedError:
                return None

        async with asyncio.timeout(DEADLINE):
            while not (taken := await others_take()):  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.05)
        assert taken.cost == 90
        still.limiter._certainty.until = 0  # it learns that it stood still
        assert lease.cost == 0
        got = await still.limiter.extend(lease, 60)
        still.end(lease, got)
        used = (await refusal(first.limiter, wanted())).used
        return got, lease.cost, used

    assert told(redis, 2, story, lease_seconds=1.0) == (10, 10, 100)
