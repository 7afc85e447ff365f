"""`tornado-router db backup`, `db restore` and `db journal`: files that are kept or looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tornado_router.cli.common import (
    alone,
    config_option,
    database_faults_shown,
    file_fault,
    read_config,
    show_table,
)
from tornado_router.config.reader import Config
from tornado_router.ledger.codec import BEGUN, FINISHED, RUNNING
from tornado_router.ledger.recovery import parts_of
from tornado_router.storage import backup as backups
from tornado_router.storage import migrator
from tornado_router.storage.databases import open_database, title
from tornado_router.storage.values import dollar_text, from_billionths

_KINDS = {BEGUN: "begun", RUNNING: "running", FINISHED: "finished"}
SHOWN_BYTES = 2000
"""Of a record that cannot be read, so much is printed."""


@click.command()
@config_option
@click.argument("target", type=click.Path(path_type=Path))
def backup(path: Path, target: Path) -> None:
    """Copy the SQLite database into the file TARGET. A router may serve meanwhile.

    The copy is the database as it is at one moment, checked, in one file. Of PostgreSQL, pg_dump
    makes backups.
    """
    location = _file(read_config(path), "pg_dump --format=custom")
    with _faults_shown():
        backups.backup(location, target)
    click.echo(f"{target}: {title(location)} as it is now, {target.stat().st_size} bytes")


@click.command()
@config_option
@click.argument("source", type=click.Path(path_type=Path))
def restore(path: Path, source: Path) -> None:
    """Put the backup SOURCE in the place of the SQLite database. Stop the routers first.

    The former database is kept beside it, with what its journal held. The backup stays as it is.
    """
    config = read_config(path)
    location = _file(config, "pg_restore --clean")
    with database_faults_shown(location):
        database = open_database(location)
    with _faults_shown(), alone(database, location):
        aside = backups.restore(source, location, config.journal_folder)
    with database_faults_shown(location):
        database.open()
        try:
            pending = migrator.pending(database)
        finally:
            database.close()
    if aside:
        click.echo(f"{aside}: the former database")
    older = f"; the next start migrates it: {', '.join(pending)}" if pending else ""
    click.echo(f"{title(location)}: restored from {source}{older}")


@click.command("journal")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def journal(file: Path) -> None:
    """Show the records of FILE, such as a damaged file of the usage journal.

    What can be read is in the database already, or gets there when a router starts. Of what cannot,
    the bytes are shown. Exits with status 1 if there is any.
    """
    with _faults_shown():
        parts = list(parts_of(file.read_bytes()))
    rows = []
    for part in parts:
        if part.entry:
            kind, call = part.entry
            cost = dollar_text(from_billionths(call.charge.charged))
            record = (part.start, _KINDS[kind], call.call_id)
            rows.append((*record, call.user_id, call.model, call.status, cost))
    if rows:
        show_table(("BYTE", "RECORD", "CALL", "USER", "MODEL", "STATUS", "COST"), rows)
    damaged = [part for part in parts if part.is_damaged]
    for part in damaged:
        text = part.data[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        shown = "".join(c if c.isprintable() else "?" for c in text)
        click.echo(f"byte {part.start}: cannot be read: {shown}")
    if damaged:
        raise SystemExit(1)


def _file(config: Config, instead: str) -> Path:
    location = config.database_location
    if isinstance(location, Path):
        return location
    raise click.ClickException(f"the database is PostgreSQL: use {instead}")


@contextmanager
def _faults_shown() -> Iterator[None]:
    try:
        yield
    except backups.BackupError as error:
        raise SystemExit(str(error)) from None
    except OSError as error:
        raise SystemExit(file_fault(error)) from None
