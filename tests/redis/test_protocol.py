"""Redis's protocol on one connection, against a real Redis."""

import asyncio

import pytest

from tornado_router.config.options import RedisOptions
from tornado_router.redis.protocol import (
    RedisAwayError,
    RedisReplyError,
    open_connection,
    run,
)

from ..servers import own_redis

SECONDS = 10.0
"""More than a busy machine needs."""


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with own_redis(tmp_path_factory.mktemp("redis")) as redis:
        yield redis


def connected(port, story, **options):
    """Runs a story of a connection."""
    location = RedisOptions(host="127.0.0.1", port=port, **options)
    return run(location, SECONDS, story)


def test_replies_come_to_their_commands(redis):
    async def story(connection):
        words = [f"word {number}" for number in range(1000)]
        calls = (connection.call(SECONDS, "ECHO", word) for word in words)
        return [reply.decode() for reply in await asyncio.gather(*calls)] == words

    assert connected(redis.port, story)


def test_a_refusal_concerns_one_command(redis):
    async def story(connection):
        with pytest.raises(RedisReplyError, match="unknown command"):
            await connection.call(SECONDS, "NOSUCH")
        return await connection.call(SECONDS, "PING"), connection.lost

    assert connected(redis.port, story) == (b"PONG", False)


def test_a_late_reply_is_discarded(redis):
    async def story(connection):
        with pytest.raises(RedisAwayError, match="did not respond in time"):
            await connection.call(0.01, "BLPOP", "nothing here", "0.5")
        return await connection.call(SECONDS, "ECHO", "next")

    assert connected(redis.port, story) == b"next"


def test_a_database_of_its_own(redis):
    async def story(connection):
        await connection.call(SECONDS, "SET", "here", 1)

    connected(redis.port, story, db=3)
    assert redis.ask("EXISTS", "here") == 0


def test_a_lost_connection_ends_what_waits(redis):
    async def story(connection):
        lost = asyncio.Event()
        connection.on_lost = lost.set
        waiting = asyncio.gather(
            *(connection.call(SECONDS, "BLPOP", "nothing here", "0") for _ in range(2)),
            return_exceptions=True,
        )
        await asyncio.sleep(0)
        connection.abort()
        outcomes = await waiting
        await lost.wait()
        with pytest.raises(RedisAwayError, match="is lost"):
            await connection.call(SECONDS, "PING")
        return [type(outcome) for outcome in outcomes], connection.lost

    assert connected(redis.port, story) == ([RedisAwayError] * 2, True)


def test_what_is_not_redis_is_not_talked_to():
    async def main():
        async def serve(reader, writer):
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await reader.read(10)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RedisAwayError):
            await open_connection(RedisOptions(host="127.0.0.1", port=port), SECONDS)
        server.close()

    asyncio.run(main())
