"""Word of changed users and keys, carried to every process through Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import redis
from loguru import logger
from redis.backoff import NoBackoff
from redis.retry import Retry

from tornado_router.changes import Listener
from tornado_router.config.options import RedisOptions
from tornado_router.redis_link import (
    CONNECT_SECONDS,
    Connection,
    RedisAwayError,
    RedisLink,
    RedisReplyError,
    open_connection,
)

CHANNEL = "tornado-router:changes"

PROOF_SECONDS = 0.2
"""How often the subscription is asked whether it is there, and how long it has for the answer."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
ANNOUNCE_SECONDS = 1.0


class RedisChanges:
    """Changes that any process made. To be made and closed on the running event loop.

    Args:
        link: to Redis, to publish on; the subscription has a connection of its own.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._listeners: list[Listener] = []
        self._subscribed = False
        self._unpublished: set[int] = set()
        self._sending: asyncio.Task[None] | None = None
        self._task = _start(self._keep(), "changes in Redis")
        link.listen(self._hear_of_link)

    @property
    def live(self) -> bool:
        """See `Changes.live`."""
        return self._subscribed and self._link.available

    def listen(self, listener: Listener) -> None:
        """See `Changes.listen`."""
        self._listeners.append(listener)

    async def publish(self, user_id: int) -> None:
        """See `Changes.publish`. What does not get through is published when Redis is back."""
        self._tell(user_id)
        self._unpublished.add(user_id)
        await self._publish()

    async def close(self) -> None:
        """See `Changes.close`."""
        for task in (self._task, self._sending):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def _tell(self, user_id: int | None) -> None:
        for listener in self._listeners:
            listener(user_id)

    def _hear_of_link(self, available: bool) -> None:
        if available and self._unpublished and (self._sending is None or self._sending.done()):
            self._sending = _start(self._publish(), "changes that wait for Redis")

    async def _publish(self) -> None:
        with suppress(RedisAwayError, RedisReplyError):
            for user_id in list(self._unpublished):
                await self._link.call("PUBLISH", CHANNEL, user_id)
                self._unpublished.discard(user_id)

    async def _keep(self) -> None:
        """Subscribes, listens, and begins anew, for ever."""
        pause = FIRST_PAUSE
        while True:
            connection = None
            try:
                connection = await open_connection(
                    self._link.options, CONNECT_SECONDS, self._receive
                )
                await connection.call(PROOF_SECONDS, "SUBSCRIBE", CHANNEL)
                self._tell(None)  # nobody knows what changed before
                self._subscribed = True
                pause = FIRST_PAUSE
                await self._prove(connection)
            except (RedisAwayError, RedisReplyError) as error:
                logger.debug("no word of changes: {}", error)
            finally:
                self._subscribed = False
                if connection is not None:
                    connection.abort()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _prove(self, connection: Connection) -> None:
        """Asks whether it is still there, until it is not."""
        lost = asyncio.Event()
        connection.on_lost = lost.set
        while True:
            await connection.call(PROOF_SECONDS, "PING")
            with suppress(TimeoutError):
                async with asyncio.timeout(PROOF_SECONDS):
                    await lost.wait()

    def _receive(self, channel: bytes, data: bytes) -> None:
        """Passes word on; what is no id may mean anybody."""
        self._tell(int(data) if data.isdigit() and len(data) < 20 else None)


def announce(options: RedisOptions, user_id: int) -> bool:
    """Tells every router of a change. Blocks; for the command line.

    Args:
        options: where Redis is.
        user_id: whose account or keys changed.

    Returns:
        Whether Redis took it; otherwise the routers notice when what they remember times out.
    """
    client = redis.Redis(
        host=options.host,
        port=options.port,
        password=options.password or None,
        db=options.db,
        socket_timeout=ANNOUNCE_SECONDS,
        socket_connect_timeout=ANNOUNCE_SECONDS,
        retry=Retry(NoBackoff(), 0),  # by default it takes a quarter of a minute
    )
    try:
        with client:
            client.publish(CHANNEL, str(user_id))
    except (redis.RedisError, OSError):
        return False
    return True


def _start(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    return asyncio.get_running_loop().create_task(work, name=name)
