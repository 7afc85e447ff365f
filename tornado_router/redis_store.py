"""A store that several processes share through Redis.

Apart from `stores.py` because redis-py takes 7 MB that a router without Redis has no use for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loguru import logger
from redis.exceptions import RedisError

from tornado_router.redis_link import RedisLink, connect

PREFIX = "tornado-router:"

_FAILURES = (RedisError, OSError, TimeoutError)


class RedisStore:
    """Keeps values in Redis, which itself forgets what is old.

    When Redis does not answer, nothing is kept or found, and the call goes on.

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
            logger.warning("Redis keeps nothing: {}", type(error).__name__)

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is still kept, in the order of the keys."""
        if not keys or not self._link.available:
            return [None] * len(keys)
        try:
            found: Any = await self._redis.mget([PREFIX + key for key in keys])
        except _FAILURES as error:
            logger.warning("Redis finds nothing: {}", type(error).__name__)
            return [None] * len(keys)
        return list(found)

    async def close(self) -> None:
        """Closes the connections, but not the link."""
        await self._redis.aclose()
