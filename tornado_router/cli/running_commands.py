"""`tornado-router reload` and `restart`: what they ask of the router that runs."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import click

from tornado_router.cli.common import config_file, read_or_exit
from tornado_router.config.reader import Config
from tornado_router.runtime.pid_file import running
from tornado_router.runtime.supervisor import REPLACE


@click.command()
@config_file
def reload(path: Path) -> None:
    """Check a configuration, and have the router of this machine that serves it load it.

    The file needs `pid_file` in [server]. A file with a fault is not sent.
    """
    config = read_or_exit(path).config
    process = _send(signal.SIGHUP, path, config, "send SIGHUP, or set `watch = true`")
    click.echo(f"asked process {process} to load {path}; its log says what came of it")


@click.command()
@config_file
def restart(path: Path) -> None:
    """Check a configuration, and replace the workers of the router that serves it one by one.

    No call is cut off, and the port stays open. For options that are read at the start, for new
    versions and for new plugins. The file needs `pid_file` in [server], and `workers` above 1.
    """
    config = read_or_exit(path).config
    if config.server.workers == 1:
        raise click.ClickException(
            "it serves in one process, which nothing can replace while it serves: stop and start it"
        )
    process = _send(REPLACE, path, config, f"send {REPLACE.name}")
    click.echo(f"asked process {process} to replace its workers; its log says what came of it")


def _send(number: signal.Signals, path: Path, config: Config, otherwise: str) -> int:
    """Signals the router that serves a file; returns the id of its process."""
    place = config.pid_file
    if place is None:
        raise click.ClickException(
            f"{path} has no `pid_file` in [server], by which its router is found; {otherwise}"
        )
    process = running(place)
    if process is None:
        raise click.ClickException(f"no router serves it: none holds {place}")
    os.kill(process, number)
    return process
