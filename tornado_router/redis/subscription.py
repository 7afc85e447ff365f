"""Hears what any process publishes in Redis, over one connection that is made anew when lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from loguru import logger

from tornado_router.background.supervisor import keep_task
from tornado_router.config.options import RedisOptions
from tornado_router.redis.link import (
    CONNECT_SECONDS,
    Connection,
    RedisAwayError,
    RedisReplyError,
    open_connection,
)

PROOF_SECONDS = 0.2
"""How often the subscription is asked whether it is there, and how long it has for the answer."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class _Listener(NamedTuple):
    hear: Callable[[bytes], None]
    begin: Callable[[], None] | None


class RedisSubscription:
    """The subscription of one process. To be made and closed on the running event loop.

    Args:
        options: where Redis is.

    Attributes:
        live: whether what is published now is heard.
    """

    def __init__(self, options: RedisOptions) -> None:
        self.live = False
        self._options = options
        self._listeners: dict[bytes, _Listener] = {}
        self._task = keep_task("subscription in Redis", self._keep)

    def listen(
        self,
        channel: str,
        hear: Callable[[bytes], None],
        begin: Callable[[], None] | None = None,
    ) -> None:
        """Has somebody told what comes on a channel; before the loop goes on.

        Args:
            channel: its name.
            hear: told of each message. May not raise.
            begin: told whenever listening begins: what was published before is not known.
        """
        self._listeners[channel.encode()] = _Listener(hear, begin)

    async def close(self) -> None:
        """Stops listening."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _keep(self) -> None:
        """Subscribes, listens, and begins anew, for ever."""
        pause = FIRST_PAUSE
        while True:
            connection = None
            try:
                connection = await open_connection(self._options, CONNECT_SECONDS, self._receive)
                for channel in self._listeners:
                    await connection.call(PROOF_SECONDS, "SUBSCRIBE", channel)
                for listener in self._listeners.values():
                    if listener.begin:
                        listener.begin()
                self.live = True
                pause = FIRST_PAUSE
                await self._prove(connection)
            except (RedisAwayError, RedisReplyError) as error:
                logger.debug("no word of other routers: {}", error)
            finally:
                self.live = False
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
        listener = self._listeners.get(channel)
        if listener:
            listener.hear(data)
