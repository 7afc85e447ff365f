"""`tornado-router reload`: has a running router load its file again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click

from tornado_router.cli.common import config_file, read_or_exit
from tornado_router.runtime.pid_file import running


@click.command()
@config_file
def reload(path: Path) -> None:
    """Check a configuration, and have the router of this machine that serves it load it.

    The file needs `pid_file` in [server]. A file with a fault is not sent.
    """
    config = read_or_exit(path).config
    place = config.pid_file
    if place is None:
        raise click.ClickException(
            f"{path} has no `pid_file` in [server], by which its router is found; send SIGHUP, or "
            "set `watch = true`"
        )
    process = running(place)
    if process is None:
        raise click.ClickException(f"no router serves it: none holds {place}")
    os.kill(process, signal.SIGHUP)
    click.echo(f"asked process {process} to load {path}; its log says what came of it")
