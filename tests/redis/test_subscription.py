"""A subscription through a real Redis; what it carries is tested where that is made."""

import asyncio

import pytest

from tornado_router.config.options import RedisOptions
from tornado_router.redis.subscription import RedisSubscription

from ..servers import own_redis
from ..support import DEADLINE


@pytest.fixture
def redis(tmp_path):
    with own_redis(tmp_path) as redis:
        yield redis


async def until(ask):
    async with asyncio.timeout(DEADLINE):
        while not ask():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.005)


def test_each_channel_has_its_listener_also_after_the_connection_was_lost(redis):
    heard, begun = [], []

    async def story():
        subscription = RedisSubscription(RedisOptions(host="127.0.0.1", port=redis.port))
        subscription.listen("a", lambda data: heard.append(("a", data)), lambda: begun.append("a"))
        subscription.listen("b", lambda data: heard.append(("b", data)))
        await until(lambda: subscription.live)
        redis.ask("PUBLISH", "a", "1")
        redis.ask("PUBLISH", "b", "2")
        redis.ask("PUBLISH", "c", "3")
        await until(lambda: len(heard) == 2)
        redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
        await until(lambda: len(begun) == 2)
        await until(lambda: subscription.live)
        redis.ask("PUBLISH", "b", "4")
        await until(lambda: len(heard) == 3)
        await subscription.close()

    asyncio.run(story())
    assert heard == [("a", b"1"), ("b", b"2"), ("b", b"4")]
    assert begun == ["a", "a"]
