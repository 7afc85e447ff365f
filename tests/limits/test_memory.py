"""The engine of one process; most of what it does is in behaviour.py."""

import asyncio

from tornado_router.limits import memory as memory_module
from tornado_router.limits.kinds import MINUTE, Rates
from tornado_router.limits.limiter import Purse
from tornado_router.limits.memory import Holder, MemoryLimiter

from .behaviour import Behaviour, demand, refusal


class Clock:
    """Stands still until it is put forward."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


class TestMemory(Behaviour):
    def run(self, story):
        return asyncio.run(story(MemoryLimiter()))


def with_clock(story):
    clock = Clock()
    return asyncio.run(story(MemoryLimiter(clock), clock))


def test_a_bucket_fills_evenly():
    holder, rates = Holder(), Rates("key:1", requests=3)
    holder.levels[0], holder.limits[0] = 3 * MINUTE, 3
    assert holder.take(rates, 0, MINUTE // 2)
    assert holder.levels[0] == 3 * MINUTE // 2 + MINUTE
    holder.give_back(rates, 0)
    assert not holder.is_idle(MINUTE - 1)
    assert holder.is_idle(MINUTE)
    assert holder.take(rates, 0, 10 * MINUTE)
    assert holder.levels[0] == MINUTE


def test_what_is_due_flows_back_by_the_limit_that_held_until_now():
    holder = Holder()
    assert holder.take(Rates("key:1", requests=4), 0, 0)
    assert holder.take(Rates("key:1", requests=1), 0, MINUTE // 4)
    assert holder.levels[0] == MINUTE


def test_no_minute_sees_more_than_the_bucket_and_what_flowed_in():
    async def story(limiter, clock):
        passed = []
        for _ in range(3000):
            try:
                await limiter.admit(demand(Rates("a", requests=100)))
                passed.append(clock.now)
            except memory_module.LimitReachedError:
                pass
            clock.now += MINUTE // 1000
        return passed

    passed = with_clock(story)
    for start in passed:
        seen = [time for time in passed if start <= time < start + MINUTE]
        assert len(seen) <= 200
    assert len(passed) == 399  # the full bucket, and three minutes but for their last moment


def test_retry_after_is_neither_early_nor_late():
    async def story(limiter, clock):
        one = demand(Rates("a", requests=7))
        for _ in range(7):
            await limiter.admit(one)
        refused = await refusal(limiter, one)
        clock.now = round(refused.retry_after * 1e6) - 1
        await refusal(limiter, one)
        clock.now += 1
        await limiter.admit(one)

    with_clock(story)


def test_a_debt_is_due_when_it_is_known():
    async def story(limiter, clock):
        lease = await limiter.admit(demand(Rates("a", tokens=100), tokens=10))
        clock.now = 10 * MINUTE
        limiter.settle(lease, 110, 0)
        return await refusal(limiter, demand(Rates("a", tokens=100), tokens=1))

    assert with_clock(story).used == 100


def test_made_up_names_do_not_fill_the_memory():
    async def story(limiter, clock):
        for number in range(10 * memory_module.FEWEST_SWEPT):
            lease = await limiter.admit(demand(Rates(f"login:{number}", requests=10)))
            limiter.settle(lease, 0, 0)
            clock.now += MINUTE // 100
        return len(limiter._holders)

    assert with_clock(story) <= memory_module.FEWEST_SWEPT


def test_purses_of_days_long_gone_do_not_fill_the_memory():
    async def story(limiter, clock):
        held = await limiter.admit(demand(purses=[Purse("budget:held", 100, 0)], cost=10))
        free = await limiter.admit(demand(purses=[Purse("budget:free", 100, 0)]))
        for number in range(10 * memory_module.FEWEST_SWEPT):
            await limiter.admit(demand(purses=[Purse(f"budget:{number}", 100, 0)]))
            clock.now += MINUTE
        assert await limiter.extend(free, 90) == 90
        limiter.settle(free, 0, 80)
        refused = await refusal(limiter, demand(purses=[Purse("budget:free", 100, 0)], cost=21))
        limiter.settle(held, 0, 10)
        return len(limiter._accounts), refused.used

    count, used = with_clock(story)
    assert count <= memory_module.FEWEST_SWEPT
    assert used == 80


def test_a_purse_is_read_anew_once_nothing_was_charged_to_it_for_long():
    """However often it refused a call meanwhile, or one went by that cost nothing."""

    async def story(limiter, clock):
        before, after = Purse("credits:1", 100, 0), Purse("credits:1", 60, 0)
        limiter.settle(await limiter.admit(demand(purses=[before], cost=80)), 0, 80)
        end = clock.now + memory_module.IDLE
        while clock.now < end:
            assert (await refusal(limiter, demand(purses=[after], cost=1))).used == 80
            limiter.settle(await limiter.admit(demand(purses=[after])), 0, 0)
            clock.now += MINUTE
        await limiter.admit(demand(purses=[after], cost=60))
        clock.now += 2 * memory_module.IDLE  # what is held stays held
        return await refusal(limiter, demand(purses=[after], cost=1))

    assert with_clock(story).used == 60


def test_a_purse_is_not_read_from_what_was_known_before():
    """Calls bring their purses in any order; the largest sum is the latest."""

    async def story(limiter, clock):
        clock.now = 3 * memory_module.IDLE
        for spent in (10, 80, 50):
            await limiter.admit(demand(purses=[Purse("credits:1", 100, spent)]))
            clock.now += MINUTE
        return await refusal(limiter, demand(purses=[Purse("credits:1", 100, 0)], cost=21))

    assert with_clock(story).used == 80


def test_who_has_a_call_in_flight_is_not_swept():
    async def story(limiter, clock):
        await limiter.admit(demand(Rates("busy", in_flight=1)))
        for number in range(2 * memory_module.FEWEST_SWEPT):
            limiter.settle(await limiter.admit(demand(Rates(f"login:{number}", 10))), 0, 0)
            clock.now += MINUTE
        return await refusal(limiter, demand(Rates("busy", in_flight=1)))

    assert with_clock(story).used == 1
