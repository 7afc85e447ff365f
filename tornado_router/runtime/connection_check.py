"""Tries what a configuration connects to: `tornado-router check --connect`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tornado_router.background.held_memory import HeldMemory
from tornado_router.calls.upstream import Upstream, open_upstream
from tornado_router.config.reader import Config
from tornado_router.errors import ApiError, ProviderError, RouterError, first_line
from tornado_router.plugins.registry import FAULTS, ConfiguredProvider
from tornado_router.provider import Provider, UpstreamRequest
from tornado_router.redis.link import eviction_warning
from tornado_router.redis.protocol import Connection, RedisAwayError, RedisReplyError, run
from tornado_router.runtime.loaded_config import LoadedConfig
from tornado_router.storage import migrator
from tornado_router.storage.databases import opened, title
from tornado_router.storage.sql import DatabaseError

SECONDS = 10.0
"""For each connection, and for each response."""


class Trial(NamedTuple):
    """What came of one connection.

    Attributes:
        name: what was tried.
        outcome: in a few words.
        failed: whether a router could not serve by it.
    """

    name: str
    outcome: str
    failed: bool = False


def try_connections(loaded: LoadedConfig) -> Iterator[Trial]:
    """Tries the database, Redis and each provider that is on. Blocks; not on an event loop."""
    yield _try_database(loaded.config)
    if loaded.config.redis.host:
        yield _try_redis(loaded.config)
    yield from asyncio.run(_try_providers(loaded))


def _try_database(config: Config) -> Trial:
    location = config.database_location
    name = f"database {title(location)}"
    if isinstance(location, Path) and not location.exists():
        folder = next(parent for parent in location.absolute().parents if parent.exists())
        if not os.access(folder, os.W_OK):
            return Trial(name, f"cannot be made: {folder} is not writable", failed=True)
        return Trial(name, "will be made by the first start")
    try:
        with opened(location) as database:
            pending = migrator.pending(database)
    except DatabaseError as error:
        return Trial(name, first_line(error), failed=True)
    except (RouterError, OSError) as error:
        return Trial(name, str(error), failed=True)
    if not pending:
        return Trial(name, "responds")
    if isinstance(location, Path):
        return Trial(name, "responds; the next start brings its schema up to date")
    return Trial(
        name, "its schema is not that of this version: run tornado-router db migrate", failed=True
    )


def _try_redis(config: Config) -> Trial:
    options = config.redis_location
    name = f"redis {options.host}:{options.port}"

    async def ask(connection: Connection) -> str | None:
        await connection.call(SECONDS, "PING")
        try:
            return eviction_warning(await connection.call(SECONDS, "INFO"))
        except RedisReplyError:
            return "does not say which server it is: INFO is forbidden"

    try:
        warning = run(options, SECONDS, ask)
    except (RedisAwayError, RedisReplyError) as error:
        return Trial(name, str(error), failed=True)
    return Trial(name, f"responds, but {warning}" if warning else "responds")


async def _try_providers(loaded: LoadedConfig) -> list[Trial]:
    memory = HeldMemory(loaded.config.server.max_memory)
    environ = loaded.proxy_variables
    return await asyncio.gather(
        *(
            _try_provider(
                item, item.provider, partial(open_upstream, memory=memory, environ=environ)
            )
            for item in loaded.providers.values()
            if item.provider
        )
    )


async def _try_provider(
    item: ConfiguredProvider, provider: Provider, connected: Callable[..., Upstream]
) -> Trial:
    name = f"provider {item.name}"
    options = replace(
        item.common, connect_timeout=SECONDS, first_byte_timeout=SECONDS, total_timeout=2 * SECONDS
    )
    upstream = connected(item.name, options)
    try:
        return Trial(name, *await _probe(provider, upstream))
    except FAULTS as error:  # also a plugin's
        return Trial(name, _words(error), failed=True)
    finally:
        await upstream.close()


async def _probe(provider: Provider, upstream: Upstream) -> tuple[str, bool]:
    """What a vendor responds, and whether it has failed.

    Raises:
        Exception: there was no response, or the plugin has a fault.
    """
    probe, base_url = provider.probe(), getattr(provider, "base_url", None)
    if probe is None and not isinstance(base_url, str):
        return "has nothing to connect to", False
    if probe is None:
        await upstream.send(UpstreamRequest(str(base_url), b"", {}, "GET"))
        return f"{base_url} responds; the credentials were not tried", False
    response = await provider.authorized(upstream).send(probe)
    if 200 <= response.status < 300:
        return "responds, and takes the credentials", False
    if response.status in (404, 405):
        return f"responds; {probe.url} is not there to try the credentials", False
    return _words(provider.parse_error(response)), True


def _words(error: BaseException) -> str:
    """What is said of a failure, with its cause, which callers are not shown."""
    said = error.message if isinstance(error, ApiError) else f"{type(error).__name__}: {error}"
    words = error.words if isinstance(error, ProviderError) else ""
    cause = words or error.__cause__ or error.__context__
    return f"{said.rstrip('.')}: {cause}" if cause and str(cause) else said
