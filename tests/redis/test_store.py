"""What several routers keep together, against a real Redis."""

import asyncio

import pytest

from tornado_router.calls.tool_state import ToolState
from tornado_router.config.options import RedisOptions
from tornado_router.redis import store
from tornado_router.redis.link import RedisLink
from tornado_router.redis.store import RedisStore, StoreAwayError, clear

from ..servers import own_redis, redis_server
from ..support import DEADLINE

ME, YOU = (1, "google"), (2, "google")


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as (process, port):
        yield process, port


@pytest.fixture
def options(redis):
    return RedisOptions(host="127.0.0.1", port=redis[1], timeout=5.0)


def with_memory(options, story, *, seconds=60.0, max_bytes=1000):
    """Runs a story against a memory of its own."""

    async def run():
        link = RedisLink(options)
        memory = ToolState(RedisStore(link, max_bytes), seconds)
        try:
            return await story(memory)
        finally:
            await memory.close()
            await link.close()

    return asyncio.run(run())


def test_what_one_router_kept_another_recalls(options):
    async def keep(memory):
        await memory.keep(ME, {"call_1": {"signature": "é"}, "call_2": [1, None]})

    async def recall(memory):
        return await memory.recall(ME, ["call_1", "call_2", "call_3"])

    with_memory(options, keep)
    assert with_memory(options, recall) == {"call_1": {"signature": "é"}, "call_2": [1, None]}


def test_it_is_the_users_own(options):
    async def story(memory):
        await memory.keep(ME, {"mine": 1})
        return await memory.recall(YOU, ["mine"])

    assert with_memory(options, story) == {}


def test_a_large_value_is_not_kept(options):
    async def story(memory):
        await memory.keep(ME, {"large": "x" * 1000, "small": "x"})
        return await memory.recall(ME, ["large", "small"])

    assert with_memory(options, story) == {"small": "x"}


def test_it_forgets_in_time(options):
    async def story(memory):
        await memory.keep(ME, {"brief": 1})
        for _ in range(1000):
            if not await memory.recall(ME, ["brief"]):
                return True
            await asyncio.sleep(0.01)
        return False

    assert with_memory(options, story, seconds=0.05)


def test_nothing_asked_is_nothing_sent():
    async def story(memory):
        return await memory.recall(ME, [])

    nowhere = RedisOptions(host="127.0.0.1", port=1)
    assert with_memory(nowhere, story) == {}


def test_without_redis_a_call_goes_on(options):
    async def story(memory):
        await memory.keep(ME, {"call": 1})
        return await memory.recall(ME, ["call"])

    nowhere = RedisOptions(host="127.0.0.1", port=1)
    assert with_memory(nowhere, story) == {}


def test_a_frozen_redis_holds_no_call_up(tmp_path):
    async def story(memory):
        await memory.keep(ME, {"call": 1})
        with redis.frozen():
            frozen = await memory.recall(ME, ["call"])
            async with asyncio.timeout(DEADLINE):
                while memory._store._link.available:  # noqa: ASYNC110 - nothing tells when
                    await asyncio.sleep(0.01)
            refused = memory.recall(ME, ["call"])
            with pytest.raises(StopIteration, match=r"\{\}"):
                refused.send(None)  # at once: it asks nobody
            await memory.keep(ME, {"lost": 1})
        async with asyncio.timeout(DEADLINE):
            while not memory._store._link.available:  # noqa: ASYNC110 - nothing tells when
                await asyncio.sleep(0.01)
        return frozen, await memory.recall(ME, ["call", "lost"])

    with own_redis(tmp_path) as redis:
        options = RedisOptions(host="127.0.0.1", port=redis.port, timeout=0.25)
        frozen, thawed = with_memory(options, story)
    assert frozen == {}
    assert thawed == {"call": 1}


class TestClear:
    def test_it_deletes_what_has_the_prefix_and_nothing_else(self, tmp_path, monkeypatch):
        monkeypatch.setattr(store, "CLEAR_BATCH", 10)
        with own_redis(tmp_path) as redis:
            options = RedisOptions(host="127.0.0.1", port=redis.port)
            for number in range(100):
                redis.ask("SET", f"tornado-router:cache:1:{number}", "x")
            others = ["tornado-router:memory:1", "tornado-router:cach", "cache:1"]
            for name in others:
                redis.ask("SET", name, "x")
            assert clear(options, "cache:") == 100
            assert sorted(map(bytes.decode, redis.ask("KEYS", "*"))) == sorted(others)
            assert clear(options, "cache:") == 0

    def test_without_redis_it_says_so(self, tmp_path, monkeypatch):
        monkeypatch.setattr(store, "CLEAR_SECONDS", 0.1)
        with pytest.raises(StoreAwayError, match="cannot connect"):
            clear(RedisOptions(host="127.0.0.1", port=1), "cache:")
        with own_redis(tmp_path) as redis, redis.frozen(), pytest.raises(StoreAwayError):
            clear(RedisOptions(host="127.0.0.1", port=redis.port), "cache:")
