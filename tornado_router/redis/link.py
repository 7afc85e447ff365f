"""The link to Redis: one connection for all commands, a time budget for each, and a breaker."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from loguru import logger

from tornado_router.background.supervisor import keep_task
from tornado_router.config.options import RedisOptions
from tornado_router.errors import RouterError
from tornado_router.redis.protocol import (
    CONNECT_SECONDS,
    Command,
    Connection,
    OnReply,
    RedisAwayError,
    RedisReplyError,
    open_connection,
    pack,
    resolve,
)

PROBE_SECONDS = 0.25
"""How often Redis is pinged."""

UNNAMED = "-"
"""A server that does not say which it is."""

_RUN_ID = re.compile(rb"^run_id:([0-9a-f]+)\r?$", re.MULTILINE)


_POLICY = re.compile(rb"^maxmemory_policy:(allkeys-[a-z]+)\r?$", re.MULTILINE)


def eviction_warning(info: bytes) -> str | None:
    """What is to be said of a server that may evict limits, by its `INFO`."""
    found = _POLICY.search(info)
    if found is None:
        return None
    return (
        f"may evict limits: its maxmemory-policy is {found[1].decode()}; paid calls wait whenever "
        "that happens; set volatile-lru or noeviction"
    )


class RedisLink:
    """Runs commands on Redis while it responds. To be made and closed on the running event loop.

    After a command that timed out, a ping is sent at once: if that is late too, the breaker opens,
    and every command is refused without waiting until a later ping succeeds. One that is late alone
    means nothing: on a busy machine, any process may have to wait for its turn.

    Args:
        options: where Redis is, and the budget of a command.

    Attributes:
        server: the name that the server gave itself when it started, so that another one is
            noticed behind the same address; empty while there is no connection.
    """

    def __init__(self, options: RedisOptions) -> None:
        self.options = options
        self.server = ""
        self._connection: Connection | None = None
        self._down = False
        self._early: list[tuple[bytes, Command]] = []
        self._listeners: list[Callable[[bool], None]] = []
        self._doubt = asyncio.Event()
        self._task = keep_task("Redis link", self._keep)

    @property
    def available(self) -> bool:
        """Whether a command is worth a try."""
        return not self._down

    def listen(self, listener: Callable[[bool], None]) -> None:
        """Has a function called whenever Redis becomes available (True) or unavailable (False)."""
        self._listeners.append(listener)

    def send(self, packed: bytes, on_reply: OnReply) -> None:
        """Sends a command; `on_reply` is called within the budget."""
        if self._down:
            on_reply(RedisAwayError("Redis is away"))
            return
        command = Command(on_reply, self.options.timeout, self._doubt.set)
        if self._connection is not None:
            self._connection.send(packed, command)
        else:  # not connected yet
            self._early.append((packed, command))

    async def call(self, *words: str | bytes | int) -> Any:
        """Sends a command, and waits for its response.

        Raises:
            RedisAwayError: it did not come in time.
            RedisReplyError: it is a refusal.
        """
        waiter = asyncio.get_running_loop().create_future()
        self.send(pack(*words), resolve(waiter))
        return await waiter

    async def close(self) -> None:
        """Closes the connection; the link must not be used any more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._down = True
        self._refuse_early()

    async def _keep(self) -> None:
        """Connects, watches the connection, and connects again when it is lost."""
        loop = asyncio.get_running_loop()
        seconds = self.options.timeout  # no longer than calls wait for it
        while True:
            try:
                connection = await open_connection(self.options, seconds)
                server = await self._ask_server(connection)
            except (RedisAwayError, RedisReplyError) as error:
                self._go(error)
                seconds = CONNECT_SECONDS
                await asyncio.sleep(PROBE_SECONDS)
                continue
            since = loop.time()
            self._come(connection, server)
            try:
                await self._watch(connection)
            except (RedisAwayError, RedisReplyError) as error:
                self._connection, self.server = None, ""
                if not connection.lost or loop.time() < since + PROBE_SECONDS:
                    self._go(error)
                    await asyncio.sleep(PROBE_SECONDS)
                seconds = CONNECT_SECONDS if self._down else self.options.timeout
            finally:
                connection.abort()

    async def _watch(self, connection: Connection) -> None:
        """Pings now and then, and whenever a command was late, until two responses are missed."""
        while True:
            missed = self._doubt.is_set()
            self._doubt.clear()
            try:
                await connection.call(self.options.timeout, "PING")
            except RedisAwayError:
                if missed or connection.lost:
                    raise
                self._doubt.set()
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._doubt.wait()

    async def _ask_server(self, connection: Connection) -> str:
        """The name of the server; `-` if it does not say. Says so if it may evict the limits."""
        try:
            info = await connection.call(self.options.timeout, "INFO")
        except RedisReplyError as error:
            logger.warning("Redis does not say which server it is: {}", error)
            return UNNAMED
        except RedisAwayError:
            connection.abort()
            raise
        if warning := eviction_warning(info):
            logger.warning("Redis {}", warning)
        found = _RUN_ID.search(info)
        return found[1].decode() if found else UNNAMED

    def _come(self, connection: Connection, server: str) -> None:
        self._connection, self.server = connection, server
        connection.on_lost = self._doubt.set
        was_down, self._down = self._down, False
        early, self._early = self._early, []
        for packed, command in early:
            if command.waits:
                connection.send(packed, command)
        if was_down:
            logger.info("Redis is back")
        for listener in self._listeners:
            listener(True)

    def _go(self, error: RouterError) -> None:
        self._connection, self.server = None, ""
        was_down, self._down = self._down, True
        self._refuse_early()
        if was_down:
            return
        logger.warning("Redis is away: {}", error)
        for listener in self._listeners:
            listener(False)

    def _refuse_early(self) -> None:
        early, self._early = self._early, []
        for _, command in early:
            command.finish(RedisAwayError("Redis is away"))
