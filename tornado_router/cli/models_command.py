"""`tornado-router models`: the models of a configuration, their targets and prices."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import click
import orjson

from tornado_router.cli.common import config_file, json_option, read_or_exit, show_table
from tornado_router.routing.pattern_table import is_pattern
from tornado_router.routing.routes import Target
from tornado_router.runtime.loaded_config import LoadedConfig

HEAD = ("model", "target", "state", "input", "output", "price from")


@click.command("models")
@config_file
@json_option
def models_command(path: Path, *, as_json: bool) -> None:
    """List the models that clients may ask for, with the targets and prices of each.

    Prices are US dollars for a million tokens of the prompt, and of the response. A pattern stands
    for whatever clients ask of it.
    """
    loaded = read_or_exit(path)
    show_table(HEAD, list(_rows(loaded)), as_json=as_json)


def _rows(loaded: LoadedConfig) -> Iterator[tuple[str | None, ...]]:
    for name, targets in loaded.router.listing().items():
        for target in targets:
            yield (name, target.title, *_facts(loaded, target))
    for item in loaded.providers.values():
        for pattern in filter(is_pattern, item.common.models):
            state = "on" if item.provider else f"off: {item.off}"
            yield f"{item.name}/{pattern}", f"{item.name}/{pattern}", state, None, None, None


def _facts(loaded: LoadedConfig, target: Target) -> tuple[str | None, ...]:
    """Whether a target is served, what it costs, and where that is from."""
    off = loaded.providers[target.provider].off
    state = f"off: {off}" if off else "on"
    if is_pattern(target.model):
        return state, None, None, None
    price, source = loaded.prices.look_up(target.provider, target.model)
    if price is None:
        return state, None, None, "none: see [prices]"
    rates = orjson.loads(price.prices)
    return state, _plain(rates["input"]), _plain(rates["output"]), source


def _plain(amount: str) -> str:
    return f"{Decimal(amount).normalize():f}"
