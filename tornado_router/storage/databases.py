"""The two databases that the router knows, behind one interface: SQLite and PostgreSQL.

What differs is how a thread gets its connection, and how writers are kept apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tornado_router.errors import Fault
from tornado_router.storage.postgres import MissingDriverError, Postgres, require_driver
from tornado_router.storage.postgres_connection import LocationError, check_url, url_title
from tornado_router.storage.sqlite import Sqlite

Database = Sqlite | Postgres


def open_database(location: Path | str) -> Database:
    """The database of a location; nothing is connected yet.

    Args:
        location: of an SQLite file, or the URL of a PostgreSQL database.

    Raises:
        MissingDriverError: it needs a package that is not installed.
    """
    return Sqlite(location) if isinstance(location, Path) else Postgres(location)


@contextmanager
def opened(location: Path | str) -> Iterator[Database]:
    """The open database of a location, which is closed behind; see `open_database`."""
    database = open_database(location)
    database.open()
    try:
        yield database
    finally:
        database.close()


def check_database(location: Path | str) -> Iterator[Fault]:
    """What is wrong with a location, as far as it shows without connecting."""
    if isinstance(location, Path):
        if location.is_dir():
            yield Fault("database.path", f"{location} is a folder: name a file in it")
        return
    try:
        require_driver()
        check_url(location)
    except (MissingDriverError, LocationError) as error:
        yield Fault("database.url", str(error))


def title(location: Path | str) -> str:
    """What a person knows a database by, without a password."""
    return str(location) if isinstance(location, Path) else url_title(location)
