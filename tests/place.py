"""Where the database of a test is: a file, or a PostgreSQL database."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg


class Place:
    """Where a test's database is, and what a plain client sees in it.

    Args:
        location: of an SQLite file, or the URL of a PostgreSQL database.
    """

    def __init__(self, location: Path | str) -> None:
        self.location = location
        self.is_file = isinstance(location, Path)

    @contextmanager
    def connect(self):
        """A connection of the database's own driver; each statement is a transaction."""
        if self.is_file:
            made = sqlite3.connect(self.location, isolation_level=None)
        else:
            made = psycopg.connect(self.location, autocommit=True)
        with closing(made) as connection:
            yield connection

    def ask(self, query: str, *values) -> list[tuple]:
        """The rows of a query, or none; values stand for `?`."""
        with self.connect() as connection:
            cursor = connection.execute(query if self.is_file else query.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []

    def rows(self, query: str, *values) -> list[dict]:
        """The same, each row by the names of its columns."""
        with self.connect() as connection:
            cursor = connection.execute(query if self.is_file else query.replace("?", "%s"), values)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def tables(self) -> set[str]:
        """The names of its tables."""
        query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        if self.is_file:
            query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return {name for (name,) in self.ask(query)}

    def dump(self) -> str:
        """All that it holds, as text."""
        with self.connect() as connection:
            if self.is_file:
                return "\n".join(connection.iterdump())
            return "\n".join(
                str(row) for name in self.tables() for row in self.ask(f"SELECT * FROM {name}")
            )
