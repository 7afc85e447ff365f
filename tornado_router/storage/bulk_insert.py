"""Inserts many rows with few statements, and skips those that the database refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from tornado_router.storage.databases import Database

ROWS_PER_STATEMENT = (64, 16, 8, 4, 2, 1)
"""How many rows a statement may have. SQLite takes 32,766 parameters in one, PostgreSQL 65,535:
https://www.sqlite.org/limits.html.

Few numbers, as Python keeps the last 128 statements that SQLite has prepared: one for each number
of calls that a batch may have came to 50 MB, and each was prepared anew."""

Row = Mapping[str, Any]
"""The values of a row by the names of their columns."""


def insert(
    database: Database, table: str, rows: Sequence[Row], on_conflict: str = ""
) -> list[tuple[Any, ...]]:
    """Inserts rows, in as few statements as there may be.

    Plain SQL: Peewee's `insert_many` takes 30 us a row, and the thread that writes shares the
    processor with the event loop.

    Args:
        database: open in this thread.
        table: name of the table.
        rows: what to insert; all have the same columns, of which there are several.
        on_conflict: SQL behind the values, such as `ON CONFLICT DO NOTHING`.

    Returns:
        The rows of a `RETURNING` clause.
    """
    returned: list[tuple[Any, ...]] = []
    for part in _parts(rows):
        columns = list(part[0])
        in_order = itemgetter(*columns)
        place = f"({', '.join([database.param] * len(columns))})"
        statement = (
            f"INSERT INTO {table} ({', '.join(columns)}) "  # noqa: S608 - the names are ours
            f"VALUES {', '.join([place] * len(part))} {on_conflict}"
        )
        values = list(chain.from_iterable(map(in_order, part)))
        cursor = database.execute_sql(statement, values)
        if cursor.description:
            returned += cursor.fetchall()
    return returned


def _parts(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """The rows of each statement, in order."""
    start = 0
    for size in ROWS_PER_STATEMENT:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def insert_each(
    database: Database,
    rows: Sequence[Row],
    insert: Callable[[Sequence[Row]], object],
    complain: Callable[[Row, Exception], None],
) -> None:
    """Inserts rows one at a time, so that an invalid one does not hold up the others.

    Args:
        database: open in this thread, in a transaction.
        rows: what to insert.
        insert: inserts some of them.
        complain: called with a row that the database refuses, and its error.
    """
    for row in rows:
        try:
            with database.atomic():
                insert([row])
        except database.row_faults as error:
            complain(row, error)
