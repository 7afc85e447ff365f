"""Redis's protocol on one connection: commands with a time limit, responses in their order.

A command costs a fifth of what redis-py's pooled client takes for it (see docs/decisions), and one
that timed out leaves nothing behind: its response is discarded when it comes. Values that may be
large have no place here, as every other command would wait behind them: see `store`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import hiredis

from tornado_router.background.supervisor import child_task
from tornado_router.config.options import RedisOptions
from tornado_router.errors import RouterError
from tornado_router.redis.tls import explain, redis_context

T = TypeVar("T")

CONNECT_SECONDS = 1.0
"""For a connection that no command waits for."""

TICK_SECONDS = 0.01
"""How often a connection looks for responses that are late, while some are due.

A command's time is counted in ticks, so that it is not the router's own: a loop that was busy, or
a process that was not given the CPU, has missed the ticks as well."""

_NOTHING = object()


class RedisAwayError(RouterError):
    """Redis cannot be reached, or did not respond in time; the command may have run."""


class RedisReplyError(RouterError):
    """Redis refused a command."""


OnReply = Callable[[Any], None]
"""Called with a response, a `RedisAwayError` or a `RedisReplyError`. Must not raise."""


def pack(*words: str | bytes | int) -> bytes:
    """A command as it is sent."""
    packed: bytes = hiredis.pack_command(words)  # type: ignore[arg-type, no-untyped-call, unused-ignore]
    return packed


class Command:
    """A command that waits for its response, until it comes or is late.

    Args:
        on_reply: called with the outcome, once.
        seconds: for which it waits.
        on_late: called if the response did not come in time.
    """

    __slots__ = ("_on_late", "_on_reply", "_ticks")

    def __init__(self, on_reply: OnReply, seconds: float, on_late: Callable[[], None]) -> None:
        self._on_reply: OnReply | None = on_reply
        self._on_late = on_late
        self._ticks = int(seconds / TICK_SECONDS) + 1  # the first has begun already

    @property
    def waits(self) -> bool:
        """Whether there is no outcome yet."""
        return self._on_reply is not None

    def finish(self, reply: Any) -> None:
        """Passes on the outcome, unless it is too late."""
        on_reply, self._on_reply = self._on_reply, None
        if on_reply is not None:
            on_reply(reply)

    def tick(self) -> None:
        """Counts the time that it waits; gives up when it is late."""
        self._ticks -= 1
        if self._ticks < 0 and self._on_reply is not None:
            self.finish(RedisAwayError("Redis did not respond in time"))
            self._on_late()


class Connection(asyncio.Protocol):
    """An open connection.

    Args:
        on_message: called with the channel and the data of each message of a subscription.

    Attributes:
        on_lost: called when it is lost.
    """

    def __init__(self, on_message: Callable[[bytes, bytes], None] | None = None) -> None:
        self._on_message = on_message
        self._reader = hiredis.Reader(replyError=RedisReplyError, notEnoughData=_NOTHING)
        self._commands: deque[Command] = deque()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._is_ticking = False
        self.on_lost: Callable[[], None] = _ignore

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = transport  # type: ignore[assignment]

    @property
    def lost(self) -> bool:
        """Whether it is closed."""
        return self._transport is None or self._transport.is_closing()

    def send(self, packed: bytes, command: Command) -> None:
        """Sends a command; if the connection is lost, that is its outcome."""
        if self._transport is None:
            command.finish(RedisAwayError("the connection to Redis is lost"))
            return
        self._commands.append(command)
        self._transport.write(packed)
        if not self._is_ticking:
            self._is_ticking = True
            self._loop.call_later(TICK_SECONDS, self._tick)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not _NOTHING:
                if self._on_message and isinstance(reply, list) and reply[0] == b"message":
                    self._on_message(reply[1], reply[2])
                else:
                    self._commands.popleft().finish(reply)
        except (hiredis.ProtocolError, IndexError):  # not a Redis
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

    def _tick(self) -> None:
        """Lets the time of those that wait pass."""
        self._is_ticking = bool(self._commands)
        if self._is_ticking:
            self._loop.call_later(TICK_SECONDS, self._tick)
            for command in tuple(self._commands):  # whose caller may send another
                command.tick()

    async def call(self, seconds: float, *words: str | bytes | int) -> Any:
        """Sends a command, and waits for its response.

        Raises:
            RedisAwayError: it did not come in time.
            RedisReplyError: it is a refusal.
        """
        waiter = asyncio.get_running_loop().create_future()
        self.send(pack(*words), Command(resolve(waiter), seconds, _ignore))
        return await waiter


async def open_connection(
    options: RedisOptions,
    seconds: float,
    on_message: Callable[[bytes, bytes], None] | None = None,
) -> Connection:
    """Connects, and checks that Redis responds within its budget.

    Args:
        options: where Redis is.
        seconds: that connecting may take.
        on_message: see `Connection`.

    Raises:
        RedisAwayError: it does not.
        RedisReplyError: it refuses the login.
    """
    loop = asyncio.get_running_loop()
    try:
        tls = redis_context(options)
        connecting = loop.create_connection(
            lambda: Connection(on_message), options.host, options.port, ssl=tls
        )
        _, connection = await _within(seconds, connecting)
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


async def _within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, in so many seconds of a loop that is not busy.

    Raises:
        TimeoutError: it takes longer.
    """
    task = child_task("connection to Redis", coroutine)
    try:
        for _ in range(int(seconds / TICK_SECONDS) + 1):
            if (await asyncio.wait([task], timeout=TICK_SECONDS))[0]:
                return task.result()
    finally:
        task.cancel()
    raise TimeoutError


def run(
    options: RedisOptions, seconds: float, work: Callable[[Connection], Coroutine[Any, Any, T]]
) -> T:
    """Connects, does some work, and closes the connection. Blocks; for the command line.

    Args:
        options: where Redis is.
        seconds: that connecting, and each step of it, may take.
        work: to be done on the connection.

    Raises:
        RedisAwayError: Redis does not respond.
        RedisReplyError: it refuses.
    """

    async def connect_and_work() -> T:
        connection = await open_connection(replace(options, timeout=seconds), seconds)
        try:
            return await work(connection)
        finally:
            connection.abort()

    return asyncio.run(connect_and_work())


def resolve(waiter: asyncio.Future[Any]) -> OnReply:
    """Has a future resolved by the outcome of a command."""

    def set_outcome(reply: Any) -> None:
        if waiter.done():
            return
        if isinstance(reply, RouterError):
            waiter.set_exception(reply)
        else:
            waiter.set_result(reply)

    return set_outcome


def _ignore() -> None:
    pass
