"""Opens the accounts of a deployment for a command, as a router has them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click

from tornado_router.accounts.actor import COMMAND_LINE
from tornado_router.accounts.invalidation import LocalInvalidation, Publisher
from tornado_router.accounts.passwords import Passwords
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.service import Accounts
from tornado_router.cli.common import open_storage, read_config
from tornado_router.errors import ApiError
from tornado_router.limits.limiter import Limiter
from tornado_router.limits.memory import MemoryLimiter

T = TypeVar("T")

ACTOR = COMMAND_LINE

REDIS_SECONDS = 1.0
"""How long a command waits for Redis: much longer than a call, as it is a single one."""


class OpenAccounts:
    """The accounts of a deployment. A refusal ends the command with its message.

    Args:
        path: of the router.toml.
    """

    def __init__(self, path: Path) -> None:
        self.config = read_config(path)
        self.plans = Plans(self.config.plans, self.config.auth.default_plan)
        self._storage = open_storage(self.config)
        click.get_current_context().call_on_close(self._storage.close)

    def read(self, work: Callable[[], T]) -> T:
        """Runs queries."""
        try:
            return self._storage.call(work)
        except ApiError as error:
            raise click.ClickException(_in_own_words(error)) from None

    def do(self, deed: Callable[[Accounts], Awaitable[T]]) -> T:
        """Does what HTTP does by the same service."""

        async def run() -> T:
            async with self._limits() as (limiter, publisher):
                passwords = Passwords(self.config.auth.bcrypt_rounds)
                try:
                    return await deed(
                        Accounts(
                            self._storage,
                            passwords,
                            limiter,
                            publisher,
                            options=self.config.auth,
                            plans=self.plans,
                        )
                    )
                finally:
                    passwords.close()

        try:
            return asyncio.run(run())
        except ApiError as error:
            raise click.ClickException(_in_own_words(error)) from None

    @asynccontextmanager
    async def _limits(self) -> AsyncIterator[tuple[Limiter, Publisher]]:
        """What calls in progress hold, as far as this process can know, and the way to routers.

        Without Redis that is known to the router alone, if one runs: see `accounts.credits`.
        """
        if not self.config.redis.host:
            yield MemoryLimiter(), LocalInvalidation()
            return
        # 7 MB, which a deployment without Redis has no use for
        from tornado_router.accounts.redis_invalidation import RedisPublisher  # noqa: PLC0415
        from tornado_router.limits.guarded import GuardedLimiter  # noqa: PLC0415
        from tornado_router.limits.redis import RedisLimiter  # noqa: PLC0415
        from tornado_router.redis.link import RedisLink  # noqa: PLC0415
        from tornado_router.runtime.books import DatabaseBooks  # noqa: PLC0415

        link = RedisLink(replace(self.config.redis_location, timeout=REDIS_SECONDS))
        limits = self.config.limits
        books = DatabaseBooks(self._storage)
        remote = RedisLimiter(link, limits.lease_seconds, counts=False, books=books)
        limiter = GuardedLimiter(remote, MemoryLimiter(), limits)
        try:
            yield limiter, RedisPublisher(link)
        finally:
            await limiter.close()
            await link.close()


def _in_own_words(error: ApiError) -> str:
    """The message of a refusal, with the options of the command where HTTP has fields."""
    message = error.message
    field = (error.param or "").partition("[")[0].partition(".")[0]
    for option in click.get_current_context().command.params:
        if not isinstance(option, click.Option):
            continue
        if option.name == field:
            message = re.sub(rf"'{re.escape(field)}[^']*'", option.opts[0], message, count=1)
        elif error.param:  # such as the other end of a span
            message = message.replace(f"'{option.name}'", option.opts[0])
    return message
