"""Copies the database of a router from SQLite to PostgreSQL, and proves that all of it is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from peewee import (
    AutoField,
    BigIntegerField,
    CharField,
    Field,
    FloatField,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)

from tornado_router.db import MODELS
from tornado_router.engines import Postgres, Sqlite
from tornado_router.errors import RouterError

ROWS = 5000
"""That are read at once."""

Row = tuple[Any, ...]


class CopyError(RouterError):
    """Nothing was copied, and why."""


class Copied(NamedTuple):
    """What was copied of a table, as it is in both databases.

    Attributes:
        table: its name.
        rows: how many there are.
        sums: of each column of numbers, by its name.
    """

    table: str
    rows: int
    sums: dict[str, int]


def copy(source: Sqlite, target: Postgres) -> list[Copied]:
    """Copies every table, in one transaction.

    Both must be open in this thread, and their schemas up to date. Routers must not serve either.

    Raises:
        CopyError: there is something in the target already, or not all of it arrived.
    """
    with source.reading(), target.writing(long=True):
        for model in MODELS:
            if _count(target, model):
                raise CopyError(f"the table {_table(model)} of the target is not empty")
        return [_copy_table(source, target, model) for model in MODELS]


def _copy_table(source: Sqlite, target: Postgres, model: type[Model]) -> Copied:
    fields: Sequence[Field] = model._meta.sorted_fields
    names = ", ".join(field.column_name for field in fields)
    statement = f"COPY {_table(model)} ({names}) FROM STDIN"
    with target.cursor().copy(statement) as stream:
        for row in _rows(source, model, names):
            stream.write_row([_value(*pair) for pair in zip(fields, row, strict=True)])
    # Else the next row would get the id of one that was copied.
    target.execute_sql(
        f"SELECT setval(pg_get_serial_sequence('{_table(model)}', 'id'), MAX(id)) "  # noqa: S608
        f"FROM {_table(model)} HAVING MAX(id) IS NOT NULL"
    )
    there, here = _sums(source, model), _sums(target, model)
    if there != here:
        raise CopyError(f"the table {_table(model)} differs: {there} became {here}")
    return there


def _rows(source: Sqlite, model: type[Model], names: str) -> Iterator[Row]:
    last = -1
    query = f"SELECT id, {names} FROM {_table(model)} WHERE id > ? ORDER BY id LIMIT {ROWS}"  # noqa: S608
    while rows := source.execute_sql(query, (last,)).fetchall():
        last = rows[-1][0]
        yield from (row[1:] for row in rows)


def _value(field: Field, value: Any) -> Any:
    """What SQLite keeps in a column, as PostgreSQL takes it.

    SQLite asks neither for the length of a text, nor whether there is a NUL in it.
    """
    if isinstance(value, str) and isinstance(field, CharField | TextField):
        text = value.replace("\0", "")
        return text[: field.max_length] if isinstance(field, CharField) else text
    return value


def _sums(database: Sqlite | Postgres, model: type[Model]) -> Copied:
    columns = [field.column_name for field in model._meta.sorted_fields if _is_summed(field)]
    sums = "".join(f", COALESCE(SUM({name}), 0)" for name in columns)
    query = f"SELECT COUNT(*){sums} FROM {_table(model)}"  # noqa: S608 - names are ours
    rows, *values = database.execute_sql(query).fetchone()
    return Copied(_table(model), rows, dict(zip(columns, map(int, values), strict=True)))


def _is_summed(field: Field) -> bool:
    """Whether a column holds whole numbers, of which the sum is exact."""
    kinds = (AutoField, BigIntegerField, ForeignKeyField, IntegerField)
    return isinstance(field, kinds) and not isinstance(field, FloatField)


def _count(database: Postgres, model: type[Model]) -> int:
    query = f"SELECT COUNT(*) FROM {_table(model)}"  # noqa: S608 - names are ours
    (count,) = database.execute_sql(query).fetchone()
    return int(count)


def _table(model: type[Model]) -> str:
    return str(model._meta.table_name)
