"""Brings the schema of a database up to date, or back, by what is in migrations/."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, NamedTuple

from loguru import logger
from playhouse.migrations import Runner

from tornado_router.errors import RouterError
from tornado_router.storage.databases import Database

FOLDER = Path(__file__).parent / "migrations"


class SchemaError(RouterError):
    """A database is not as this version of the router has it."""


class Migration(NamedTuple):
    """One step of the schema: its name, and when it was applied (local time), or None."""

    name: str
    applied: datetime.datetime | None


def migrations(database: Database) -> list[Migration]:
    """The steps that this version knows, in order.

    Raises:
        SchemaError: the database has one that it does not know.
    """
    found = _runner(database).status()
    unknown = [item.name for item in found if item.path is None]
    if unknown:
        raise SchemaError(
            f"the database was made by a newer version of the router (it has {unknown[-1]}); "
            "upgrade the router or restore a backup"
        )
    return [Migration(item.name, item.applied) for item in found]


def pending(database: Database) -> list[str]:
    """Pending migrations.

    Raises:
        SchemaError: see `migrations`.
    """
    return [item.name for item in migrations(database) if item.applied is None]


def migrate(database: Database) -> list[str]:
    """Applies the pending migrations, all or none of them; returns their names.

    Of routers that do so at once, one migrates and the others find it done.

    Raises:
        SchemaError: see `migrations`.
    """
    if not pending(database):
        return []
    with database.altering():
        names: list[str] = _runner(database).up()
    if names:
        logger.info("the database was migrated: {}", ", ".join(names))
    return names


def to_revert(database: Database, name: str) -> list[str]:
    """The applied migrations after one, newest first.

    Raises:
        SchemaError: that one was not applied; or see `migrations`.
    """
    applied = [item.name for item in migrations(database) if item.applied]
    if name not in applied:
        raise SchemaError(f"{name} is not one of its migrations: {', '.join(applied) or 'none'}")
    return applied[: applied.index(name) : -1]


def rollback(database: Database, name: str) -> list[str]:
    """Reverts every migration after one, all or none of them; returns their names.

    Raises:
        SchemaError: see `to_revert`.
    """
    with database.altering():
        names = to_revert(database, name)
        if names:
            _runner(database).down(names[-1])
    return names


def _runner(database: Database) -> Any:
    return Runner(database, directory=str(FOLDER))
