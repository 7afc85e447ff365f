"""`tornado-router db`: the schema of the database, backups, and the move to PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import click

from tornado_router.cli.backup_commands import backup, journal, restore
from tornado_router.cli.common import (
    alone,
    config_option,
    database_faults_shown,
    json_option,
    open_storage,
    read_config,
    show_table,
)
from tornado_router.storage import migrator
from tornado_router.storage.databases import opened, title
from tornado_router.storage.db_copy import CopyError, copy
from tornado_router.storage.postgres import Postgres
from tornado_router.storage.sqlite import Sqlite


@click.group()
def db() -> None:
    """Migrate the database, roll it back, back it up, or copy it to PostgreSQL."""


db.add_command(backup)
db.add_command(restore)
db.add_command(journal)


@db.command()
@config_option
def migrate(path: Path) -> None:
    """Bring the schema up to date. Safe to run from several machines at once."""
    config = read_config(path)
    location = config.database_location
    with database_faults_shown(location), opened(location) as database:
        names = migrator.migrate(database)
    for name in names:
        click.echo(f"applied {name}")
    click.echo(f"{title(location)}: up to date")


@db.command()
@config_option
@json_option
def status(path: Path, *, as_json: bool) -> None:
    """Show which migrations have been applied. Exits with status 1 if some have not."""
    config = read_config(path)
    location = config.database_location
    no = None if as_json else "no"
    with database_faults_shown(location):
        if isinstance(location, Path) and not location.exists():
            raise SystemExit(f"{location}: there is no such file")
        with opened(location) as database:
            steps = migrator.migrations(database)
    if not as_json:
        click.echo(title(location))
    show_table(
        ("MIGRATION", "APPLIED"),
        [
            (step.name, f"{step.applied:%Y-%m-%d %H:%M:%S}" if step.applied else no)
            for step in steps
        ],
        as_json=as_json,
    )
    if any(step.applied is None for step in steps):
        raise SystemExit(1)


@db.command()
@config_option
@click.option("--to", "name", required=True, metavar="NAME", help="The last migration to keep.")
@click.option("--yes", is_flag=True, help="Do not ask whether that is meant.")
def rollback(path: Path, name: str, yes: bool) -> None:
    """Undo the migrations after NAME, so that an older version can use the database.

    Whatever those migrations added is deleted: back up the database first. Stop the routers, roll
    back with the newer version, then start the older one. `db status` of the older version shows
    the last migration that it knows.
    """
    location = read_config(path).database_location
    with database_faults_shown(location), opened(location) as database:
        names = migrator.to_revert(database, name)
        if names and not yes:
            click.confirm(f"Undo {', '.join(names)}, and delete what they added?", abort=True)
        with alone(database, location):
            names = migrator.rollback(database, name)
    for reverted in names:
        click.echo(f"undid {reverted}")
    click.echo(f"{title(location)}: its last migration is {name}")


@db.command("copy")
@config_option
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def copy_database(path: Path, source: Path) -> None:
    """Copy the SQLite file SOURCE into the PostgreSQL database of router.toml.

    Stop the routers first. The database must be empty; its schema is created. Either everything is
    copied or nothing; then every value is read from both and compared.
    """
    config = read_config(path)
    location = config.database_location
    if isinstance(location, Path):
        raise click.ClickException(f"{path} names no PostgreSQL: set `url` in [database]")
    with database_faults_shown(source), opened(source) as old:
        assert isinstance(old, Sqlite)
        if migrator.pending(old):
            raise click.ClickException(f"{source}: first migrate it with the router that it is of")
        open_storage(config, migrate=True).close()
        with database_faults_shown(location), opened(location) as new:
            assert isinstance(new, Postgres)
            try:
                with alone(old, source):
                    copied = copy(old, new)
            except CopyError as error:
                raise click.ClickException(str(error)) from None
    show_table(("TABLE", "ROWS"), [(item.table, item.rows) for item in copied])
    for item in copied:
        for column, count in item.altered.items():
            click.echo(f"{item.table}.{column}: {count} texts were shortened, or had a NUL removed")
    unaltered = " but for these texts" if any(item.altered for item in copied) else ""
    click.echo(f"{title(location)}: every value is that of {source}{unaltered}")
