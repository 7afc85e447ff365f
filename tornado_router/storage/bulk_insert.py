"""Writes many rows at once: as many in a statement as a database takes, without the bad ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tornado_router.storage.databases import Engine

ROWS_PER_STATEMENT = 200
"""SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535:
https://www.sqlite.org/limits.html."""

Row = tuple[Any, ...]


def execute(database: Engine, statement: str, rows: Sequence[Row]) -> list[Row]:
    """Runs a statement for rows, as often as there are too many for one.

    Plain SQL, as Peewee's `insert_many` costs 30 us a row, and a thread that writes shares the
    processor with the event loop.

    Args:
        database: that is open in this thread.
        statement: with `{}` for the placeholders of the values.
        rows: their values.

    Returns:
        What the statement returns.
    """
    returned: list[Row] = []
    for start in range(0, len(rows), ROWS_PER_STATEMENT):
        part = rows[start : start + ROWS_PER_STATEMENT]
        one = "(" + ", ".join([database.param] * len(part[0])) + ")"
        places = ", ".join([one] * len(part))
        values = [value for row in part for value in row]
        cursor = database.execute_sql(statement.format(places), values)
        if cursor.description:
            returned += cursor.fetchall()
    return returned


def insert_each(
    database: Engine,
    rows: Sequence[Row],
    insert: Callable[[Sequence[Row]], object],
    complain: Callable[[Row, Exception], None],
) -> None:
    """Inserts rows one at a time, so that a bad one does not hold up the others.

    Args:
        database: that is open in this thread, in a transaction.
        rows: their values.
        insert: inserts some of them.
        complain: told of a row that the database does not take, and why.
    """
    for row in rows:
        try:
            with database.atomic():
                insert([row])
        except database.row_faults as error:
            complain(row, error)
