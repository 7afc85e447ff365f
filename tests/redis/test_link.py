"""The link to Redis: budget, breaker and recovery, against a real Redis and real trouble."""

import asyncio
import time

import pytest
from loguru import logger

from tornado_router.config.options import RedisOptions
from tornado_router.redis import link as link_module
from tornado_router.redis.link import RedisLink
from tornado_router.redis.protocol import RedisAwayError

from ..servers import own_redis, slow_proxy
from ..support import DEADLINE

BUDGET = 0.1
"""Where it runs out; elsewhere it is ample, as the machine may be busy."""

PASSWORD = "a secret of Redis"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


@pytest.fixture
def redis(server):
    if server.process.poll() is not None:
        server.start()
    return server


@pytest.fixture
def log():
    lines = []
    sink = logger.add(lines.append, format="{level} {message}", level="INFO")
    yield lines
    logger.remove(sink)


def told(port, story, **options):
    """Runs a story of a link."""

    async def run():
        link = RedisLink(
            RedisOptions(**{"host": "127.0.0.1", "port": port, "timeout": 1.0, **options})
        )
        try:
            return await story(link)
        finally:
            await link.close()

    return asyncio.run(run())


async def until(link, available):
    async with asyncio.timeout(DEADLINE):
        while link.available is not available:  # noqa: ASYNC110 - the listeners are tested apart
            await asyncio.sleep(0.005)


async def answered(link):
    """Waits until a command is answered."""
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                return await link.call("PING")
            except RedisAwayError:
                await asyncio.sleep(0.005)


def test_the_first_command_waits_for_the_connection(redis):
    async def story(link):
        return await link.call("ECHO", "hello")

    assert told(redis.port, story) == b"hello"


def test_a_password(tmp_path, log):
    async def story(link):
        return await link.call("PING")

    with own_redis(tmp_path, "--requirepass", PASSWORD) as locked:
        assert told(locked.port, story, password=PASSWORD) == b"PONG"
        for wrong in ({"password": "a wrong secret"}, {}):
            with pytest.raises(RedisAwayError):
                told(locked.port, story, **wrong)
    assert len(log) == 2
    assert "WRONGPASS" in log[0]
    assert "NOAUTH" in log[1]
    assert "secret" not in "".join(log)


def test_nobody_there(log):
    async def story(link):
        with pytest.raises(RedisAwayError):
            await link.call("PING")
        await until(link, False)
        with pytest.raises(RedisAwayError):
            link.call("PING").send(None)  # at once: it does not wait for anything
        await asyncio.sleep(3 * link_module.PROBE_SECONDS)

    told(1, story, timeout=BUDGET)
    assert len(log) == 1
    assert "Redis is away" in log[0]


def test_a_host_that_never_answers(full_port):
    async def story(link):
        since = time.monotonic()
        with pytest.raises(RedisAwayError):
            await link.call("PING")
        waited = time.monotonic() - since
        await until(link, False)
        return waited

    assert told(full_port, story, timeout=BUDGET) < link_module.CONNECT_SECONDS


def test_frozen_and_thawed(redis, log):
    heard = []

    async def story(link):
        link.listen(heard.append)
        await answered(link)
        tries = 0
        with redis.frozen():
            while link.available:
                tries += 1
                with pytest.raises(RedisAwayError):
                    await link.call("PING")
            for _ in range(1000):
                with pytest.raises(RedisAwayError):
                    link.call("PING").send(None)
        await until(link, True)
        return tries, await answered(link)

    tries, answer = told(redis.port, story, timeout=BUDGET)
    assert 1 <= tries <= 3
    assert answer == b"PONG"
    assert heard[-2:] == [False, True]
    assert [line.split()[0] for line in log] == ["WARNING", "INFO"]


def test_a_freeze_is_noticed_though_nobody_asks(redis):
    async def story(link):
        await answered(link)
        with redis.frozen():
            await until(link, False)

    told(redis.port, story, timeout=BUDGET)


def test_stopped_and_started(redis):
    async def story(link):
        await link.call("PING")
        redis.stop()
        await until(link, False)
        await asyncio.to_thread(redis.start)
        return await answered(link)

    assert told(redis.port, story) == b"PONG"


def test_a_lost_connection_is_replaced_before_anybody_is_refused(redis, log):
    async def story(link):
        await link.call("PING")
        await asyncio.sleep(2 * link_module.PROBE_SECONDS)
        redis.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        return await answered(link)

    assert told(redis.port, story) == b"PONG"
    assert not log


def test_a_late_reply_is_nobody_s(redis):
    async def story():
        async with slow_proxy(redis.port) as proxy:
            link = RedisLink(RedisOptions(host="127.0.0.1", port=proxy.port, timeout=0.25))
            await answered(link)
            proxy.seconds = 1.0  # much later than it is waited for, on a slow machine as well
            with pytest.raises(RedisAwayError):
                await link.call("ECHO", "late")
            proxy.seconds = 0
            try:
                async with asyncio.timeout(DEADLINE):
                    while True:
                        try:
                            return await link.call("ECHO", "soon")
                        except RedisAwayError:
                            await asyncio.sleep(0.01)
            finally:
                await link.close()

    assert asyncio.run(story()) == b"soon"


def test_slow_is_away_and_fast_again_is_back(redis):
    async def story():
        async with slow_proxy(redis.port) as proxy:
            link = RedisLink(RedisOptions(host="127.0.0.1", port=proxy.port, timeout=BUDGET))
            await answered(link)
            proxy.seconds = 3 * BUDGET
            await until(link, False)
            proxy.seconds = 0
            await until(link, True)
            await answered(link)
            await link.close()

    asyncio.run(story())


def test_a_loop_that_was_busy_blames_nobody(redis):
    async def story(link):
        await answered(link)
        waiting = asyncio.get_running_loop().create_task(link.call("PING"), name="ping")
        await asyncio.sleep(0)
        time.sleep(3 * BUDGET)  # noqa: ASYNC251 - on purpose
        return await waiting

    assert told(redis.port, story, timeout=BUDGET) == b"PONG"


def test_a_loop_that_is_busy_while_it_connects_blames_nobody(redis, log):
    async def story(link):
        waiting = asyncio.get_running_loop().create_task(link.call("PING"), name="ping")
        for _ in range(5):
            await asyncio.sleep(0)
            time.sleep(2 * BUDGET)  # noqa: ASYNC251 - on purpose
        return await waiting

    assert told(redis.port, story, timeout=BUDGET) == b"PONG"
    assert not log


@pytest.mark.parametrize("late", [1, 2])
def test_one_late_response_means_nothing_and_two_do(redis, log, late):
    async def story():
        async with slow_proxy(redis.port) as proxy:
            link = RedisLink(RedisOptions(host="127.0.0.1", port=proxy.port, timeout=0.5))
            await answered(link)
            proxy.seconds = 0 if late == 1 else 5.0
            if late == 1:
                with redis.frozen():
                    await asyncio.sleep(0.6)  # longer than a command may take, not than two
            else:
                await until(link, False)
            available = link.available
            await link.close()
            return available

    assert asyncio.run(story()) == (late == 1)


def test_who_speaks_another_language_is_no_redis():
    async def story():
        async def serve(reader, writer):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await reader.read(10)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        link = RedisLink(
            RedisOptions(host="127.0.0.1", port=server.sockets[0].getsockname()[1], timeout=BUDGET)
        )
        await until(link, False)
        await link.close()
        server.close()

    asyncio.run(story())


def test_closed_it_refuses(redis):
    async def story(link):
        await link.call("PING")
        await link.close()
        with pytest.raises(RedisAwayError):
            await link.call("PING")

    told(redis.port, story)
