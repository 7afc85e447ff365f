"""The database: its tables, its migrations, and how a coroutine asks it."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from decimal import Decimal

import pytest
from peewee import IntegrityError, OperationalError, fn

from tornado_router.db import (
    MIGRATIONS,
    MODELS,
    ApiKey,
    SchemaError,
    Storage,
    UsageLog,
    User,
    now,
    utc,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "router.db"


@pytest.fixture
def storage(path):
    storage = Storage(path)
    yield storage
    storage.close()


def ask(path, query):
    """What a plain SQLite client sees."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query)]


def tables(path):
    return {row["name"] for row in ask(path, "SELECT name FROM sqlite_master WHERE type='table'")}


def user(email="a@b", **fields):
    return User.create(email=email, name="a", password_hash="!", **fields)


# The tables as the product defines them: type, may be null, default.
USERS = {
    "id": ("INTEGER", False, None),
    "email": ("VARCHAR(255)", False, None),
    "name": ("VARCHAR(255)", False, None),
    "password_hash": ("VARCHAR(255)", False, None),
    "plan": ("VARCHAR(255)", False, "'free'"),
    "credits": ("INTEGER", False, "0"),
    "created_at": ("DATETIME", False, None),
    "updated_at": ("DATETIME", False, None),
}
API_KEYS = {
    "id": ("INTEGER", False, None),
    "user_id": ("INTEGER", False, None),
    "key_hash": ("VARCHAR(64)", False, None),
    "name": ("VARCHAR(255)", False, None),
    "permissions": ("TEXT", False, "'[]'"),
    "rate_limit_rpm": ("INTEGER", True, "60"),
    "rate_limit_tpm": ("INTEGER", True, "10000"),
    "is_active": ("INTEGER", False, "TRUE"),
    "created_at": ("DATETIME", False, None),
    "last_used_at": ("DATETIME", True, None),
}
USAGE_LOGS = {
    "id": ("INTEGER", False, None),
    "user_id": ("INTEGER", True, None),
    "api_key_id": ("INTEGER", True, None),
    "provider": ("VARCHAR(255)", True, None),
    "model": ("VARCHAR(255)", False, None),
    "prompt_tokens": ("INTEGER", False, None),
    "completion_tokens": ("INTEGER", False, None),
    "total_tokens": ("INTEGER", False, None),
    "cost": ("INTEGER", False, "0"),
    "created_at": ("DATETIME", False, None),
}


class TestTables:
    @pytest.mark.parametrize(
        ("table", "columns"),
        [("users", USERS), ("api_keys", API_KEYS), ("usage_logs", USAGE_LOGS)],
    )
    def test_columns(self, storage, path, table, columns):
        there = {
            row["name"]: (row["type"], not row["notnull"], row["dflt_value"])
            for row in ask(path, f"PRAGMA table_info({table})")
        }
        assert {name: there.get(name) for name in columns} == columns

    @pytest.mark.parametrize("model", MODELS)
    def test_the_models_know_every_column_and_no_other(self, storage, path, model):
        table = model._meta.table_name
        there = {
            row["name"]: not row["notnull"] for row in ask(path, f"PRAGMA table_info({table})")
        }
        assert there == {field.column_name: field.null for field in model._meta.sorted_fields}

    def test_foreign_keys(self, storage, path):
        keys = {
            (table, row["from"]): (row["table"], row["to"], row["on_delete"])
            for table in ("users", "api_keys", "usage_logs")
            for row in ask(path, f"PRAGMA foreign_key_list({table})")
        }
        assert keys == {
            ("api_keys", "user_id"): ("users", "id", "CASCADE"),
            ("usage_logs", "user_id"): ("users", "id", "SET NULL"),
            ("usage_logs", "api_key_id"): ("api_keys", "id", "SET NULL"),
        }

    def test_indexes(self, storage, path):
        indexes = {
            (table, tuple(column["name"] for column in columns)): bool(index["unique"])
            for table in ("users", "api_keys", "usage_logs", "usage_days", "invites")
            for index in ask(path, f"PRAGMA index_list({table})")
            for columns in [ask(path, f"PRAGMA index_info({index['name']})")]
        }
        assert indexes == {
            ("users", ("email",)): True,
            ("api_keys", ("key_hash",)): True,
            ("api_keys", ("user_id",)): False,
            ("usage_logs", ("call_id",)): True,
            ("usage_logs", ("user_id", "created_at")): False,
            ("usage_logs", ("api_key_id", "created_at")): False,
            ("usage_logs", ("created_at",)): False,
            ("api_keys", ("previous_hash",)): True,
            ("usage_days", ("user_id", "day", "api_key_id", "provider", "model")): True,
            ("usage_days", ("api_key_id", "day")): False,
            ("usage_days", ("day",)): False,
            ("invites", ("code_hash",)): True,
            ("invites", ("used_by_id",)): False,
        }

    def test_sqlite_runs_as_it_should(self, storage):
        def pragmas():
            return {
                name: storage.database.pragma(name)
                for name in ("journal_mode", "foreign_keys", "synchronous")
            }

        assert storage.call(pragmas) == {
            "journal_mode": "wal",
            "foreign_keys": 1,
            "synchronous": 1,
        }

    def test_defaults(self, storage):
        def make():
            key = ApiKey.create(user=user(), key_hash="h", prefix="p", name="k")
            return ApiKey.get_by_id(key.id), User.get()

        key, owner = storage.call(make)
        assert (owner.plan, owner.credits, owner.is_admin) == ("free", 0, False)
        assert (key.permissions, key.rate_limit_rpm, key.rate_limit_tpm) == ("[]", 60, 10_000)
        assert (key.is_active, key.last_used_at) == (True, None)
        assert abs((now() - key.created_at).total_seconds()) < 3600

    def test_an_email_is_somebodys_alone(self, storage):
        storage.call(user)
        with pytest.raises(IntegrityError):
            storage.call(user)

    def test_keys_go_with_their_user(self, storage, path):
        def make():
            owner = user()
            ApiKey.create(user=owner, key_hash="h", prefix="p", name="k")
            owner.delete_instance()

        storage.call(make)
        assert ask(path, "SELECT * FROM api_keys") == []

    def test_a_key_needs_a_user(self, storage):
        with pytest.raises(IntegrityError):
            storage.call(lambda: ApiKey.create(user=99, key_hash="h", prefix="p", name="k"))


class TestMigrations:
    def test_from_nothing(self, path):
        Storage(path).close()
        assert tables(path) >= {"users", "api_keys", "usage_logs"}

    def test_again_changes_nothing(self, path):
        storage = Storage(path)
        storage.call(user)
        storage.close()
        Storage(path).close()
        assert len(ask(path, "SELECT * FROM users")) == 1

    def test_the_folder_is_made(self, tmp_path):
        Storage(tmp_path / "a" / "b" / "router.db").close()
        assert (tmp_path / "a" / "b" / "router.db").exists()

    def test_a_newer_schema_is_refused_and_left_alone(self, path):
        Storage(path).close()
        with closing(sqlite3.connect(path)) as database, database:
            database.execute(
                "INSERT INTO schema_migration (name, applied) VALUES ('9999_later', '2030-01-01')"
            )
        before = ask(path, "SELECT * FROM schema_migration")
        with pytest.raises(SchemaError, match=r"newer version of the router \(it has 9999_later\)"):
            Storage(path)
        assert ask(path, "SELECT * FROM schema_migration") == before

    def test_a_migration_that_fails_leaves_nothing_behind(self, path):
        path.parent.mkdir()
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("CREATE TABLE usage_logs (id INTEGER)")  # somebody else's
        with pytest.raises(OperationalError, match="already exists"):
            Storage(path)
        assert tables(path) == {"usage_logs"}

    def test_routers_that_start_at_once_migrate_once(self, path):
        code = (
            "import sys, pathlib; from tornado_router.db import Storage;"
            "sys.stdin.read(); Storage(pathlib.Path(sys.argv[1])).close()"
        )
        starts = [
            subprocess.Popen(
                [sys.executable, "-c", code, path],
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
        assert [code for _, code in ends] == [0, 0, 0, 0]
        assert not any("Traceback" in text for text, _ in ends)
        assert len(ask(path, "SELECT * FROM schema_migration")) == len(
            list(MIGRATIONS.glob("0*.py"))
        )
        assert tables(path) >= {"users", "api_keys", "usage_logs"}


class TestMoney:
    @pytest.mark.parametrize(
        "amount", ["0", "0.1", "0.000000001", "12345678.987654321", "-3.5", "9000000000"]
    )
    def test_comes_back_as_it_was(self, storage, amount):
        made = storage.call(lambda: User.get_by_id(user(credits=Decimal(amount)).id))
        assert made.credits == Decimal(amount)

    def test_sums_are_exact(self, storage):
        def add():
            for number in range(100):
                user(f"{number}@b", credits=Decimal("0.1") if number % 2 else Decimal("0.2"))
            # Without `coerce`, Peewee gives a sum as the database holds it: in billionths.
            return User.select(fn.SUM(User.credits).coerce()).scalar()

        assert storage.call(add) == Decimal(15)

    def test_the_database_counts_exactly_too(self, storage):
        def spend():
            user(credits=Decimal("0.3"))
            for _ in range(3):
                User.update(credits=User.credits - Decimal("0.1")).execute()
            return User.get().credits

        assert storage.call(spend) == 0

    def test_is_held_as_whole_billionths(self, storage, path):
        storage.call(lambda: user(credits=Decimal("1.5")))
        assert ask(path, "SELECT credits, typeof(credits) AS type FROM users") == [
            {"credits": 1_500_000_000, "type": "integer"}
        ]

    def test_comparisons(self, storage):
        def count():
            user(credits=Decimal("0.5"))
            return User.select().where(User.credits >= Decimal("0.5")).count()

        assert storage.call(count) == 1


class TestRun:
    def test_never_on_the_thread_of_the_loop(self, storage):
        async def main():
            return await storage.run(threading.get_ident)

        assert asyncio.run(main()) != threading.get_ident()

    def test_what_the_work_raises_is_raised(self, storage):
        with pytest.raises(ZeroDivisionError):
            asyncio.run(storage.run(lambda: 1 / 0))

    def test_many_at_once(self, storage):
        async def main():
            await asyncio.gather(
                *(storage.run(lambda n=n: user(f"{n}@b")) for n in range(50)),
            )
            return await storage.run(lambda: User.select().count())

        assert asyncio.run(main()) == 50

    def test_nothing_stays_open(self, storage):
        storage.call(user)
        assert storage.database.is_closed()


def test_times_are_utc_without_a_zone():
    assert utc(0).isoformat() == "1970-01-01T00:00:00"
    assert utc(1_800_000_000.25).isoformat() == "2027-01-15T08:00:00.250000"


def test_usage_needs_nobody():
    assert UsageLog.user.null
    assert UsageLog.api_key.null
