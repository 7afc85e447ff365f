"""The schema of a database, brought up to date by whoever comes first."""

import subprocess
import sys

import pytest
from peewee import DatabaseError

from tornado_router import migrating
from tornado_router.engines import open_engine
from tornado_router.migrating import FOLDER, SchemaError

NAMES = sorted(path.stem for path in FOLDER.glob("0*.py"))


@pytest.fixture
def database(empty_place):
    database = open_engine(empty_place.location)
    database.open()
    yield database
    database.close()


def test_from_nothing(database, empty_place):
    assert migrating.pending(database) == NAMES
    assert migrating.migrate(database) == NAMES
    assert migrating.pending(database) == []
    assert all(step.applied for step in migrating.migrations(database))
    assert empty_place.tables() >= {"users", "api_keys", "usage_logs"}


def test_again_changes_nothing(database, empty_place):
    migrating.migrate(database)
    before = empty_place.dump()
    assert migrating.migrate(database) == []
    assert empty_place.dump() == before


def test_a_newer_schema_is_refused_and_left_alone(database, empty_place):
    migrating.migrate(database)
    empty_place.ask(
        "INSERT INTO schema_migration (name, applied) VALUES (?, ?)", "9999_later", "2030-01-01"
    )
    before = empty_place.dump()
    for ask in (migrating.migrations, migrating.pending, migrating.migrate):
        with pytest.raises(SchemaError, match=r"newer version of the router \(it has 9999_later\)"):
            ask(database)
    assert empty_place.dump() == before


def test_a_migration_that_fails_leaves_nothing_behind(database, empty_place):
    empty_place.ask("CREATE TABLE usage_logs (id INTEGER)")  # somebody else's
    with pytest.raises(DatabaseError, match="already exists"):
        migrating.migrate(database)
    assert empty_place.tables() == {"usage_logs"}


def test_routers_that_start_at_once_migrate_once(empty_place):
    code = (
        "import sys, pathlib; from tornado_router.db import Storage;"
        "sys.stdin.read(); place = sys.argv[1];"
        "Storage(place if '://' in place else pathlib.Path(place)).close()"
    )
    starts = [
        subprocess.Popen(
            [sys.executable, "-c", code, empty_place.location],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for start in starts:
        start.stdin.close()  # what each of them waits for, once it is loaded
    ends = [(start.stderr.read(), start.wait()) for start in starts]
    for start in starts:
        start.stderr.close()
    assert [code for _, code in ends] == [0, 0, 0, 0], ends
    assert not any("Traceback" in text for text, _ in ends)
    assert len(empty_place.ask("SELECT * FROM schema_migration")) == len(NAMES)
