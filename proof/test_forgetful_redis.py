"""Credits while Redis forgets, falls back, evicts or jumps ahead, and while routers stand still."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import aiohttp
import pytest

from tests.servers import OwnRedis, own_redis

from .conftest import TOKEN_COST, Fleet, note

FLEETS = [1, 4]
TOKENS = 20
COST = TOKENS * TOKEN_COST
COVERED = 100
"""Calls that the credits cover."""

RUNNING = 60
MONEY = "tornado-router:limits:money"
JUMPING_CLOCK = Path(__file__).parent / "jumping_clock"


def calls(fleet, session, key, count, pause=0):
    """So many calls at once; each is answered behind a pause of so many milliseconds."""
    model = f"vendor/pause-{pause}"
    return [fleet.call(session, key, n, model=model, max_tokens=TOKENS) for n in range(count)]


@asynccontextmanager
async def running(fleet, session, key, pause=2500):
    """Calls that run meanwhile, and have ended behind it; gives their answers."""
    answers = []
    tasks = [
        asyncio.get_running_loop().create_task(call, name="a call that runs")
        for call in calls(fleet, session, key, RUNNING, pause)
    ]
    most = 0
    while True:
        async with session.get(f"{fleet.upstream}/peak") as answer:
            most = max(most, (await answer.json())["most"])
        if most >= RUNNING:
            break
        await asyncio.sleep(0.05)
    yield answers
    answers += await asyncio.gather(*tasks)


@asynccontextmanager
async def standing_still(fleet):
    """The first router is stopped meanwhile, and the calls go to the others."""
    still, urls = fleet.routers[0], fleet.urls
    os.kill(still.pid, signal.SIGSTOP)
    fleet.urls = urls[1:] or urls
    try:
        yield
    finally:
        os.kill(still.pid, signal.SIGCONT)
        fleet.urls = urls


async def until_spent(fleet, session, key):
    """Calls at all routers until each says that there is nothing left; gives all answers."""
    answers = []
    for _ in range(60):
        some = await asyncio.gather(*calls(fleet, session, key, 4 * COVERED))
        answers += some
        if all(status == 429 and "Retry-After" not in headers for status, _, headers in some):
            return answers
        await asyncio.sleep(0.25)
    raise AssertionError([status for status, *_ in some])


def check(fleet, what, routers, answers, *, stood_still=False):
    """The limits let exactly through what the credits cover; the ledger had nothing to cut.

    Calls of a router that stood still are answered all the same, and are `uncharged`.
    """
    assert {status for status, *_ in answers} <= {200, 429, 503}
    books = fleet.check_books(len(answers))
    served = sum(status == 200 for status, *_ in answers)
    (uncharged,) = fleet.ask("SELECT SUM(uncharged) FROM usage_logs")
    charged = served * COST - uncharged
    note(what, routers, len(answers), charged // COST, COVERED, fleet.credits(), books)
    assert not any("more than the balance" in router.stderr for router in fleet.routers)
    assert stood_still or not uncharged
    assert charged == COVERED * COST
    assert fleet.credits() == 0


class Scene(NamedTuple):
    """Where something happens.

    Attributes:
        fleet: the routers.
        redis: that they share.
        session: of the client.
        key: that is paid from the credits.
    """

    fleet: Fleet
    redis: OwnRedis
    session: aiohttp.ClientSession
    key: str

    async def call(self, count):
        """So many calls at once; gives their answers."""
        return await asyncio.gather(*calls(self.fleet, self.session, self.key, count))

    def running(self, **options):
        """See `running`."""
        return running(self.fleet, self.session, self.key, **options)

    async def fail_over(self):
        """Redis ends, and begins anew with what it had saved."""
        self.redis.stop()
        await asyncio.to_thread(self.redis.start)


async def emptied_with_spent_money(scene):
    answers = await scene.call(RUNNING)
    scene.redis.ask("FLUSHALL")
    return answers


async def emptied_with_running_money(scene):
    async with scene.running() as answers:
        scene.redis.ask("FLUSHALL")
        more = await scene.call(4 * COVERED)
    return answers + more


async def failed_over_to_an_empty_one(scene):
    async with scene.running() as answers:
        await scene.fail_over()
        more = await scene.call(4 * COVERED)
    return answers + more


async def failed_over_to_one_that_is_behind(scene):
    answers = await scene.call(10)
    scene.redis.ask("SAVE")
    answers += await scene.call(20)
    return answers + await failed_over_to_an_empty_one(scene)


async def evicted(scene):
    async with scene.running() as answers:
        for number in range(100_000):
            scene.redis.ask("SET", f"other:{number}", "x" * 100_000)
            if not scene.redis.ask("EXISTS", MONEY):
                break
        more = await scene.call(4 * COVERED)
    return answers + more


async def a_router_stands_still(scene, *, emptied=False):
    async with scene.running(pause=3000) as answers:
        more = []
        async with standing_still(scene.fleet):
            if emptied:
                scene.redis.ask("FLUSHALL")
            for _ in range(10):  # the others take what it held, once that has expired
                await asyncio.sleep(0.5)
                if len(scene.fleet.routers) > 1:
                    more += await scene.call(40)
    return answers + more


async def the_clock_of_redis_jumps(scene, seconds):
    async with scene.running() as answers:
        scene.redis.ask("SET", "proof:ahead", seconds)
        more = await scene.call(4 * COVERED)
    return answers + more


class Case(NamedTuple):
    """Something that happens.

    Attributes:
        happens: returns the answers of the calls that it made.
        options: of the command line of Redis.
        deployed: how the routers are.
        stood_still: whether one of them did.
    """

    happens: Callable[[Scene], Awaitable[list]]
    options: Sequence[str] = ()
    deployed: Mapping[str, object] = MappingProxyType({})
    stood_still: bool = False


CLOCK = {"env": {"PYTHONPATH": str(JUMPING_CLOCK)}}
STILL = Case(a_router_stands_still, (), {"lease_seconds": 2}, stood_still=True)
CASES = {
    "emptied, spent": Case(emptied_with_spent_money),
    "emptied, running": Case(emptied_with_running_money),
    "failed over, empty": Case(failed_over_to_an_empty_one),
    "failed over, behind": Case(failed_over_to_one_that_is_behind),
    "evicted": Case(evicted, ("--maxmemory", "8mb", "--maxmemory-policy", "allkeys-random")),
    "a router stood still": STILL,
    "emptied, a router stood still": STILL._replace(
        happens=partial(a_router_stands_still, emptied=True)
    ),
    "clock jumps +3600 s": Case(partial(the_clock_of_redis_jumps, seconds=3600), (), CLOCK),
    "clock jumps -3600 s": Case(partial(the_clock_of_redis_jumps, seconds=-3600), (), CLOCK),
}
"""By what the table of results calls it."""


@pytest.mark.parametrize("routers", FLEETS)
@pytest.mark.parametrize("what", CASES)
def test_credits_are_spent_once(deploy, tmp_path, routers, what):
    case = CASES[what]
    with (
        own_redis(tmp_path, *case.options) as redis,
        deploy(routers, redis=redis, **case.deployed) as fleet,
    ):
        key = fleet.key()
        fleet.add_credits(COVERED * COST)

        async def work(session):
            answers = await case.happens(Scene(fleet, redis, session, key))
            return answers + await until_spent(fleet, session, key)

        check(fleet, what, routers, fleet.run(work), stood_still=case.stood_still)
