"""The engine of many processes, on a real Redis; most of what it does is in behaviour.py."""

import asyncio
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loguru import logger

from tornado_router.config.options import RedisOptions
from tornado_router.limits import redis as redis_module
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import Lease, LimiterAwayError, LimitReachedError, Purse
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.limits.redis import RedisLimiter
from tornado_router.redis.link import RedisLink

from ..servers import own_redis, slow_proxy
from ..support import DEADLINE
from .behaviour import Behaviour, demand, outcome, refusal

PREFIX = "tornado-router:limits:"
CONTENDER = Path(__file__).parent / "contender.py"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture
def redis(server):
    """An empty one."""
    if server.process.poll() is not None:
        server.start()
    server.ask("FLUSHALL")
    return server


@asynccontextmanager
async def limiter_of(port, lease_seconds=30.0, budget=1.0):
    link = RedisLink(RedisOptions(host="127.0.0.1", port=port, timeout=budget))
    limiter = RedisLimiter(link, lease_seconds)
    try:
        yield limiter
    finally:
        await limiter.close()
        await link.close()


def told(redis, story, **options):
    """Runs a story of a limiter on a Redis."""

    async def run():
        async with limiter_of(redis.port, **options) as limiter:
            return await story(limiter)

    return asyncio.run(run())


async def eventually(ask):
    """Waits until something is so."""
    async with asyncio.timeout(DEADLINE):
        while not (answer := await ask()):  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.01)
    return answer


async def expired(limiter, lease):
    """Whether a lease does not count any more; a step of the script has to look."""
    limiter.settle(await limiter.admit(demand(Rates("somebody"))), 0, 0)
    return await limiter._link.call("ZSCORE", PREFIX + "leases", lease.id) is None


async def admitted_at_last(limiter, wanted):
    """A lease, as soon as Redis and the limits give one."""

    async def ask():
        try:
            return await limiter.admit(wanted)
        except (LimiterAwayError, LimitReachedError):
            return None

    return await eventually(ask)


class TestRedis(Behaviour):
    @pytest.fixture(autouse=True)
    def _redis(self, redis):
        self.redis = redis

    def run(self, story):
        return told(self.redis, story)


# The same to the last digit

holders = st.sampled_from(["a", "b"])
few = st.none() | st.integers(0, 4)
rates = st.builds(Rates, holders, few, st.none() | st.integers(0, 60), few)
purses = st.builds(Purse, st.sampled_from(["p", "q"]), st.integers(0, 90), st.integers(0, 90))
demands = st.builds(
    demand,
    rates,
    rates.map(lambda one: replace(one, holder=one.holder * 2)),
    purses=st.lists(purses, max_size=2, unique_by=lambda one: one.id),
    tokens=st.integers(0, 40),
    cost=st.integers(0, 40),
    most=st.integers(0, 80),
)
numbers = st.integers(0, 80)
steps = st.one_of(
    st.tuples(st.just("admit"), demands),
    st.tuples(st.just("admit"), demands),
    st.tuples(st.just("extend"), numbers, numbers),
    st.tuples(st.just("settle"), numbers, numbers, numbers),
    st.tuples(st.just("wait"), st.integers(0, 120_000_000)),
)


@contextmanager
def driven_script(patch):
    """Has Redis look for the time where a test puts it."""
    script = redis_module.SCRIPT
    real, driven = "redis.call('TIME')", "{ 0, redis.call('GET', 'time') }"
    assert real in script
    script = script.replace(real, driven)
    patch.setattr(redis_module, "SCRIPT", script)
    patch.setattr(redis_module, "SCRIPT_DIGEST", redis_module.digest(script))
    yield


async def play(limiter, story, wait):
    """What an engine answers to a story."""
    leases, answers = [], []
    for name, *values in story:
        if name == "wait":
            await wait(values[0])
        elif name == "admit":
            tried = await outcome(limiter, values[0])
            if isinstance(tried, Lease):
                leases.append(tried)
                answers.append((tried.levels, tried.cost))
            else:
                answers.append(vars(tried))
        elif leases and name == "extend":
            lease = leases[values[0] % len(leases)]
            answers.append(await limiter.extend(lease, values[1]))
        elif leases:
            lease = leases.pop(values[0] % len(leases))
            limiter.settle(lease, values[1], min(values[2], lease.cost))
    return answers


@given(story=st.lists(steps, min_size=5, max_size=40))
@settings(deadline=None, max_examples=300)
def test_both_engines_answer_alike(server, story):
    start = 1_700_000_000_000_000

    async def in_memory():
        now = start

        async def wait(microseconds):
            nonlocal now
            now += microseconds

        return await play(MemoryLimiter(lambda: now), story, wait)

    async def in_redis():
        now = start

        async def wait(microseconds):
            nonlocal now
            now += microseconds
            limiter._send()  # what was settled before was settled then
            await limiter._link.call("SET", "time", now)

        link = RedisLink(RedisOptions(host="127.0.0.1", port=server.port, timeout=5))
        await link.call("FLUSHALL")
        await link.call("SET", "time", now)
        limiter = RedisLimiter(link, 1_000_000, counts=False)
        try:
            return await play(limiter, story, wait)
        finally:
            await limiter.close()
            await link.close()

    with pytest.MonkeyPatch.context() as patch, driven_script(patch):
        assert asyncio.run(in_memory()) == asyncio.run(in_redis())


# Many at once


def test_a_turn_of_the_loop_is_one_command(redis):
    def commands():
        return redis.ask("INFO", "commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]

    async def story(limiter):
        await limiter.admit(demand(Rates("user:1", 1000), purses=[Purse("p", 1000, 0)]))
        limiter._beats.cancel()
        await eventually(lambda: asyncio.sleep(0.01, not limiter._under_way))
        before = commands()
        one = demand(Rates("user:1", 1000), purses=[Purse("p", 1000, 0)], cost=1)
        leases = await asyncio.gather(*(limiter.admit(one) for _ in range(50)))
        for lease in leases:
            limiter.settle(lease, 0, 1)
        refused = await refusal(limiter, demand(purses=[Purse("p", 1000, 0)], cost=1000))
        return commands() - before, refused.used

    assert told(redis, story) == (2, 50)


def test_what_is_settled_gets_there_without_another_call(redis):
    async def story(limiter):
        limiter.settle(await limiter.admit(demand(Rates("user:1", in_flight=1))), 0, 0)
        await eventually(lambda: asyncio.sleep(0, not redis.ask("ZCARD", PREFIX + "leases")))

    told(redis, story)


def spawn(redis, story):
    process = subprocess.Popen(
        [sys.executable, CONTENDER, str(redis.port), story],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def end(process):
    process.kill()
    process.wait(DEADLINE)
    process.stdin.close()
    process.stdout.close()


@pytest.mark.parametrize(("story", "most"), [("spend", 100), ("crowd", 50), ("hurry", 70)])
def test_four_processes_never_exceed(redis, story, most):
    processes = [spawn(redis, story) for _ in range(4)]
    try:
        for process in processes:
            go(process)
        counts = [int(process.stdout.readline()) for process in processes]
    finally:
        for process in processes:
            end(process)
    assert sum(counts) == most


def test_who_is_killed_holds_nothing_for_long(redis):
    process = spawn(redis, "hold")
    try:
        go(process)
        assert process.stdout.readline() == "done\n"

        async def story(limiter):
            by_rate = await refusal(limiter, demand(Rates("user:1", in_flight=1)))
            by_money = await refusal(limiter, demand(purses=[Purse("p", 90, 0)], cost=90))
            await asyncio.sleep(1.8)  # it lives, so its lease does
            await refusal(limiter, demand(Rates("user:1", in_flight=1)))
            assert limiter.processes == 2
            process.kill()
            both = demand(Rates("user:1", in_flight=1), purses=[Purse("p", 90, 0)], cost=90)
            await admitted_at_last(limiter, both)
            await eventually(lambda: asyncio.sleep(0.01, limiter.processes == 1))
            return by_rate.used, by_money.used

        assert told(redis, story, lease_seconds=1.2) == (1, 90)
    finally:
        end(process)


def test_a_late_end_still_costs_once(redis):
    async def story(limiter):
        purse = Purse("p", 100, 0)
        rates = Rates("user:1", tokens=1000, in_flight=1)
        lease = await limiter.admit(demand(rates, purses=[purse], tokens=100, cost=60))
        limiter._beats.cancel()  # as if it had been stopped, so that the lease expires
        other = await admitted_at_last(limiter, demand(rates, purses=[purse], cost=90))
        late = ["settle", lease.id, 100, 50]
        limiter.settle(lease, 100, 50)
        limiter._settle_soon(late)
        limiter.settle(other, 0, 5)
        limiter._settle_soon(late)
        refused = await refusal(limiter, demand(purses=[purse], cost=100))
        await limiter.admit(demand(rates))
        return refused.used

    assert told(redis, story, lease_seconds=0.3) == 55


def test_who_was_away_and_comes_back_counts_again(redis):
    async def story(limiter):
        purse = Purse("p", 100, 0)
        lease = await limiter.admit(demand(Rates("user:1", in_flight=1), purses=[purse], cost=60))
        limiter._beats.cancel()
        await eventually(lambda: expired(limiter, lease))
        await limiter._renew()
        refused = await refusal(limiter, demand(Rates("user:1", in_flight=1)))
        money = await refusal(limiter, demand(purses=[purse], cost=100))
        limiter.settle(lease, 0, 60)
        await limiter.admit(demand(Rates("user:1", in_flight=1)))
        return refused.used, money.used

    assert told(redis, story, lease_seconds=1.0) == (1, 60)


def test_whoever_gave_up_waiting_holds_nothing(redis):
    async def story(limiter):
        one = demand(Rates("user:1", in_flight=1), purses=[Purse("p", 100, 0)], cost=100)
        gone = asyncio.get_running_loop().create_task(limiter.admit(one), name="gone")
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        return await limiter.admit(one)

    assert told(redis, story)


def fields(redis, name):
    """What a hash of the limits has, by the sort of it."""
    return Counter(field.decode().split(":")[0] for field in redis.ask("HKEYS", PREFIX + name))


def test_nothing_that_may_be_evicted_is_left_and_nothing_for_good(redis):
    async def story(limiter):
        wanted = demand(Rates("a", 1000, 1000, 5), purses=[Purse("p", 100, 0)], tokens=5, cost=5)
        limiter.settle(await limiter.admit(wanted), 5, 5)
        await limiter.admit(wanted)
        await outcome(limiter, demand(Rates("made-up", requests=0)))
        return {key: redis.ask("PTTL", key) for key in redis.ask("KEYS", "*")}

    left = told(redis, story)
    assert {key.decode().removeprefix(PREFIX) for key in left} == {
        "rates",
        "money",
        "leases",
        "routers",
    }
    assert set(left.values()) == {-1}
    assert not redis.ask("EXISTS", PREFIX + "leases")
    assert not redis.ask("EXISTS", PREFIX + "routers")
    assert fields(redis, "money") == {"epoch": 1, "purse": 1}
    assert fields(redis, "rates") == {"a": 1}


def test_what_is_idle_is_swept(redis, monkeypatch):
    script = redis_module.SCRIPT
    for real, driven in ((", DAY = 3600000000, 86400000000", ", DAY = 0, 0"),):
        assert real in script
        script = script.replace(real, driven)
    monkeypatch.setattr(redis_module, "SCRIPT", script)
    monkeypatch.setattr(redis_module, "SCRIPT_DIGEST", redis_module.digest(script))

    async def story(limiter):
        async def sweep_all():
            await limiter._sweep()
            while limiter._cursors != ("0", "0"):
                await limiter._sweep()

        for number in range(1000):
            purse = Purse(f"p{number}", 100, 0)
            rates = Rates(f"h{number}", requests=60_000_000)
            limiter.settle(await limiter.admit(demand(rates, purses=[purse], cost=5)), 0, 5)
        held = await limiter.admit(demand(Rates("busy", 2, in_flight=5), purses=[purse], cost=5))
        await limiter.admit(demand(Rates("slow", requests=2)))
        await sweep_all()
        limiter._beats.cancel()
        counted = fields(redis, "money"), set(redis.ask("HKEYS", PREFIX + "rates"))
        limiter.settle(held, 0, 0)
        return counted

    money, rates = told(redis, story)
    assert money == {"epoch": 1, "purse": 1, "lease": 2}
    assert rates == {b"busy", b"slow"}


# Redis in trouble


def test_a_redis_that_lost_everything(redis):
    async def story(limiter):
        purse = Purse("p", 100, 10)
        wanted = demand(Rates("user:1", 100, in_flight=2), purses=[purse], cost=20)
        lease = await limiter.admit(wanted)
        redis.ask("FLUSHALL")
        again = await limiter.admit(wanted)
        crowded = await refusal(limiter, demand(Rates("user:1", in_flight=2)))
        got = await limiter.extend(lease, 100)  # of 100, 10 were spent and 2 * 20 are held
        held = await refusal(limiter, demand(purses=[purse], cost=1))
        limiter.settle(lease, 0, 70)
        limiter.settle(again, 0, 20)
        after = await refusal(limiter, demand(purses=[purse], cost=1))
        return crowded.used, got, lease.cost, held.used, after.used

    assert told(redis, story) == (2, 50, 70, 100, 100)


def test_a_redis_that_lost_the_script(redis):
    async def story(limiter):
        await limiter.admit(demand(Rates("user:1", 2)))
        redis.ask("SCRIPT", "FLUSH")
        await limiter.admit(demand(Rates("user:1", 2)))
        await refusal(limiter, demand(Rates("user:1", 2)))

    told(redis, story)


def test_a_redis_that_refuses(redis):
    lines = []
    sink = logger.add(lines.append, format="{message}", level="WARNING")
    try:

        async def story(limiter):
            purse = Purse("p", 100, 0)
            lease = await limiter.admit(demand(purses=[purse], cost=20))
            limiter._beats.cancel()  # a beat looks at all there is, and fails in its own words
            with suppress(asyncio.CancelledError):
                await limiter._beats
            redis.ask("HSET", PREFIX + "rates", "bad", "not ours")
            for _ in range(3):
                with pytest.raises(LimiterAwayError):
                    await limiter.admit(demand(Rates("bad", 1)))
            limiter.settle(lease, 0, 20)
            await outcome(limiter, demand(purses=[purse], cost=1))
            redis.ask("HDEL", PREFIX + "rates", "bad")
            await limiter.admit(demand(Rates("bad", 1)))
            return (await refusal(limiter, demand(purses=[purse], cost=81))).used

        assert told(redis, story) == 21
    finally:
        logger.remove(sink)
    assert len([line for line in lines if "does not run the limits" in line]) == 1


def test_a_redis_that_stops_and_starts(redis):
    async def story(limiter):
        one = demand(Rates("user:1", 100))
        lease = await limiter.admit(one)
        redis.stop()
        limiter.settle(lease, 0, 0)
        with pytest.raises(LimiterAwayError):
            await limiter.admit(one)
        await asyncio.to_thread(redis.start)
        return await admitted_at_last(limiter, one)

    assert told(redis, story).levels["requests"].remaining == 99


def test_a_redis_that_is_nowhere(redis):
    async def story(limiter):
        with pytest.raises(LimiterAwayError):
            await limiter.admit(demand(Rates("user:1", 1)))
        await eventually(lambda: asyncio.sleep(0, not limiter._link.available))
        with pytest.raises(LimiterAwayError):
            await limiter.admit(demand(Rates("user:1", 1)))

    told(replace_port(redis, 1), story)


def replace_port(redis, port):
    return type("Nowhere", (), {"port": port})


def test_a_frozen_redis_costs_little_and_loses_nothing(redis):
    purse = Purse("p", 1000, 0)

    async def story(limiter):
        loop = asyncio.get_running_loop()
        leases = [await limiter.admit(demand(purses=[purse], cost=10)) for _ in range(20)]
        waits = []
        with redis.frozen():
            for lease in leases[:10]:
                limiter.settle(lease, 0, 7)
            while limiter._link.available:
                since = loop.time()
                with pytest.raises(LimiterAwayError):
                    await limiter.admit(demand(purses=[purse], cost=10))
                waits.append(loop.time() - since)
            for lease in leases[10:]:
                limiter.settle(lease, 0, 7)
            for _ in range(100):  # now nobody waits: each fails in the turn in which it began
                with pytest.raises(LimiterAwayError):
                    limiter.admit(demand(purses=[purse], cost=10)).send(None)
        await admitted_at_last(limiter, demand(purses=[purse]))
        await eventually(lambda: asyncio.sleep(0.01, redis.ask("ZCARD", PREFIX + "leases") == 1))
        refused = await refusal(limiter, demand(purses=[purse], cost=1000))
        return waits, refused.used

    waits, used = told(redis, story, budget=0.25)
    assert 1 <= len(waits) <= 4
    assert used == 20 * 7


def test_a_slow_redis_is_an_absent_one(redis):
    async def story():
        async with slow_proxy(redis.port) as proxy, limiter_of(proxy.port, budget=0.3) as limiter:
            purse = Purse("p", 1000, 0)
            lease = await admitted_at_last(limiter, demand(purses=[purse], cost=10))
            proxy.seconds = 1.0
            with pytest.raises(LimiterAwayError):
                await limiter.admit(demand(Rates("user:1", in_flight=1)))
            limiter.settle(lease, 0, 10)
            await eventually(lambda: asyncio.sleep(0.01, not limiter._link.available))
            proxy.seconds = 0
            await admitted_at_last(limiter, demand(Rates("user:1", in_flight=1)))
            await eventually(lambda: asyncio.sleep(0, not limiter._unsettled))
            return (await refusal(limiter, demand(purses=[purse], cost=1000))).used

    assert asyncio.run(story()) == 10


@pytest.mark.parametrize("known", [False, True])
def test_what_cannot_be_told_is_said_at_the_end(redis, known, monkeypatch):
    """Also of a settlement that still waits for others when Redis is known to be away."""
    monkeypatch.setattr(redis_module, "SETTLE_SECONDS", DEADLINE)
    lines = []
    sink = logger.add(lines.append, format="{message}", level="WARNING")
    try:

        async def story(limiter):
            lease = await limiter.admit(demand(Rates("user:1", 5)))
            limiter._beats.cancel()  # a beat would send what waits
            with suppress(asyncio.CancelledError):
                await limiter._beats
            limiter.settle(lease, 0, 0)
            redis.stop()
            if known:
                await eventually(lambda: asyncio.sleep(0, not limiter._link.available))

        told(redis, story)
    finally:
        logger.remove(sink)
    assert any("1 calls are not settled" in line for line in lines)


def test_many_calls_that_wait_for_redis_are_told_in_parts(redis):
    async def story(limiter):
        purse = Purse("p", 10_000, 0)
        one = demand(purses=[purse], cost=1)
        leases = await asyncio.gather(*(limiter.admit(one) for _ in range(350)))
        with redis.frozen():
            await eventually(lambda: asyncio.sleep(0.01, not limiter._link.available))
            for lease in leases:
                limiter.settle(lease, 0, 1)
        await eventually(lambda: asyncio.sleep(0.01, not redis.ask("ZCARD", PREFIX + "leases")))
        return (await refusal(limiter, demand(purses=[purse], cost=10_000))).used

    assert told(redis, story, budget=0.5) == 350
