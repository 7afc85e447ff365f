"""Many rows at once, and bad ones among them."""

import pytest
from peewee import IntegrityError

from tornado_router.storage import bulk_insert
from tornado_router.storage.databases import open_database

IGNORE = "ON CONFLICT DO NOTHING RETURNING word"


def words(*pairs):
    return [{"word": word, "number": number} for word, number in pairs]


@pytest.fixture
def database(empty_place):
    database = open_database(empty_place.location)
    database.open()
    database.execute_sql("CREATE TABLE words (word VARCHAR(9) UNIQUE, number INTEGER NOT NULL)")
    yield database
    database.close()


def test_more_rows_than_a_statement_takes(database):
    rows = words(*((f"w{number}", number) for number in range(70_000)))
    returned = bulk_insert.insert(database, "words", rows, IGNORE)
    assert returned == [(row["word"],) for row in rows]
    returned = bulk_insert.insert(database, "words", words(("w1", 1), ("new", 2)), IGNORE)
    assert returned == [("new",)]
    cursor = database.execute_sql("SELECT COUNT(*) FROM words")
    assert cursor.fetchone() == (70_001,)


def test_batches_of_any_size_share_few_statements(database, monkeypatch):
    statements = set()
    execute = database.execute_sql
    monkeypatch.setattr(
        database, "execute_sql", lambda sql, values: statements.add(sql) or execute(sql, values)
    )
    for size in range(1, 100):
        rows = words(*((f"{size}-{number}", number) for number in range(size)))
        assert len(bulk_insert.insert(database, "words", rows, IGNORE)) == size
    assert len(statements) == len(bulk_insert.ROWS_PER_STATEMENT)


def test_a_statement_that_returns_nothing(database):
    assert bulk_insert.insert(database, "words", words(("a", 1))) == []
    assert bulk_insert.insert(database, "words", [], IGNORE) == []


def test_values_go_by_the_names_of_their_columns(database):
    bulk_insert.insert(database, "words", [{"number": 1, "word": "a"}, {"word": "b", "number": 2}])
    cursor = database.execute_sql("SELECT word, number FROM words ORDER BY number")
    assert cursor.fetchall() == [("a", 1), ("b", 2)]


def test_a_bad_row_does_not_hold_up_the_others(database):
    bad = []
    rows = words(("a", 1), ("b", None), ("c", 3))
    with database.writing():
        bulk_insert.insert_each(
            database,
            rows,
            lambda some: bulk_insert.insert(database, "words", some),
            lambda row, error: bad.append((row, type(error))),
        )
    assert bad == [({"word": "b", "number": None}, IntegrityError)]
    cursor = database.execute_sql("SELECT word FROM words ORDER BY number")
    assert cursor.fetchall() == [("a",), ("c",)]
