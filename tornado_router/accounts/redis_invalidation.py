"""Announces changed users and keys to every process, through Redis."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tornado_router.accounts.invalidation import Listener
from tornado_router.background.supervisor import start_task
from tornado_router.redis.link import RedisLink
from tornado_router.redis.protocol import RedisAwayError, RedisReplyError
from tornado_router.redis.subscription import RedisSubscription

CHANNEL = "tornado-router:changes"


class RedisInvalidation:
    """Announces changes, and learns of theirs. To be made and closed on the running event loop.

    Args:
        link: to Redis, to publish on.
        subscription: to learn of changes by other processes.
    """

    def __init__(self, link: RedisLink, subscription: RedisSubscription) -> None:
        self._link = link
        self._subscription = subscription
        self._listeners: list[Listener] = []
        self._unpublished: dict[int, object] = {}  # the last change of each user
        self._sending: asyncio.Task[None] | None = None
        link.listen(self._on_link)
        subscription.listen(CHANNEL, self._receive, self._begin)

    @property
    def live(self) -> bool:
        """See `Invalidation.live`."""
        return self._subscription.live and self._link.available

    def listen(self, listener: Listener) -> None:
        """See `Invalidation.listen`."""
        self._listeners.append(listener)

    async def publish(self, user_id: int) -> None:
        """See `Publisher.publish`. What does not get through is published when Redis is back."""
        self._call_listeners(user_id)
        self._unpublished[user_id] = object()
        await self._publish()

    async def close(self) -> None:
        """See `Invalidation.close`."""
        if self._sending is not None:
            self._sending.cancel()
            with suppress(asyncio.CancelledError):
                await self._sending

    def _call_listeners(self, user_id: int | None) -> None:
        for listener in self._listeners:
            listener(user_id)

    def _on_link(self, available: bool) -> None:
        if available and self._unpublished and (self._sending is None or self._sending.done()):
            self._sending = start_task("changes that wait for Redis", self._publish())

    async def _publish(self) -> None:
        with suppress(RedisAwayError, RedisReplyError):
            for user_id, change in list(self._unpublished.items()):
                await self._link.call("PUBLISH", CHANNEL, user_id)
                if self._unpublished.get(user_id) is change:  # another may have come meanwhile
                    del self._unpublished[user_id]

    def _receive(self, data: bytes) -> None:
        """Passes a change on; data that is not an id may mean any user."""
        self._call_listeners(int(data) if data.isdigit() and len(data) < 20 else None)

    def _begin(self) -> None:
        """Any user may have changed before the subscription began."""
        self._call_listeners(None)


class RedisPublisher:
    """Announces changes, and learns of none; for the command line.

    Args:
        link: to Redis.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    async def publish(self, user_id: int) -> None:
        """See `Publisher.publish`. If Redis is away, routers look keys up anew soon anyway."""
        with suppress(RedisAwayError, RedisReplyError):
            await self._link.call("PUBLISH", CHANNEL, user_id)
