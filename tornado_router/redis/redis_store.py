"""A store that several processes share through Redis.

Apart from `stores.py` because redis-py takes 7 MB that a router without Redis has no use for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loguru import logger
from redis.exceptions import RedisError

from tornado_router.config.options import RedisOptions
from tornado_router.errors import RouterError
from tornado_router.redis.link import (
    Connection,
    RedisAwayError,
    RedisLink,
    RedisReplyError,
    connect,
    run,
)

PREFIX = "tornado-router:"

CLEAR_SECONDS = 5.0
"""For each command of `clear`, which has time."""

CLEAR_BATCH = 1000

_FAILURES = (RedisError, OSError, TimeoutError)


class StoreAwayError(RouterError):
    """Redis did not do what was asked of it."""


class RedisStore:
    """Keeps values in Redis, which itself forgets what is old.

    When Redis does not answer, nothing is written or read, and the call goes on.

    Args:
        link: to Redis, which says whether it is there. A value may be large, so it comes and goes
            on a connection that nobody else waits for.
        max_bytes: of one value; a larger one is not kept.
    """

    def __init__(self, link: RedisLink, max_bytes: int) -> None:
        self._link = link
        self._redis = connect(link.options)
        self._max_bytes = max_bytes

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keeps values, by key, for so long."""
        if not self._link.available:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for key, data in values.items():
            if len(data) <= self._max_bytes:
                pipeline.set(PREFIX + key, data, px=max(1, int(seconds * 1000)))
        try:
            await pipeline.execute()
        except _FAILURES as error:
            logger.warning("nothing was written to Redis: {}", type(error).__name__)

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is still kept, in the order of the keys."""
        if not keys or not self._link.available:
            return [None] * len(keys)
        try:
            found: Any = await self._redis.mget([PREFIX + key for key in keys])
        except _FAILURES as error:
            logger.warning("nothing was read from Redis: {}", type(error).__name__)
            return [None] * len(keys)
        return list(found)

    async def close(self) -> None:
        """Closes the connections, but not the link."""
        await self._redis.aclose()


def clear(options: RedisOptions, prefix: str) -> int:
    """Deletes what is stored under keys with a prefix. Blocks; for the command line.

    Redis serves others meanwhile: keys are looked for and deleted a batch at a time.

    Args:
        options: where Redis is.
        prefix: of the keys.

    Returns:
        How many there were.

    Raises:
        StoreAwayError: Redis does not answer, or refuses.
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
