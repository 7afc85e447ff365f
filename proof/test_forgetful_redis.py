"""Credits while Redis forgets, falls back, evicts or jumps ahead, and while routers stand still."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.servers import own_redis

from .conftest import TOKEN_COST, note

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


@pytest.mark.parametrize("routers", FLEETS)
def test_emptied_with_spent_money(deploy, tmp_path, routers):
    with own_redis(tmp_path) as redis, deploy(routers, redis=redis) as fleet:
        key = fleet.key()
        fleet.add_credits(COVERED * COST)

        async def work(session):
            answers = await asyncio.gather(*calls(fleet, session, key, RUNNING))
            redis.ask("FLUSHALL")
            return answers + await until_spent(fleet, session, key)

        check(fleet, "emptied, spent", routers, fleet.run(work))


@pytest.mark.parametrize("routers", FLEETS)
def test_emptied_with_running_money(deploy, tmp_path, routers):
    with own_redis(tmp_path) as redis, deploy(routers, redis=redis) as fleet:
        key = fleet.key()
        fleet.add_credits(COVERED * COST)

        async def work(session):
            async with running(fleet, session, key) as answers:
                redis.ask("FLUSHALL")
                more = await asyncio.gather(*calls(fleet, session, key, 4 * COVERED))
            return answers + more + await until_spent(fleet, session, key)

        check(fleet, "emptied, running", routers, fleet.run(work))


@pytest.mark.parametrize("routers", FLEETS)
def test_failed_over_to_an_empty_one(deploy, tmp_path, routers):
    with own_redis(tmp_path) as redis, deploy(routers, redis=redis) as fleet:
        key = fleet.key()
        fleet.add_credits(COVERED * COST)

        async def work(session):
            async with running(fleet, session, key) as answers:
                redis.stop()
                await asyncio.to_thread(redis.start)
                more = await asyncio.gather(*calls(fleet, session, key, 4 * COVERED))
            return answers + more + await until_spent(fleet, session, key)

        check(fleet, "failed over, empty", routers, fleet.run(work))


@pytest.mark.parametrize("routers", FLEETS)
def test_failed_over_to_one_that_is_behind(deploy, tmp_path, routers):
    with own_redis(tmp_path) as redis, deploy(routers, redis=redis) as fleet:
        key = fleet.key()
        fleet.add_credits(COVERED * COST)

        async def work(session):
            answers = await asyncio.gather(*calls(fleet, session, key, 10))
            redis.ask("SAVE")
            answers += await asyncio.gather(*calls(fleet, session, key, 20))
            async with running(fleet, session, key) as ended:
                redis.stop()
                await asyncio.to_thread(redis.start)
                more = await asyncio.gather(*calls(fleet, session, key, 4 * COVERED))
            return answers + ended + more + await until_spent(fleet, session, key)

        check(fleet, "failed over, behind", routers, fleet.run(work))


@pytest.mark.parametrize("routers", FLEETS)
def test_evicted(deploy, tmp_path, routers):
    options = ("--maxmemory", "8mb", "--maxmemory-policy", "allkeys-random")
    with own_redis(tmp_path, *options) as redis, deploy(routers, redis=redis) as fleet:
        key = fleet.key()
        fleet.add_credits(COVERED * COST)

        async def work(session):
            async with running(fleet, session, key) as answers:
                for number in range(100_000):
                    redis.ask("SET", f"other:{number}", "x" * 100_000)
                    if not redis.ask("EXISTS", MONEY):
                        break
                more = await asyncio.gather(*calls(fleet, session, key, 4 * COVERED))
            return answers + more + await until_spent(fleet, session, key)

        check(fleet, "evicted", routers, fleet.run(work))


@pytest.mark.parametrize("routers", FLEETS)
@pytest.mark.parametrize("emptied", [False, True])
def test_a_router_stands_still(deploy, tmp_path, routers, emptied):
    with own_redis(tmp_path) as redis, deploy(routers, redis=redis, lease_seconds=2) as fleet:
        key = fleet.key()
        fleet.add_credits(COVERED * COST)

        async def work(session):
            async with running(fleet, session, key, pause=3000) as answers:
                more = []
                async with standing_still(fleet):
                    if emptied:
                        redis.ask("FLUSHALL")
                    for _ in range(10):  # the others take what it held, once that has expired
                        await asyncio.sleep(0.5)
                        if routers > 1:
                            more += await asyncio.gather(*calls(fleet, session, key, 40))
            return answers + more + await until_spent(fleet, session, key)

        what = "emptied, a router stood still" if emptied else "a router stood still"
        check(fleet, what, routers, fleet.run(work), stood_still=True)


@pytest.mark.parametrize("routers", FLEETS)
@pytest.mark.parametrize("seconds", [3600, -3600])
def test_the_clock_of_redis_jumps(deploy, tmp_path, routers, seconds):
    env = {"PYTHONPATH": str(JUMPING_CLOCK)}
    with own_redis(tmp_path) as redis, deploy(routers, redis=redis, env=env) as fleet:
        key = fleet.key()
        fleet.add_credits(COVERED * COST)

        async def work(session):
            async with running(fleet, session, key) as answers:
                redis.ask("SET", "proof:ahead", seconds)
                more = await asyncio.gather(*calls(fleet, session, key, 4 * COVERED))
            return answers + more + await until_spent(fleet, session, key)

        check(fleet, f"clock jumps {seconds:+} s", routers, fleet.run(work))
