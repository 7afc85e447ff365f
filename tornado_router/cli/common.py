"""What the commands share: the configuration, the database, and how they fail."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from tornado_router.config.declaration import DURATION, duration_seconds
from tornado_router.config.reader import Config, environment, load
from tornado_router.errors import ConfigError, first_line
from tornado_router.observability import log
from tornado_router.observability.known_secrets import KnownSecrets
from tornado_router.runtime.loaded_config import LoadedConfig, load_config, section_secrets
from tornado_router.storage.databases import Database, title
from tornado_router.storage.migrator import SchemaError
from tornado_router.storage.postgres import MissingDriverError
from tornado_router.storage.postgres_connection import LocationError
from tornado_router.storage.process_lock import LockedError
from tornado_router.storage.sql import DatabaseError
from tornado_router.storage.storage import Storage
from tornado_router.storage.values import dollar_text

T = TypeVar("T")

MAX_DIGITS = 10

EVERYTHING = 1_000_000
"""Rows of a list that a command prints; lists of the server are read in pages."""

_FILE = click.Path(dir_okay=False, path_type=Path)

config_option = click.option(
    "--config",
    "path",
    type=_FILE,
    default="router.toml",
    envvar="TORNADO_ROUTER_CONFIG",
    show_default=True,
    help="The configuration file.",
)


def config_file(command: Callable[..., None]) -> Callable[..., None]:
    """The option `--config`, or the file as the one argument of a command."""

    @click.argument("file", metavar="[FILE]", required=False, type=_FILE)
    @config_option
    @wraps(command)
    def run(path: Path, file: Path | None, **given: Any) -> None:
        if file is not None:
            source = click.get_current_context().get_parameter_source("path")
            if source is ParameterSource.COMMANDLINE:
                raise click.UsageError("give the file once: as FILE, or by --config")
            path = file
        command(path, **given)

    return run


DAY = 24 * 3600


class Duration(click.ParamType[int]):
    """A span of time, such as `90m`, in seconds.

    Args:
        least: seconds.
        most: seconds, or None.
    """

    name = "duration"

    def __init__(self, least: int = 0, most: int | None = None) -> None:
        self._least = least
        self._most = most

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """See `click.ParamType`."""
        if isinstance(value, int):
            return value
        if not re.fullmatch(DURATION, value) or len(value) > MAX_DIGITS:
            self.fail(f"{value!r} is not a duration; write 3600, 90m, 24h or 7d", param, ctx)
        span = duration_seconds(value)
        if span < self._least:
            self.fail(f"{value} is too short: at least {self._least} s", param, ctx)
        if self._most is not None and span > self._most:
            self.fail(f"{value} is too long: at most {self._most // DAY} days", param, ctx)
        return span


class RowId(click.ParamType[int]):
    """The id of an invite.

    Args:
        listing: the command that shows ids.
    """

    name = "id"

    def __init__(self, listing: str) -> None:
        self._listing = listing

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """See `click.ParamType`."""
        text = str(value)
        if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
            self.fail(
                f"{value!r} is not an id, which is a number: see `{self._listing}`", param, ctx
            )
        return int(text)


def read_config(path: Path) -> Config:
    """A configuration, for a command that does not serve; faults end the command."""
    with faults_shown(path):
        config = load(path, environment(path.parent, os.environ))
    _log_warnings(config, section_secrets(config))
    return config


def read_or_exit(path: Path, server: Mapping[str, Any] | None = None) -> LoadedConfig:
    """A whole configuration; faults end the command.

    Args:
        path: of the file.
        server: options of `[server]` that the command line sets instead of the file.
    """
    with faults_shown(path):
        loaded = load_config(path, os.environ, server=server)
    _log_warnings(loaded.config, loaded.secrets())
    return loaded


def _log_warnings(config: Config, secrets: Sequence[str]) -> None:
    """Sets the log of a command up: warnings and errors alone, without secrets."""
    log.setup(replace(config.log, level="warning"), secrets=KnownSecrets(secrets))


@contextmanager
def faults_shown(path: Path) -> Iterator[None]:
    """Ends the command with every fault of a configuration, one a line."""
    if not path.exists():
        raise SystemExit(
            f"there is no file {path}: name another with --config FILE, or make one with "
            "`tornado-router init`"
        )
    try:
        yield
    except ConfigError as error:
        for fault in error.faults:
            click.echo(f"{path}: {fault}", err=True)
        raise SystemExit(f"{path}: {counted(len(error.faults), 'fault')}") from None


def open_storage(config: Config, *, migrate: bool | None = None) -> Storage:
    """The database; one that cannot be used ends the command.

    Args:
        config: says where it is.
        migrate: whether its schema is brought up to date; None for SQLite alone, as a database
            that several routers share is migrated when its operator says so.
    """
    location = config.database_location
    with database_faults_shown(location):
        is_file = isinstance(location, Path)
        return Storage(location, migrate=is_file if migrate is None else migrate)


@contextmanager
def database_faults_shown(location: Path | str) -> Iterator[None]:
    """Ends the command with what is wrong with a database."""
    try:
        yield
    except (LocationError, MissingDriverError, SchemaError) as error:
        raise SystemExit(f"{title(location)}: {error}") from None
    except DatabaseError as error:
        why = first_line(error)
        raise SystemExit(f"{title(location)}: cannot be opened as a database: {why}") from None
    except OSError as error:
        raise SystemExit(f"{title(location)}: cannot be opened: {file_fault(error)}") from None


@contextmanager
def alone(database: Database, location: Path | str) -> Iterator[None]:
    """Keeps routers away from a database; one that is there ends the command.

    A router with [redis] on PostgreSQL is not noticed.
    """
    try:
        lock = database.claim()
    except LockedError:
        raise click.ClickException(
            f"{title(location)}: a router serves it; stop it first"
        ) from None
    try:
        yield
    finally:
        lock.release()


def file_fault(error: OSError) -> str:
    """What is wrong with a file, and with which."""
    why = error.strerror or str(error)
    return f"{error.filename}: {why}" if error.filename else why


def counted(count: int, noun: str) -> str:
    """Such as `1 fault` or `2 faults`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def show_json(value: object) -> None:
    """Prints what a program reads instead of what a person does."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def show_table(
    head: Sequence[str], rows: Sequence[Sequence[object]], *, as_json: bool = False
) -> None:
    """Prints a table; numbers stand right. What is wider than the terminal is printed as blocks.

    Args:
        head: titles of the columns; in JSON, with `_` for spaces and without hyphens.
        rows: of the table.
        as_json: whether a list of objects is printed instead.
    """
    if as_json:
        names = [column.lower().replace(" ", "_").replace("-", "") for column in head]
        objects = [dict(zip(names, row, strict=True)) for row in rows]
        show_json(objects)
        return
    lines = [[_cell(value) for value in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    if is_too_wide(sum(widths) + 2 * len(head) - 2):
        _show_blocks(head, lines)
        return
    is_number = [all(isinstance(row[at], int) for row in rows) for at in range(len(head))]
    for line in [list(head), *lines]:
        cells = [
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, is_number, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def is_too_wide(width: int) -> bool:
    """Whether so many characters do not fit on a line; a file or a pipe takes any."""
    return sys.stdout.isatty() and width > shutil.get_terminal_size().columns


def _show_blocks(head: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    width = max(map(len, head))
    for index, line in enumerate(lines):
        if index:
            click.echo()
        for name, text in zip(head, line, strict=True):
            click.echo(f"{name.ljust(width)}  {text}")


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def show_dollars(amount: Decimal) -> str:
    """An amount of US dollars for a person to read."""
    return dollar_text(amount)


def summary(loaded: LoadedConfig) -> list[str]:
    """What is configured, a line for each provider and each plugin that is broken."""
    lines = []
    for item in loaded.providers.values():
        state = "on" if item.provider else f"off: {item.off}"
        lines.append(f"provider {item.name} ({item.common.type}): {state}")
    lines += [f"plugin {name}: broken: {why}" for name, why in loaded.plugins.broken.items()]
    return lines
