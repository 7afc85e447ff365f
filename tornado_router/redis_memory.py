"""The memory of what providers need back, shared by several processes through Redis.

Apart from `memory.py` because redis-py takes 7 MB that a router without Redis has no use for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from loguru import logger
from redis.exceptions import RedisError

from tornado_router.memory import Owner
from tornado_router.redis_link import RedisLink, connect

_FAILURES = (RedisError, OSError, TimeoutError)


class RedisMemory:
    """A memory that several processes share. Redis itself forgets what is old.

    When Redis does not answer, nothing is kept or found, and the call goes on: a vendor that
    wanted to see something again says so itself, or thinks anew.

    Args:
        link: to Redis, which says whether it is there. A value may be large, so it comes and goes
            on a connection that nobody else waits for.
        seconds: how long a value is kept.
        max_bytes: of one value; a larger one is not kept.
    """

    def __init__(self, link: RedisLink, seconds: float, max_bytes: int) -> None:
        self._link = link
        self._redis = connect(link.options)
        self._milliseconds = max(1, int(seconds * 1000))
        self._max_bytes = max_bytes

    async def keep(self, owner: Owner, values: Mapping[str, Any]) -> None:
        """Keeps values under their tool call ids."""
        if not self._link.available:
            return
        pipeline = self._redis.pipeline(transaction=False)
        for tool_call_id, value in values.items():
            data = orjson.dumps(value)
            if len(data) <= self._max_bytes:
                pipeline.set(_key(owner, tool_call_id), data, px=self._milliseconds)
        try:
            await pipeline.execute()
        except _FAILURES as error:
            logger.warning("Redis keeps nothing: {}", type(error).__name__)

    async def recall(self, owner: Owner, tool_call_ids: list[str]) -> dict[str, Any]:
        """What is still kept of some tool calls."""
        if not tool_call_ids or not self._link.available:
            return {}
        try:
            values = await self._redis.mget([_key(owner, name) for name in tool_call_ids])
        except _FAILURES as error:
            logger.warning("Redis recalls nothing: {}", type(error).__name__)
            return {}
        found = zip(tool_call_ids, values, strict=True)
        return {name: orjson.loads(data) for name, data in found if data is not None}

    async def close(self) -> None:
        """Closes the connections, but not the link."""
        await self._redis.aclose()


def _key(owner: Owner, tool_call_id: str) -> str:
    user_id, provider = owner
    return f"tornado-router:memory:{user_id}:{provider}:{tool_call_id}"
