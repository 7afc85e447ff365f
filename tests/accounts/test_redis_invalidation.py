"""Word of changes between processes, through a real Redis."""

import asyncio

import pytest

from tornado_router.accounts.redis_invalidation import CHANNEL, RedisInvalidation, RedisPublisher
from tornado_router.config.options import RedisOptions
from tornado_router.redis.link import RedisLink
from tornado_router.redis.protocol import RedisAwayError
from tornado_router.redis.subscription import RedisSubscription

from ..servers import own_redis
from ..support import DEADLINE


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture
def redis(server):
    if server.process.poll() is not None:
        server.start()
    return server


class Router:
    """A process's part in it, and what it heard."""

    def __init__(self, port):
        self.options = RedisOptions(host="127.0.0.1", port=port, timeout=5.0)
        self.heard = []

    async def __aenter__(self):
        self.link = RedisLink(self.options)
        self.subscription = RedisSubscription(self.options)
        self.invalidation = RedisInvalidation(self.link, self.subscription)
        self.invalidation.listen(self.heard.append)
        return self

    async def __aexit__(self, *error):
        await self.invalidation.close()
        await self.subscription.close()
        await self.link.close()


async def until(ask):
    async with asyncio.timeout(DEADLINE):
        while not ask():  # noqa: ASYNC110 - nothing tells when
            await asyncio.sleep(0.005)


class Link:
    """A link, or a subscription, whose responses come when the test has them."""

    available = True

    def __init__(self):
        self.waiting = []

    def listen(self, *listeners):
        self.changed = listeners[-1]

    async def call(self, *words):
        self.waiting.append(asyncio.get_running_loop().create_future())
        return await self.waiting[-1]

    async def asked(self, count):
        await until(lambda: len(self.waiting) == count)
        return self.waiting[-1]


def test_a_change_that_was_lost_behind_another_of_the_same_user_is_published_again():
    async def story():
        link = Link()
        invalidation = RedisInvalidation(link, Link())
        async with asyncio.TaskGroup() as group:
            group.create_task(invalidation.publish(7))
            first = await link.asked(1)
            group.create_task(invalidation.publish(7))
            second = await link.asked(2)
            first.set_result(1)
            second.set_exception(RedisAwayError("the connection to Redis is lost"))
        link.changed(True)
        (await link.asked(3)).set_result(1)
        await invalidation.close()

    asyncio.run(story())


def test_what_one_publishes_another_hears(redis):
    async def story():
        async with Router(redis.port) as one, Router(redis.port) as other:
            await until(lambda: one.invalidation.live and other.invalidation.live)
            assert set(other.heard) == {None}  # anybody may have changed before
            async with asyncio.timeout(DEADLINE):
                # A machine that stands still for a moment loses the subscription, and the word.
                while 7 not in other.heard:
                    await one.invalidation.publish(7)
                    await asyncio.sleep(0.05)
            assert 7 in one.heard

    asyncio.run(story())


def test_the_command_line_is_heard(redis):
    async def story():
        async with Router(redis.port) as router:
            await until(lambda: router.invalidation.live)
            await RedisPublisher(router.link).publish(12)
            await until(lambda: 12 in router.heard)

    asyncio.run(story())


def test_words_that_nobody_understands_mean_anybody(redis):
    async def story():
        async with Router(redis.port) as router:
            await until(lambda: router.invalidation.live)
            redis.ask("PUBLISH", CHANNEL, "x")
            redis.ask("PUBLISH", CHANNEL, "9" * 5000)
            redis.ask("PUBLISH", CHANNEL, "3")
            await until(lambda: 3 in router.heard)
            assert router.heard.count(None) >= 3

    asyncio.run(story())


def test_frozen_it_is_not_live_and_thawed_it_is(redis):
    async def story():
        async with Router(redis.port) as router:
            await until(lambda: router.invalidation.live)
            loop = asyncio.get_running_loop()
            with redis.frozen():
                since = loop.time()
                await until(lambda: not router.invalidation.live)
                waited = loop.time() - since
                await until(lambda: not router.subscription.live)
            await until(lambda: router.invalidation.live)
            assert router.heard == [None, None]
            return waited

    assert asyncio.run(story()) < 5


def test_stopped_and_started(redis):
    async def story():
        async with Router(redis.port) as router:
            await until(lambda: router.invalidation.live)
            redis.stop()
            await until(lambda: not router.invalidation.live)
            await router.invalidation.publish(5)  # heard here, and elsewhere when Redis is back
            assert router.heard == [None, 5]
            await asyncio.to_thread(redis.start)
            async with Router(redis.port) as other:
                await until(lambda: router.invalidation.live and other.invalidation.live)
                await until(lambda: not router.invalidation._unpublished)
                await router.invalidation.publish(6)
                await until(lambda: 6 in other.heard)

    asyncio.run(story())


def test_a_lost_subscription_is_made_again(redis):
    async def story():
        async with Router(redis.port) as router:
            await until(lambda: router.invalidation.live)
            redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
            await until(lambda: router.heard == [None, None])
            await until(lambda: router.invalidation.live)

    asyncio.run(story())


def test_nobody_there():
    async def story():
        async with Router(1) as router:
            await router.invalidation.publish(5)
            assert router.heard == [5]
            assert not router.invalidation.live

    asyncio.run(story())


def test_the_command_line_does_not_wait_for_a_frozen_redis(redis):
    async def story():
        link = RedisLink(RedisOptions(host="127.0.0.1", port=redis.port, timeout=0.25))
        try:
            await RedisPublisher(link).publish(5)
        finally:
            await link.close()

    with redis.frozen():
        asyncio.run(story())
