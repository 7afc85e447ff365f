"""Many rows at once, and bad ones among them."""

import pytest
from peewee import IntegrityError

from tornado_router.storage import bulk_insert
from tornado_router.storage.databases import open_engine

INSERT = "INSERT INTO words (word, number) VALUES {} ON CONFLICT DO NOTHING RETURNING word"


@pytest.fixture
def database(empty_place):
    database = open_engine(empty_place.location)
    database.open()
    database.execute_sql("CREATE TABLE words (word VARCHAR(9) UNIQUE, number INTEGER NOT NULL)")
    yield database
    database.close()


def test_more_rows_than_a_statement_takes(database):
    rows = [(f"w{number}", number) for number in range(70_000)]
    assert bulk_insert.execute(database, INSERT, rows) == [(word,) for word, _ in rows]
    assert bulk_insert.execute(database, INSERT, [("w1", 1), ("new", 2)]) == [("new",)]
    cursor = database.execute_sql("SELECT COUNT(*) FROM words")
    assert cursor.fetchone() == (70_001,)


def test_a_statement_that_returns_nothing(database):
    assert bulk_insert.execute(database, INSERT.partition(" ON")[0], [("a", 1)]) == []
    assert bulk_insert.execute(database, INSERT, []) == []


def test_a_bad_row_does_not_hold_up_the_others(database):
    bad = []
    rows = [("a", 1), ("b", None), ("c", 3)]
    with database.writing():
        bulk_insert.insert_each(
            database,
            rows,
            lambda some: bulk_insert.execute(database, INSERT, some),
            lambda row, error: bad.append((row, type(error))),
        )
    assert bad == [(("b", None), IntegrityError)]
    cursor = database.execute_sql("SELECT word FROM words ORDER BY number")
    assert cursor.fetchall() == [("a",), ("c",)]
