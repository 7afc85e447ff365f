"""Redis, or the database, goes away under load and comes back."""

import asyncio

import pytest

from tests.postgres import own_postgres
from tests.servers import own_redis
from tornado_router.storage.storage import Storage

from .conftest import Outcome

MONEY = "tornado-router:limits:money"
REDIS = """
[redis]
host = "127.0.0.1"
port = {port}
[limits]
money_without_redis = "{policy}"
"""


@pytest.mark.parametrize("policy", ["refuse", "local-share"])
@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_redis_is_away_for_a_while(deploy, tmp_path, how, policy):
    with own_redis(tmp_path) as redis:
        outcome = Outcome()
        world = deploy(more=REDIS.format(port=redis.port, policy=policy))

        async def take_away():
            await asyncio.sleep(2)
            if how == "frozen":
                with redis.frozen():
                    await asyncio.sleep(3)
            else:
                redis.stop()
                await asyncio.sleep(3)
                await asyncio.to_thread(redis.start)

        world.load(outcome, seconds=8, during=take_away)
        world.check(f"Redis {how}, {policy}", outcome)
        assert outcome.unanswered == []
        assert bool(outcome.told) == (policy == "refuse") or len(outcome.told) <= 8
        after = Outcome()
        world.load(after, calls=200)
        assert len(after.answered) == 200


@pytest.mark.parametrize("how", ["emptied", "evicting"])
def test_redis_forgets_now_and_then(deploy, tmp_path, how):
    options = ("--maxmemory", "8mb", "--maxmemory-policy", "allkeys-random")
    with own_redis(tmp_path, *options) as redis:
        outcome = Outcome()
        world = deploy(more=REDIS.format(port=redis.port, policy="refuse"))
        forgotten = 0

        async def forget():
            nonlocal forgotten
            for number in range(100):
                await asyncio.sleep(0.1)
                if how == "evicting":
                    for part in range(20):
                        redis.ask("SET", f"other:{number}:{part}", "x" * 100_000)
                    forgotten += not redis.ask("EXISTS", MONEY)
                elif number % 20 == 10:
                    redis.ask("FLUSHALL")
                    forgotten += 1

        world.load(outcome, seconds=12, during=forget)
        world.check(f"Redis {how}", outcome)
        assert forgotten
        assert outcome.unanswered == []
        after = Outcome()
        world.load(after, calls=200)
        assert len(after.answered) == 200


LONG_OUTAGE = 10_000
"""Calls: enough for a target to be tried again, and left out again, many times over."""


def test_the_first_target_is_down_for_long(deploy):
    outcome = Outcome()
    world = deploy("500", more="[routing]\nbreaker_seconds = 0.01\nretries = 0")
    world.load(outcome, calls=LONG_OUTAGE)
    world.check("outage, the second target is well", outcome)
    assert len(outcome.answered) == LONG_OUTAGE


def test_the_database_is_away_for_a_while(deploy):
    outcome, world = Outcome(), deploy()

    async def lock():
        await asyncio.sleep(1)
        with world.project.place.connect() as base:
            base.execute("BEGIN EXCLUSIVE")
            await asyncio.sleep(8)

    world.load(outcome, seconds=10, during=lock)
    world.check("database locked for 8 s", outcome)
    assert outcome.unanswered == []


def test_postgresql_stops_and_starts(deploy):
    with own_postgres() as postgres:
        Storage(postgres.url).close()
        outcome, world = Outcome(), deploy(url=postgres.url)

        async def take_away():
            for _ in range(3):
                await asyncio.sleep(2)
                await asyncio.to_thread(postgres.stop)
                await asyncio.sleep(2)
                await asyncio.to_thread(postgres.start)

        world.load(outcome, seconds=14, during=take_away)
        world.router.expect_log("the database does not accept usage")
        world.check("PostgreSQL stopped, 3 times", outcome)
        assert (outcome.unanswered, outcome.told) == ([], [])
        world.router.stop()
