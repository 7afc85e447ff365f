"""Word of targets that fail, between processes, through a real Redis."""

import asyncio

import pytest

from tornado_router.config.options import RedisOptions
from tornado_router.redis.link import RedisLink
from tornado_router.redis.subscription import RedisSubscription
from tornado_router.routing.routes import Target
from tornado_router.routing.shared_health import CHANNEL, RedisTargets

from ..servers import own_redis
from ..support import DEADLINE

TARGET = Target("up", "m/é")


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


class Router:
    def __init__(self, port):
        self.options = RedisOptions(host="127.0.0.1", port=port, timeout=5.0)
        self.heard = []

    async def __aenter__(self):
        self.link = RedisLink(self.options)
        self.subscription = RedisSubscription(self.options)
        self.targets = RedisTargets(self.link, self.subscription)
        self.targets.listen(lambda *word: self.heard.append(word))
        return self

    async def __aexit__(self, *error):
        await self.subscription.close()
        await self.link.close()


async def until(ask):
    async with asyncio.timeout(DEADLINE):
        while not ask():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.005)


def test_others_hear_of_it_and_oneself_does_not(redis):
    async def story():
        async with Router(redis.port) as one, Router(redis.port) as other:
            await until(lambda: one.subscription.live and other.subscription.live)
            one.targets.publish(TARGET, 12.5)
            await until(lambda: other.heard)
            other.targets.publish(TARGET, 3)
            await until(lambda: one.heard)
            assert (one.heard, other.heard) == ([(TARGET, 3.0)], [(TARGET, 12.5)])

    asyncio.run(story())


@pytest.mark.parametrize("word", ["", "x", "[1]", '["a", "b", "c", "d"]', '["a", "b", "c", null]'])
def test_words_of_another_version_are_passed_over(redis, word):
    async def story():
        async with Router(redis.port) as one, Router(redis.port) as other:
            await until(lambda: one.subscription.live and other.subscription.live)
            redis.ask("PUBLISH", CHANNEL, word)
            one.targets.publish(TARGET, 1)
            await until(lambda: other.heard)
            assert other.heard == [(TARGET, 1.0)]

    asyncio.run(story())


def test_nobody_is_held_up_while_redis_is_away():
    async def story():
        async with Router(1) as router:
            router.targets.publish(TARGET, 1)
            names = {task.get_name() for task in asyncio.all_tasks()}
            assert "failures of targets to Redis" in names
            await until(lambda: len(asyncio.all_tasks()) < len(names))

    asyncio.run(story())
