"""A store that several processes share through Redis, for values that may be large.

They go through redis-py's pooled client, so that no command of the link waits behind them. It takes
7 MB, so it is imported only where Redis is configured.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from loguru import logger
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tornado_router.config.options import RedisOptions
from tornado_router.errors import RouterError
from tornado_router.redis.link import RedisLink
from tornado_router.redis.protocol import (
    CONNECT_SECONDS,
    Connection,
    RedisAwayError,
    RedisReplyError,
    run,
)
from tornado_router.redis.tls import redis_context

CONNECTIONS = 32

PREFIX = "tornado-router:"

CLEAR_SECONDS = 5.0
"""For each command of `clear`, which has time."""

CLEAR_BATCH = 1000

_FAILURES = (RedisError, OSError, TimeoutError)


class StoreAwayError(RouterError):
    """Redis does not respond, or refused."""


def connect(options: RedisOptions) -> aioredis.Redis:
    """A client of redis-py's, which connects when it is first used.

    Its pool waits for a connection to become free: redis-py's default one raises instead.

    Raises:
        OSError: the CA file cannot be used.
    """
    tls = redis_context(options)
    secured: dict[str, Any] = {"connection_class": _TlsConnection, "tls": tls} if tls else {}
    return aioredis.Redis.from_pool(  # closing the client closes such a pool, and no other
        aioredis.BlockingConnectionPool(
            **secured,
            host=options.host,
            port=options.port,
            username=options.username or None,
            password=options.password or None,
            db=options.db,
            max_connections=CONNECTIONS,
            timeout=options.timeout,
            socket_timeout=options.timeout,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # a command that waited for so long is not repeated
        )
    )


class _TlsConnection(aioredis.SSLConnection):
    """One of redis-py's with our TLS; its own would load the system's certificates each time."""

    def __init__(self, *, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = tls


class RedisStore:
    """Keeps values in Redis until they expire.

    When Redis does not respond, nothing is written or read, and the call goes on.

    Args:
        link: to Redis, for whether it is available. Values do not go through it.
        max_bytes: of one value; a larger one is not kept.
    """

    def __init__(self, link: RedisLink, max_bytes: int) -> None:
        self._link = link
        self._redis = connect(link.options)
        self._max_bytes = max_bytes

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keeps values, by key, for so many seconds."""
        if not self._link.available:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for key, data in values.items():
            if len(data) <= self._max_bytes:
                pipeline.set(PREFIX + key, data, px=max(1, int(seconds * 1000)))
        try:
            await pipeline.execute()
        except _FAILURES as error:
            logger.warning("write to Redis failed: {}", type(error).__name__)

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values that are still kept, in the order of the keys."""
        if not keys or not self._link.available:
            return [None] * len(keys)
        try:
            found: Any = await self._redis.mget([PREFIX + key for key in keys])
        except _FAILURES as error:
            logger.warning("read from Redis failed: {}", type(error).__name__)
            return [None] * len(keys)
        return list(found)

    async def close(self) -> None:
        """Closes the connections, but not the link."""
        await self._redis.aclose()


def clear(options: RedisOptions, prefix: str) -> int:
    """Deletes the keys with a prefix. Blocks; for the command line.

    Redis serves other clients meanwhile: keys are found and deleted a batch at a time.

    Args:
        options: where Redis is.
        prefix: of the keys.

    Returns:
        How many there were.

    Raises:
        StoreAwayError: Redis does not respond, or refuses.
    """
    scan = ("MATCH", f"{PREFIX}{prefix}*", "COUNT", CLEAR_BATCH)

    async def delete(connection: Connection) -> int:
        count, cursor = 0, b"0"
        while True:
            cursor, keys = await connection.call(CLEAR_SECONDS, "SCAN", cursor, *scan)
            if keys:
                count += await connection.call(CLEAR_SECONDS, "UNLINK", *keys)
            if cursor == b"0":
                return count

    try:
        return run(options, CLEAR_SECONDS, delete)
    except (RedisAwayError, RedisReplyError) as error:
        raise StoreAwayError(str(error)) from None
