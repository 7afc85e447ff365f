"""`tornado-router check`: checks a configuration without serving it."""

from __future__ import annotations

from pathlib import Path

import click

from tornado_router.cli.common import read_or_exit, summary
from tornado_router.runtime.config_warnings import config_warnings
from tornado_router.runtime.production_check import concerns


@click.command()
@click.argument(
    "path", metavar="[FILE]", default="router.toml", type=click.Path(dir_okay=False, path_type=Path)
)
@click.option("--production", is_flag=True, help="Also list what is unsafe in production.")
@click.option(
    "--accept",
    "accepted",
    metavar="PLACE",
    multiple=True,
    help="With --production: leave out the concern of this place, such as database.url, as it is "
    "known and accepted. May be given several times.",
)
def check(path: Path, production: bool, accepted: tuple[str, ...]) -> None:
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
    if unsafe:
        count = len(unsafe)
        raise SystemExit(f"{path}: no faults, but {count} concern{'s' if count > 1 else ''}")
    counted = f", {len(warnings)} warning{'s' if len(warnings) > 1 else ''}" if warnings else ""
    click.echo(f"{path}: no faults{counted}")
