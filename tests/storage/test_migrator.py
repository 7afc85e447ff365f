"""The schema of a database, brought up to date by whoever comes first."""

import subprocess
import sys

import pytest
from peewee import DatabaseError, IntegrityError

from tornado_router.storage import migrator
from tornado_router.storage.databases import open_database
from tornado_router.storage.migrator import FOLDER, SchemaError

NAMES = sorted(path.stem for path in FOLDER.glob("0*.py"))


@pytest.fixture
def database(empty_place):
    database = open_database(empty_place.location)
    database.open()
    yield database
    database.close()


def test_from_nothing(database, empty_place):
    assert migrator.pending(database) == NAMES
    assert migrator.migrate(database) == NAMES
    assert migrator.pending(database) == []
    assert all(step.applied for step in migrator.migrations(database))
    assert empty_place.tables() >= {"users", "api_keys", "usage_logs"}


def test_again_changes_nothing(database, empty_place):
    migrator.migrate(database)
    before = empty_place.dump()
    assert migrator.migrate(database) == []
    assert empty_place.dump() == before


def test_a_newer_schema_is_refused_and_left_alone(database, empty_place):
    migrator.migrate(database)
    empty_place.ask(
        "INSERT INTO schema_migration (name, applied) VALUES (?, ?)", "9999_later", "2030-01-01"
    )
    before = empty_place.dump()
    for ask in (migrator.migrations, migrator.pending, migrator.migrate):
        with pytest.raises(SchemaError, match=r"newer version of the router \(it has 9999_later\)"):
            ask(database)
    assert empty_place.dump() == before


def test_a_migration_that_fails_leaves_nothing_behind(database, empty_place):
    empty_place.ask("CREATE TABLE usage_logs (id INTEGER)")  # somebody else's
    with pytest.raises(DatabaseError, match="already exists"):
        migrator.migrate(database)
    assert empty_place.tables() == {"usage_logs"}


def schema(place):
    """Every column of every table, and every index."""
    if place.is_file:
        return sorted(place.ask("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    columns = place.ask(
        "SELECT table_name, column_name, data_type, column_default, is_nullable, "
        "character_maximum_length FROM information_schema.columns WHERE table_schema = 'public'"
    )
    sequences = place.ask("SELECT sequencename, data_type::text FROM pg_sequences")
    sequences += place.ask(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace"
    )
    return sorted(map(str, columns + sequences + place.ask("SELECT indexdef FROM pg_indexes")))


@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(database, empty_place, name):
    migrator._runner(database).up(name)
    before = schema(empty_place)
    migrator.migrate(database)
    now = schema(empty_place)
    later = NAMES[: NAMES.index(name) : -1]
    assert migrator.rollback(database, name) == later
    assert migrator.pending(database) == later[::-1]
    assert schema(empty_place) == before
    assert migrator.migrate(database) == later[::-1]
    assert schema(empty_place) == now


def test_rows_stay(database, empty_place):
    """All but what the reverted migrations added, with ids that an older version can hold."""
    migrator.migrate(database)
    empty_place.ask(
        "INSERT INTO users (email, name, password_hash, created_at, updated_at) "
        "VALUES ('a@b', 'a', '!', '2027-01-15 08:00:00', '2027-01-15 08:00:00')"
    )
    for number in range(3):
        empty_place.ask(
            "INSERT INTO usage_days (id, day, user_id, api_key_id, model) VALUES (?, ?, 1, 1, ?)",
            2**33 + number,
            "2027-01-15",
            f"m{number}",
        )
    migrator.rollback(database, "0003_kept_answers_and_requests")
    assert sorted(empty_place.ask("SELECT model FROM usage_days")) == [("m0",), ("m1",), ("m2",)]
    migrator.migrate(database)
    migrator.rollback(database, "0001_initial")
    assert empty_place.ask("SELECT id, email FROM users") == [(1, "a@b")]
    migrator.migrate(database)
    assert empty_place.ask("SELECT email, is_active FROM users") == [("a@b", 1)]


BEFORE_CHECK = "0005_bigint_usage_day_ids"


def add_user(place, id_, credits_):
    place.ask(
        "INSERT INTO users (id, email, name, password_hash, credits, created_at, updated_at) "
        "VALUES (?, ?, 'a', '!', ?, '2027-01-15 08:00:00', '2027-01-15 08:00:00')",
        id_,
        f"{id_}@b",
        credits_,
    )


def test_credits_are_held_above_zero_and_what_refers_to_users_stays(database, empty_place):
    migrator._runner(database).up(BEFORE_CHECK)
    for id_, credits_ in ((7, 5), (9, -12)):
        add_user(empty_place, id_, credits_)
        empty_place.ask(
            "INSERT INTO api_keys (user_id, key_hash, prefix, name, created_at) "
            "VALUES (?, ?, 'p', 'k', '2027-01-15 08:00:00')",
            id_,
            f"hash{id_}",
        )
    for _ in range(2):
        migrator.migrate(database)
        assert empty_place.ask("SELECT id, credits, spent FROM users ORDER BY id") == [
            (7, 5, 0),
            (9, 0, 0),
        ]
        keys = empty_place.ask("SELECT user_id, key_hash FROM api_keys ORDER BY user_id")
        assert keys == [(7, "hash7"), (9, "hash9")]
        entries = empty_place.ask("SELECT user_id, amount, balance, actor FROM credit_entries")
        assert entries == [(9, 12, 0, "migration")]
        for column in ("credits", "spent"):
            with pytest.raises(IntegrityError, match="users_money"):
                database.execute_sql(f"UPDATE users SET {column} = -1 WHERE id = 7")
        with pytest.raises(IntegrityError, match=r"users?[._]email"):
            database.execute_sql("UPDATE users SET email = '7@b'")
        with pytest.raises(IntegrityError):  # foreign keys hold again
            database.execute_sql("UPDATE api_keys SET user_id = 8")
        assert migrator.rollback(database, BEFORE_CHECK)[-1] == "0006_no_balance_below_zero"
    database.execute_sql("UPDATE users SET credits = -1 WHERE id = 7")


def test_a_rollback_to_what_is_not_there(database):
    with pytest.raises(SchemaError, match="0001_initial is not one of its migrations: none"):
        migrator.rollback(database, "0001_initial")
    migrator.migrate(database)
    with pytest.raises(SchemaError, match="0009_odd is not one of its migrations: 0001_initial, "):
        migrator.rollback(database, "0009_odd")
    assert migrator.rollback(database, NAMES[-1]) == []
    assert migrator.pending(database) == []


def test_a_rollback_that_fails_changes_nothing(database, empty_place):
    migrator.migrate(database)
    empty_place.ask("DROP INDEX apikey_previous_hash")
    with pytest.raises(DatabaseError, match="apikey_previous_hash"):
        migrator.rollback(database, "0001_initial")
    assert migrator.pending(database) == []
    assert empty_place.tables() >= {"request_logs"}


def test_routers_that_start_at_once_migrate_once(empty_place):
    code = (
        "import sys, pathlib; from tornado_router.storage.storage import Storage;"
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
