"""State that all routers of a deployment share: in the memory of one process, or in Redis."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tornado_router.accounts.invalidation import Invalidation, LocalInvalidation
from tornado_router.calls.stores import ProcessStore, Store, WriteBehind
from tornado_router.calls.tool_state import ToolState
from tornado_router.config.reader import Config
from tornado_router.limits.limiter import Limiter
from tornado_router.limits.memory import MemoryLimiter

if TYPE_CHECKING:
    from tornado_router.limits.epoch import Books
    from tornado_router.redis.link import RedisLink
    from tornado_router.redis.subscription import RedisSubscription
    from tornado_router.routing.shared_health import RedisTargets

WRITES_MAX_BYTES = 16 * 1024 * 1024
"""Of cached responses on their way to Redis; more are not cached while Redis is slow."""


@dataclass(frozen=True)
class Shared:
    """State that all routers of a deployment share, whether they are one process or many.

    Attributes:
        memory: state of tool calls that providers need back.
        responses: the response cache.
        invalidation: announces changes of users and keys.
        limiter: rates, budgets and credits.
        link: to Redis, or None where there is one process.
        subscription: to what other processes publish in Redis.
        targets: which targets other processes found failing.
    """

    memory: ToolState
    responses: Store
    invalidation: Invalidation
    limiter: Limiter
    link: RedisLink | None = None
    subscription: RedisSubscription | None = None
    targets: RedisTargets | None = None

    async def close(self) -> None:
        """Finishes what is under way, and closes the connections."""
        async with AsyncExitStack() as later:  # in reverse, each whatever became of the others
            if self.link:
                later.push_async_callback(self.link.close)
            if self.subscription:
                later.push_async_callback(self.subscription.close)
            for part in (self.responses, self.memory, self.invalidation, self.limiter):
                later.push_async_callback(part.close)


def keep_in_process(config: Config) -> Shared:
    """State in the memory of the one process that there is."""
    return Shared(
        ToolState(ProcessStore(config.memory.max_bytes), config.memory.seconds),
        ProcessStore(config.cache.max_bytes),
        LocalInvalidation(),
        MemoryLimiter(),
    )


def share_in_redis(config: Config, books: Books) -> Shared:
    """State in Redis. To be called on the running event loop.

    Args:
        config: of this router.
        books: asked when Redis has forgotten what is spent.
    """
    # 7 MB, which a router without Redis has no use for
    from tornado_router.accounts.redis_invalidation import RedisInvalidation  # noqa: PLC0415
    from tornado_router.limits.guarded import GuardedLimiter  # noqa: PLC0415
    from tornado_router.limits.redis import RedisLimiter  # noqa: PLC0415
    from tornado_router.redis.link import RedisLink  # noqa: PLC0415
    from tornado_router.redis.store import RedisStore  # noqa: PLC0415
    from tornado_router.redis.subscription import RedisSubscription  # noqa: PLC0415
    from tornado_router.routing.shared_health import RedisTargets  # noqa: PLC0415

    link = RedisLink(config.redis_location)
    subscription = RedisSubscription(config.redis_location)
    remote = RedisLimiter(link, config.limits.lease_seconds, subscription=subscription, books=books)
    processes = max(config.limits.processes, config.server.workers)
    limits = replace(config.limits, processes=processes)
    return Shared(
        ToolState(RedisStore(link, config.memory.max_bytes), config.memory.seconds),
        WriteBehind(RedisStore(link, config.cache.max_bytes), WRITES_MAX_BYTES),
        RedisInvalidation(link, subscription),
        GuardedLimiter(remote, MemoryLimiter(), limits),
        link,
        subscription,
        RedisTargets(link, subscription),
    )
