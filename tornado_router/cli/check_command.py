"""`tornado-router check`: checks a configuration without serving it."""

from __future__ import annotations

from pathlib import Path

import click

from tornado_router.cli.common import config_file, counted, read_or_exit, summary
from tornado_router.observability.redaction import Redaction
from tornado_router.runtime.config_warnings import config_warnings
from tornado_router.runtime.loaded_config import LoadedConfig
from tornado_router.runtime.production_check import concerns


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
def check(path: Path, *, production: bool, accepted: tuple[str, ...], connect: bool) -> None:
    """Check a configuration without serving it, and list every fault."""
    loaded = read_or_exit(path)
    for line in summary(loaded):
        click.echo(line)
    warnings = config_warnings(loaded)
    for fault in warnings:
        click.echo(f"{path}: warning: {fault}", err=True)
    found = concerns(loaded) if production else []
    unsafe = [fault for fault in found if fault.where not in accepted]
    for fault in unsafe:
        click.echo(f"{path}: {fault}", err=True)
    failed = _connect(loaded) if connect else 0
    worries = [counted(len(unsafe), "concern")] if unsafe else []
    worries += [f"{counted(failed, 'connection')} failed"] if failed else []
    if worries:
        raise SystemExit(f"{path}: no faults, but {' and '.join(worries)}")
    warned = f", {counted(len(warnings), 'warning')}" if warnings else ""
    click.echo(f"{path}: no faults{warned}")


def _connect(loaded: LoadedConfig) -> int:
    """Shows what came of each connection; returns how many failed."""
    # it brings the HTTP client, for which no other check has a use
    from tornado_router.runtime.connection_check import try_connections  # noqa: PLC0415

    failed = 0
    redaction = Redaction((), (), loaded.secrets())
    for trial in try_connections(loaded):
        failed += trial.failed
        mark = "FAILED: " if trial.failed else ""
        click.echo(f"{trial.name}: {mark}{redaction.text(trial.outcome)}")
    return failed
