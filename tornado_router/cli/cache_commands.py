"""`tornado-router cache`: the response cache."""

from __future__ import annotations

from pathlib import Path

import click

from tornado_router.calls.response_cache import KEY_PREFIX
from tornado_router.cli.common import config_option, counted, read_config


@click.group()
def cache() -> None:
    """Look after the response cache."""


@cache.command()
@config_option
def clear(path: Path) -> None:
    """Delete every cached response from Redis. Routers may go on serving."""
    options = read_config(path).redis_location
    if not options.host:
        raise click.ClickException(
            "without [redis], each router keeps its cache in its own memory: restart it to empty it"
        )
    from tornado_router.redis import store  # noqa: PLC0415 - 7 MB, see there

    try:
        count = store.clear(options, KEY_PREFIX)
    except store.StoreAwayError as error:
        raise click.ClickException(
            f"the cache at {options.host}:{options.port} was not cleared: {error}"
        ) from None
    click.echo(f"deleted {counted(count, 'cached response')}")
