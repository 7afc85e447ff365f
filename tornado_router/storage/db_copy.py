"""Copies the database of a router from SQLite to PostgreSQL, and proves that all of it is there."""

from __future__ import annotations

import datetime
import reprlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from itertools import zip_longest
from typing import Any, NamedTuple

from peewee import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    DatabaseError,
    DateField,
    DateTimeField,
    Field,
    FloatField,
    ForeignKeyField,
    IntegerField,
    InterfaceError,
    Model,
    TextField,
)

from tornado_router.errors import RouterError, first_line
from tornado_router.storage.postgres import Postgres
from tornado_router.storage.sqlite import Sqlite
from tornado_router.storage.tables import TABLES

Row = tuple[Any, ...]
"""The values of a row, its id first."""


class CopyError(RouterError):
    """Nothing was copied, and why."""


class Copied(NamedTuple):
    """What was copied of a table.

    Attributes:
        table: its name.
        rows: how many there are.
        altered: how many texts of a column, by its name, had to be altered: PostgreSQL takes no
            NUL in a text, and none that is longer than its column.
    """

    table: str
    rows: int
    altered: dict[str, int]


def copy(source: Sqlite, target: Postgres) -> list[Copied]:
    """Copies every table, in one transaction.

    Both must be open in this thread, and their schemas up to date. Routers must not serve either.

    Raises:
        CopyError: there is something in the target already, something in the source that
            PostgreSQL does not take, or not all of it arrived.
    """
    with _faults(source), _texts(source), source.reading(), target.writing(long=True):
        for model in TABLES:
            if target.execute_sql(f"SELECT 1 FROM {_table(model)} LIMIT 1").fetchone():  # noqa: S608
                raise CopyError(f"the table {_table(model)} of the target is not empty")
        _check_references(source)
        return [_copy_table(source, target, model) for model in TABLES]


def _copy_table(source: Sqlite, target: Postgres, model: type[Model]) -> Copied:
    altered: Counter[str] = Counter()
    rows = 0
    with target.cursor().copy(f"COPY {_table(model)} ({_names(model)}) FROM STDIN") as stream:
        for row in _source_rows(source, model, altered):
            stream.write_row(row)
            rows += 1
    # Else the next row would get the id of one that was copied.
    target.execute_sql(
        f"SELECT setval(pg_get_serial_sequence('{_table(model)}', 'id'), MAX(id)) "  # noqa: S608
        f"FROM {_table(model)} HAVING MAX(id) IS NOT NULL"
    )
    _compare(source, target, model)
    return Copied(_table(model), rows, dict(altered))


def _compare(source: Sqlite, target: Postgres, model: type[Model]) -> None:
    """Reads a table in both databases, and compares every value.

    Raises:
        CopyError: they differ.
    """
    rows = _source_rows(source, model, Counter())
    # Closed at once: until then, nothing else can be said on its connection.
    with closing(_target_rows(target, model)) as arrived:
        for row, other in zip_longest(rows, arrived):
            if row != other:
                raise CopyError(f"the table {_table(model)} arrived otherwise: {_tell(row, other)}")


def _tell(row: Row | None, arrived: Row | None) -> str:
    """How two rows differ."""
    if row is None or arrived is None:
        return f"{reprlib.repr(row)} became {reprlib.repr(arrived)}"
    pairs = zip(row, arrived, strict=True)
    changes = [f"{reprlib.repr(a)} became {reprlib.repr(b)}" for a, b in pairs if a != b]
    return f"in row {row[0]}, {', '.join(changes)}"


def _source_rows(source: Sqlite, model: type[Model], altered: Counter[str]) -> Iterator[Row]:
    """The rows of a table, as PostgreSQL takes them, by and by.

    Args:
        source: where.
        model: of the table.
        altered: texts that had to be altered are counted here, by their column.

    Raises:
        CopyError: a value is not of its column's type.
    """
    fields: list[Field] = model._meta.sorted_fields
    columns = [(field, field.column_name, _converter(field)) for field in fields]
    for values in source.execute_sql(_select(model)):
        row = []
        for (field, name, convert), value in zip(columns, values, strict=True):
            try:
                converted = value if value is None and field.null else convert(value)
            except (TypeError, ValueError) as error:
                raise CopyError(
                    f"{source.path}: the table {_table(model)} has {reprlib.repr(value)} in the "
                    f"column {name} of row {values[0]}: {error}"
                ) from None
            if isinstance(value, str) and isinstance(converted, str) and converted != value:
                altered[name] += 1
            row.append(converted)
        yield tuple(row)


def _target_rows(target: Postgres, model: type[Model]) -> Generator[Row, None, None]:
    yield from target.cursor().stream(_select(model))


def _select(model: type[Model]) -> str:
    return f"SELECT {_names(model)} FROM {_table(model)} ORDER BY id"  # noqa: S608 - names are ours


def _names(model: type[Model]) -> str:
    return ", ".join(field.column_name for field in model._meta.sorted_fields)


def _table(model: type[Model]) -> str:
    return str(model._meta.table_name)


# Values


def _converter(field: Field) -> Callable[[Any], Any]:
    """What makes a value of PostgreSQL's type of one that SQLite keeps.

    SQLite keeps every value as it is given, however its column was declared.
    """
    if isinstance(field, CharField):
        return lambda value: _text(value)[: field.max_length]
    for kinds, convert in _CONVERTERS:
        if isinstance(field, kinds):
            return convert
    raise TypeError(type(field).__name__)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("it is not a text")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("it is not a text in UTF-8") from None
    return value.replace("\0", "")


def _integer(value: Any) -> int:
    if not -(2**31) <= _big_integer(value) < 2**31:
        raise ValueError("it does not fit in 32 bits")
    return int(value)


def _big_integer(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError("it is not a whole number")
    return value


def _float(value: Any) -> float:
    if not isinstance(value, int | float):
        raise TypeError("it is not a number")
    return float(value)


def _boolean(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError("it is neither 0 nor 1")
    return bool(value)


def _time(value: Any) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(_text(value))
    if moment.tzinfo:
        raise ValueError("times are in UTC, without a zone")
    return moment


def _day(value: Any) -> datetime.date:
    return datetime.date.fromisoformat(_text(value))


_CONVERTERS: list[tuple[Any, Callable[[Any], Any]]] = [
    (BooleanField, _boolean),
    ((BigAutoField, BigIntegerField), _big_integer),
    ((AutoField, ForeignKeyField, IntegerField), _integer),
    (FloatField, _float),
    (DateTimeField, _time),
    (DateField, _day),
    (TextField, _text),
]


# The source


@contextmanager
def _texts(source: Sqlite) -> Iterator[None]:
    """Has texts read that are not UTF-8, so that an error can name their place."""
    connection = source.connection()
    factory = connection.text_factory
    connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        connection.text_factory = factory


def _check_references(source: Sqlite) -> None:
    """Looks for rows that refer to others that are not there: SQLite checks that only if asked to.

    Raises:
        CopyError: there is one.
    """
    for table, row, parent, number in source.execute_sql("PRAGMA foreign_key_check"):
        keys = source.execute_sql(f"PRAGMA foreign_key_list({table})").fetchall()
        (column,) = (key[3] for key in keys if key[0] == number)
        raise CopyError(
            f"{source.path}: the table {table} has a {column} in row {row} that the table {parent} "
            "does not have"
        )


@contextmanager
def _faults(source: Sqlite) -> Iterator[None]:
    """Says which database is at fault. Streams raise what the driver does, and not Peewee."""
    import psycopg  # noqa: PLC0415 - 9 MB, and an extra

    try:
        yield
    except (DatabaseError, InterfaceError, sqlite3.Error, psycopg.Error) as error:
        cause = getattr(error, "orig", error)
        if not isinstance(cause, psycopg.Error):
            raise CopyError(f"{source.path} cannot be read: {cause}") from None
        diagnosis = cause.diag
        table = f"the table {diagnosis.table_name}: " if diagnosis.table_name else ""
        detail = f" ({diagnosis.message_detail})" if diagnosis.message_detail else ""
        why = diagnosis.message_primary or first_line(cause)
        raise CopyError(f"PostgreSQL refuses {table}{why}{detail}") from None
