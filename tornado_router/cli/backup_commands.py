"""`tornado-router db backup`, `db restore` and `db journal`: files that are kept or looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from tornado_router.cli.common import (
    alone,
    config_option,
    database_faults_shown,
    file_fault,
    json_option,
    read_config,
    show_json,
    show_table,
)
from tornado_router.config.reader import Config
from tornado_router.ledger.codec import BEGUN, FINISHED, RUNNING, Part
from tornado_router.ledger.recovery import parts_of
from tornado_router.storage import backup as backups
from tornado_router.storage import migrator
from tornado_router.storage.databases import open_database, opened, title
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
    with database_faults_shown(location), opened(location) as database:
        pending = migrator.pending(database)
    if aside:
        click.echo(f"{aside}: the former database")
    older = f"; the next start migrates it: {', '.join(pending)}" if pending else ""
    click.echo(f"{title(location)}: restored from {source}{older}")


@click.command("journal")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def journal(file: Path, *, as_json: bool) -> None:
    """Show the records of FILE, such as a damaged file of the usage journal.

    What can be read is in the database already, or gets there when a router starts. Of what cannot,
    the bytes are shown. Exits with status 1 if there is any. With --json, both are one list, in the
    order of FILE: what cannot be read is a record `damaged`, with its bytes as `data`.
    """
    with _faults_shown():
        records = [_record(part) for part in parts_of(file.read_bytes()) if _is_shown(part)]
    whole = [record for record in records if "data" not in record]
    damaged = [record for record in records if "data" in record]
    if as_json:
        show_json(records)
    else:
        if whole:
            rows = [list(record.values()) for record in whole]
            show_table([name.upper() for name in whole[0]], rows)
        for record in damaged:
            click.echo(f"byte {record['byte']}: cannot be read: {record['data']}")
    if damaged:
        raise SystemExit(1)


def _is_shown(part: Part) -> bool:
    return part.is_damaged or part.entry is not None


def _record(part: Part) -> dict[str, Any]:
    """What is shown of a part of the journal."""
    if part.entry is None:
        text = part.data[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
        shown = "".join(c if c.isprintable() else "?" for c in text)
        return {"byte": part.start, "record": "damaged", "data": shown}
    kind, call = part.entry
    return {
        "byte": part.start,
        "record": _KINDS[kind],
        "call": call.call_id,
        "user": call.user_id,
        "model": call.model,
        "status": call.status,
        "cost": dollar_text(from_billionths(call.charge.charged)),
    }


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
