"""The two databases that the router knows, behind one interface: SQLite and PostgreSQL.

What differs is how a thread gets its connection, and how writers are kept apart.
"""

from __future__ import annotations

from pathlib import Path

from tornado_router.storage.postgres import Postgres
from tornado_router.storage.postgres_connection import url_title
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


def title(location: Path | str) -> str:
    """What a person knows a database by, without a password."""
    return str(location) if isinstance(location, Path) else url_title(location)
