"""Shares failing targets between all processes through Redis.

An outage that one router has found costs the others no calls. Each router finds out by itself
whether the target is well again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from contextlib import suppress

import orjson

from tornado_router.background.supervisor import start_task
from tornado_router.redis.link import RedisLink
from tornado_router.redis.protocol import RedisAwayError, RedisReplyError
from tornado_router.redis.subscription import RedisSubscription
from tornado_router.routing.routes import Target

CHANNEL = "tornado-router:targets"

Listener = Callable[[Target, float], None]
"""Called with a target that another router leaves out from now on, and for how many seconds."""


class RedisTargets:
    """Publishes failing targets, and receives those of other routers.

    Args:
        link: to publish on.
        subscription: to receive those of others.
    """

    def __init__(self, link: RedisLink, subscription: RedisSubscription) -> None:
        self._link = link
        self._id = secrets.token_hex(8)
        self._listener: Listener | None = None
        subscription.listen(CHANNEL, self._receive)

    def listen(self, listener: Listener) -> None:
        """Calls a listener for each target that another router leaves out."""
        self._listener = listener

    def publish(self, target: Target, seconds: float) -> None:
        """Publishes that a target is left out for so long. While Redis is away, the others miss it.

        It is a number of seconds, not a time, because the clocks of machines differ.
        """
        message = orjson.dumps([self._id, target.provider, target.model, seconds])
        start_task("failures of targets to Redis", self._send(message))

    async def _send(self, message: bytes) -> None:
        with suppress(RedisAwayError, RedisReplyError):
            await self._link.call("PUBLISH", CHANNEL, message)

    def _receive(self, data: bytes) -> None:
        try:
            sender, provider, model, seconds = orjson.loads(data)
            target, seconds = Target(str(provider), str(model)), float(seconds)
        except (TypeError, ValueError):
            return  # of another version
        if sender != self._id and self._listener:
            self._listener(target, seconds)
