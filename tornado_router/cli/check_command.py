"""`tornado-router check`: checks a configuration without serving it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tornado_router.cli.common import (
    config_file,
    counted,
    faults_shown,
    json_option,
    read_or_exit,
    show_json,
    summary,
)
from tornado_router.errors import ConfigError, Fault
from tornado_router.observability.redaction import Redaction
from tornado_router.runtime.config_warnings import config_warnings
from tornado_router.runtime.loaded_config import LoadedConfig, load_config
from tornado_router.runtime.production_check import concerns

if TYPE_CHECKING:
    from tornado_router.runtime.connection_check import Trial


@click.command()
@config_file
@click.option("--production", is_flag=True, help="Also list what is unsafe in production.")
@click.option(
    "--accept",
    "accepted",
    metavar="PLACE",
    multiple=True,
    help="With --production: leave out the concern of this place, such as database.url, as it is "
    "known and accepted. May be given several times.",
)
@click.option(
    "--connect",
    is_flag=True,
    help="Also connect to the database, to Redis and to each provider, and send what costs "
    "nothing. Exits with status 1 if one of them does not respond as it should.",
)
@json_option
def check(
    path: Path, *, production: bool, accepted: tuple[str, ...], connect: bool, as_json: bool
) -> None:
    """Check a configuration without serving it, and list every fault."""
    loaded = _load(path) if as_json else read_or_exit(path)
    warnings = config_warnings(loaded)
    found = concerns(loaded) if production else []
    unsafe = [fault for fault in found if fault.where not in accepted]
    if as_json:
        trials = list(_trials(loaded)) if connect else []
        _show_json(warnings=warnings, concerns=unsafe, connections=trials)
        if unsafe or any(trial.failed for trial in trials):
            raise SystemExit(1)
        return
    for line in summary(loaded):
        click.echo(line)
    for fault in warnings:
        click.echo(f"{path}: warning: {fault}", err=True)
    for fault in unsafe:
        click.echo(f"{path}: {fault}", err=True)
    failed = _connect(loaded) if connect else 0
    worries = [counted(len(unsafe), "concern")] if unsafe else []
    worries += [f"{counted(failed, 'connection')} failed"] if failed else []
    if worries:
        raise SystemExit(f"{path}: no faults, but {' and '.join(worries)}")
    warned = f", {counted(len(warnings), 'warning')}" if warnings else ""
    click.echo(f"{path}: no faults{warned}")


def _load(path: Path) -> LoadedConfig:
    """A configuration; its faults end the command, as JSON. A file that is missing, as text."""
    with faults_shown(path):
        pass
    try:
        return load_config(path, os.environ)
    except ConfigError as error:
        _show_json(faults=error.faults)
        raise SystemExit(1) from None


def _show_json(
    faults: Sequence[Fault] = (),
    warnings: Sequence[Fault] = (),
    concerns: Sequence[Fault] = (),
    connections: Sequence[Trial] = (),
) -> None:
    show_json(
        {
            "faults": [asdict(fault) for fault in faults],
            "warnings": [asdict(fault) for fault in warnings],
            "concerns": [asdict(fault) for fault in concerns],
            "connections": [trial._asdict() for trial in connections],
        }
    )


def _connect(loaded: LoadedConfig) -> int:
    """Shows what came of each connection; returns how many failed."""
    failed = 0
    for trial in _trials(loaded):
        failed += trial.failed
        click.echo(f"{trial.name}: {'FAILED: ' if trial.failed else ''}{trial.outcome}")
    return failed


def _trials(loaded: LoadedConfig) -> Iterator[Trial]:
    """Tries each connection; no secret is in what came of it."""
    # it brings the HTTP client, for which no other check has a use
    from tornado_router.runtime.connection_check import try_connections  # noqa: PLC0415

    redaction = Redaction((), (), loaded.secrets())
    for trial in try_connections(loaded):
        yield trial._replace(outcome=redaction.text(trial.outcome))
