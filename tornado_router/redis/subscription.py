"""Receives what any process publishes in Redis, over one connection that is renewed when lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from loguru import logger

from tornado_router.background.supervisor import keep_task
from tornado_router.config.options import RedisOptions
from tornado_router.redis.protocol import (
    CONNECT_SECONDS,
    Connection,
    RedisAwayError,
    RedisReplyError,
    open_connection,
)

PROOF_SECONDS = 0.2
"""How often the subscription is pinged, and how long it has to respond."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class _Listener(NamedTuple):
    hear: Callable[[bytes], None]
    begin: Callable[[], None] | None


class RedisSubscription:
    """The subscription of one process. To be made and closed on the running event loop.

    Args:
        options: where Redis is.

    Attributes:
        live: whether what is published now is received.
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
        """Has a function called with what is published on a channel. Call it before the loop runs.

        Args:
            channel: its name.
            hear: called with each message. Must not raise.
            begin: called whenever listening begins: what was published before was missed.
        """
        self._listeners[channel.encode()] = _Listener(hear, begin)

    async def close(self) -> None:
        """Stops listening."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _keep(self) -> None:
        """Subscribes, listens, and subscribes again when the connection is lost, for ever."""
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
                logger.debug("no subscription in Redis: {}", error)
            finally:
                self.live = False
                if connection is not None:
                    connection.abort()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _prove(self, connection: Connection) -> None:
        """Pings the connection until it is lost."""
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
