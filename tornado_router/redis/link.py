"""The way to Redis: a connection that keeps every command to a budget, and a breaker over it.

One connection carries all the commands, and the replies come in their order. So a command costs
a tenth of what redis-py's pooled client takes for it, and one that timed out leaves nothing
behind: its reply is thrown away when it comes. What may be large has no place here, as everybody
would wait behind it; `connect` makes a client of redis-py's for that.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

import hiredis
from loguru import logger
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from tornado_router.background.supervisor import keep_task
from tornado_router.config.options import RedisOptions
from tornado_router.errors import RouterError
from tornado_router.redis.tls import explain, redis_context

T = TypeVar("T")

CONNECTIONS = 32
CONNECT_SECONDS = 1.0
"""For a connection that nobody waits for."""

PROBE_SECONDS = 0.25
"""How often Redis is asked whether it is there."""

GRACE_SECONDS = 0.001
"""What a time-out waits for once more: the reply may be there, unread, if the loop was busy."""

_NOTHING = object()


class RedisAwayError(RouterError):
    """Redis cannot be reached, or did not answer in time; the command may run all the same."""


class RedisReplyError(RouterError):
    """Redis refused a command."""


OnReply = Callable[[Any], None]
"""Told a reply, or a `RedisAwayError` or `RedisReplyError`. May not raise."""


def connect(options: RedisOptions) -> aioredis.Redis:
    """A client of redis-py's, which connects when it is first used.

    Its pool waits for a connection to become free: redis-py's default one raises instead.

    Raises:
        OSError: the CA file cannot be used.
    """
    tls = redis_context(options)
    secured: dict[str, Any] = {"connection_class": _TlsConnection, "tls": tls} if tls else {}
    return aioredis.Redis.from_pool(  # closing the client closes such a pool, and no other
        aioredis.BlockingConnectionPool(
            **secured,
            host=options.host,
            port=options.port,
            username=options.username or None,
            password=options.password or None,
            db=options.db,
            max_connections=CONNECTIONS,
            timeout=options.timeout,
            socket_timeout=options.timeout,
            socket_connect_timeout=CONNECT_SECONDS,
            retry=Retry(NoBackoff(), 0),  # whoever has waited for so long waits no longer
        )
    )


class _TlsConnection(aioredis.SSLConnection):
    """One of redis-py's with our TLS; its own would load the system's certificates each time."""

    def __init__(self, *, tls: ssl.SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self.ssl_context.context = tls


def pack(*words: str | bytes | int) -> bytes:
    """A command as it is sent."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type, no-untyped-call, unused-ignore]
    return packed


class Command:
    """Somebody who waits for a reply, until it comes or is late.

    Args:
        on_reply: told what came of it, once.
        seconds: for which it waits.
        on_late: told when it waited in vain.
    """

    __slots__ = ("_on_late", "_on_reply", "_timer")

    def __init__(self, on_reply: OnReply, seconds: float, on_late: Callable[[], None]) -> None:
        self._on_reply: OnReply | None = on_reply
        self._on_late = on_late
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._look_again, loop)

    @property
    def waits(self) -> bool:
        """Whether nothing came of it so far."""
        return self._on_reply is not None

    def finish(self, reply: Any) -> None:
        """Passes on what came of it, unless that is too late."""
        on_reply, self._on_reply = self._on_reply, None
        if on_reply is not None:
            self._timer.cancel()
            on_reply(reply)

    def _look_again(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(GRACE_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self.finish(RedisAwayError("Redis did not answer in time"))
        self._on_late()


class Connection(asyncio.Protocol):
    """An open connection.

    Args:
        on_message: told the channel and the data of what comes on a subscription.

    Attributes:
        on_lost: called when it is lost.
    """

    def __init__(self, on_message: Callable[[bytes, bytes], None] | None = None) -> None:
        self._on_message = on_message
        self._reader = hiredis.Reader(replyError=RedisReplyError, notEnoughData=_NOTHING)
        self._commands: deque[Command] = deque()
        self._transport: asyncio.Transport | None = None
        self.on_lost: Callable[[], None] = _ignore

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport  # type: ignore[assignment]

    @property
    def lost(self) -> bool:
        """Whether it is of no use any more."""
        return self._transport is None or self._transport.is_closing()

    def send(self, packed: bytes, command: Command) -> None:
        """Sends a command. If the connection is lost, it hears of that."""
        if self._transport is None:
            command.finish(RedisAwayError("the connection to Redis is lost"))
            return
        self._commands.append(command)
        self._transport.write(packed)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                if self._on_message and isinstance(reply, list) and reply[0] == b"message":
                    self._on_message(reply[1], reply[2])
                else:
                    self._commands.popleft().finish(reply)
        except (hiredis.ProtocolError, IndexError):  # who answers like that is no Redis
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        while self._commands:
            self._commands.popleft().finish(RedisAwayError("the connection to Redis is lost"))
        self.on_lost()

    def abort(self) -> None:
        """Closes it at once."""
        if self._transport is not None:
            self._transport.abort()

    async def call(self, seconds: float, *words: str | bytes | int) -> Any:
        """Sends a command, and waits for its reply.

        Raises:
            RedisAwayError: it did not come in time.
            RedisReplyError: it is a refusal.
        """
        waiter = asyncio.get_running_loop().create_future()
        self.send(pack(*words), Command(_resolve(waiter), seconds, _ignore))
        return await waiter


async def open_connection(
    options: RedisOptions,
    seconds: float,
    on_message: Callable[[bytes, bytes], None] | None = None,
) -> Connection:
    """Connects, and makes sure that Redis answers within its budget.

    Args:
        options: where Redis is.
        seconds: that connecting may take.
        on_message: see `Connection`.

    Raises:
        RedisAwayError: it does not.
        RedisReplyError: it does not let us in.
    """
    loop = asyncio.get_running_loop()
    try:
        tls = redis_context(options)
        async with asyncio.timeout(seconds):
            _, connection = await loop.create_connection(
                lambda: Connection(on_message), options.host, options.port, ssl=tls
            )
    except OSError as error:  # a TimeoutError is one
        raise RedisAwayError(f"cannot connect: {explain(error)}") from None
    greetings: list[tuple[str | int, ...]] = [("PING",)]
    if options.db:
        greetings.insert(0, ("SELECT", options.db))
    if options.username:
        greetings.insert(0, ("AUTH", options.username, options.password))
    elif options.password:
        greetings.insert(0, ("AUTH", options.password))
    try:
        for words in greetings:
            await connection.call(options.timeout, *words)
    except BaseException:
        connection.abort()
        raise
    return connection


def run(
    options: RedisOptions, seconds: float, work: Callable[[Connection], Coroutine[Any, Any, T]]
) -> T:
    """Connects, does some work, and hangs up. Blocks; for the command line.

    Args:
        options: where Redis is.
        seconds: that connecting, and each step of it, may take.
        work: to be done on the connection.

    Raises:
        RedisAwayError: Redis does not answer.
        RedisReplyError: it refuses.
    """

    async def connect_and_work() -> T:
        connection = await open_connection(replace(options, timeout=seconds), seconds)
        try:
            return await work(connection)
        finally:
            connection.abort()

    return asyncio.run(connect_and_work())


class RedisLink:
    """Runs commands on Redis while it is there. To be made and closed on the running event loop.

    A command that times out raises a doubt, and a ping decides at once: if that is late, too, the
    breaker opens, and everybody is refused without waiting until a later ping is answered.

    Args:
        options: where Redis is, and the budget of a command.
    """

    def __init__(self, options: RedisOptions) -> None:
        self.options = options
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
        """Has somebody told whenever Redis comes (True) or goes (False)."""
        self._listeners.append(listener)

    def send(self, packed: bytes, on_reply: OnReply) -> None:
        """Sends a command, and tells within the budget what came of it."""
        if self._down:
            on_reply(RedisAwayError("Redis is away"))
            return
        command = Command(on_reply, self.options.timeout, self._doubt.set)
        if self._connection is not None:
            self._connection.send(packed, command)
        else:  # it is being connected
            self._early.append((packed, command))

    async def call(self, *words: str | bytes | int) -> Any:
        """Sends a command, and waits for its reply.

        Raises:
            RedisAwayError: it did not come in time.
            RedisReplyError: it is a refusal.
        """
        waiter = asyncio.get_running_loop().create_future()
        self.send(pack(*words), _resolve(waiter))
        return await waiter

    async def close(self) -> None:
        """Closes the connection; nobody may use the link any more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._down = True
        self._refuse_early()

    async def _keep(self) -> None:
        """Connects, watches, and begins anew."""
        loop = asyncio.get_running_loop()
        seconds = self.options.timeout  # as long as calls wait for it
        while True:
            try:
                connection = await open_connection(self.options, seconds)
            except (RedisAwayError, RedisReplyError) as error:
                self._go(error)
                seconds = CONNECT_SECONDS
                await asyncio.sleep(PROBE_SECONDS)
                continue
            since = loop.time()
            self._come(connection)
            try:
                await self._watch(connection)
            except (RedisAwayError, RedisReplyError) as error:
                self._connection = None
                if not connection.lost or loop.time() < since + PROBE_SECONDS:
                    self._go(error)
                    await asyncio.sleep(PROBE_SECONDS)
                seconds = CONNECT_SECONDS if self._down else self.options.timeout
            finally:
                connection.abort()

    async def _watch(self, connection: Connection) -> None:
        """Asks now and then, and whenever a command was late, until there is no answer."""
        while True:
            self._doubt.clear()
            await connection.call(self.options.timeout, "PING")
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await self._doubt.wait()

    def _come(self, connection: Connection) -> None:
        self._connection = connection
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
        self._connection = None
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


def _resolve(waiter: asyncio.Future[Any]) -> OnReply:
    def resolve(reply: Any) -> None:
        if waiter.done():
            return
        if isinstance(reply, RouterError):
            waiter.set_exception(reply)
        else:
            waiter.set_result(reply)

    return resolve


def _ignore() -> None:
    pass
