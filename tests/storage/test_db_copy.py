"""The way of a database from SQLite to PostgreSQL."""

import datetime
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from tornado_router.accounts import credits, registration
from tornado_router.accounts.keys import create_key
from tornado_router.config.options import LedgerOptions
from tornado_router.ledger.writer import Ledger
from tornado_router.storage import migrator
from tornado_router.storage.databases import open_database
from tornado_router.storage.db_copy import CopyError, copy
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import TABLES, User

from ..ledger.test_writer import call
from ..place import Place
from ..postgres import postgres_server


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A router's file with users, keys, credits, and 12,000 calls."""
    folder = tmp_path_factory.mktemp("old")
    path = folder / "old.db"
    storage = Storage(path)

    def fill():
        owner = registration.create_administrator()
        for name in ("one", "two"):
            create_key(owner, name)
        credits.change(owner.id, Decimal("12.345678901"), "top_up", "begin", "cli")
        User.create(email="Grüße@example.com", name="日本 \\N \t\n'", password_hash="!")

    storage.call(fill)
    book = Ledger(storage, LedgerOptions(), folder / "journal")
    for number in range(12_000):
        book.add(call(number, cost=Decimal(number) / 1_000_000_000, model=f"m{number % 7}"))
    book.close()
    storage.close()
    return path


@pytest.fixture
def old(filled, tmp_path):
    return Place(Path(shutil.copy(filled, tmp_path)))


@pytest.fixture
def new(server):
    return Place(server.create(migrated=True))


@pytest.fixture
def databases(old, new):
    pair = open_database(old.location), open_database(new.location)
    for engine in pair:
        engine.open()
    yield pair
    for engine in pair:
        engine.close()


def everything(place):
    """Each row of each table; times as text, as SQLite has them."""
    found = {}
    for model in TABLES:
        names = ", ".join(field.column_name for field in model._meta.sorted_fields)
        rows = place.ask(f"SELECT {names} FROM {model._meta.table_name} ORDER BY id")
        found[model._meta.table_name] = [tuple(map(_plain, row)) for row in rows]
    return found


def _plain(value):
    if isinstance(value, bool):
        return int(value)
    return str(value) if isinstance(value, datetime.date) else value


def test_every_row_arrives(databases, old, new):
    copied = {item.table: item for item in copy(*databases)}
    assert everything(new) == everything(old)
    assert (copied["usage_logs"].rows, copied["users"].rows, copied["api_keys"].rows) == (
        12000,
        2,
        2,
    )
    assert not any(item.altered for item in copied.values())


def test_the_next_row_gets_an_id_of_its_own(databases, old, new):
    copy(*databases)
    storage = Storage(new.location)
    made = storage.call(lambda: User.create(email="next@b", name="a", password_hash="!"))
    storage.close()
    assert made.id == 3


def test_a_text_that_is_too_long_or_holds_a_nul_is_altered_and_counted(databases, old, new):
    old.ask("UPDATE usage_logs SET model = ?, error_code = ? WHERE id = 1", "m" * 300, "a\0b")
    old.ask("UPDATE usage_logs SET error_code = ? WHERE id = 2", "\0")
    copied = {item.table: item.altered for item in copy(*databases)}
    assert copied.pop("usage_logs") == {"model": 1, "error_code": 2}
    assert not any(copied.values())
    query = "SELECT model, error_code FROM usage_logs WHERE id = 1"
    assert new.ask(query) == [("m" * 255, "ab")]


def test_a_target_with_something_in_it_is_left_alone(databases, new):
    new.ask(
        "INSERT INTO invites (code_hash, created_by, created_at, expires_at) "
        "VALUES ('h', 'me', now(), now())"
    )
    before = new.dump()
    with pytest.raises(CopyError, match="the table invites of the target is not empty"):
        copy(*databases)
    assert new.dump() == before


ODD = [
    ("usage_logs", "prompt_tokens", "'many'", "'many' .* prompt_tokens of row 7: it is not"),
    ("usage_logs", "prompt_tokens", "3000000000", "3000000000 .* it does not fit in 32 bits"),
    ("usage_logs", "cost", "1.5", "1.5 in the column cost of row 7: it is not a whole number"),
    ("usage_logs", "stream", "2", "it is neither 0 nor 1"),
    ("usage_logs", "duration_ms", "'long'", "it is not a number"),
    ("usage_logs", "created_at", "'yesterday'", "Invalid isoformat string"),
    ("usage_logs", "created_at", "'2027-01-15T08:00:00+02:00'", "times are in UTC"),
    ("usage_logs", "model", "CAST(x'ff' AS TEXT)", "in the column model of row 7: .* UTF-8"),
    ("usage_logs", "model", "x'ff'", "in the column model of row 7: it is not a text"),
    ("usage_logs", "user_id", "99", "a user_id in row 7 that the table users does not have"),
]


@pytest.mark.parametrize(("table", "column", "value", "why"), ODD)
def test_what_postgresql_does_not_take_is_named(databases, old, new, table, column, value, why):
    old.ask(f"UPDATE {table} SET {column} = {value} WHERE id = 7")
    with pytest.raises(CopyError, match=f"old.db: the table usage_logs has .*{why}"):
        copy(*databases)
    assert everything(new) == {model._meta.table_name: [] for model in TABLES}


def test_what_postgresql_itself_refuses_is_told_in_a_line(databases, old):
    for number, email in enumerate(("twice", "twice\0")):
        old.ask("UPDATE users SET email = ? WHERE id = ?", email, number + 1)
    with pytest.raises(
        CopyError, match=r"PostgreSQL refuses the table users: duplicate .*\(twice\)"
    ):
        copy(*databases)


def test_a_file_that_is_broken_is_named(databases, old, new):
    size = old.location.stat().st_size
    with old.location.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xff" * (size // 4))
    with pytest.raises(CopyError, match=r"old.db cannot be read: .*malformed"):
        copy(*databases)


CHANGES = [
    ("duration_ms", "NEW.duration_ms + 0.001"),
    ("model", "NEW.model || ' '"),
    ("created_at", "NEW.created_at + interval '1 microsecond'"),
    ("stream", "NOT NEW.stream"),
    ("first_chunk_ms", "NULL"),
    ("cost", "NEW.cost + 1"),
]


@pytest.mark.parametrize(("column", "change"), CHANGES)
def test_a_difference_undoes_all_of_it(databases, new, column, change):
    """Whatever comes between: here a trigger, which PostgreSQL runs for each row of a copy."""
    new.ask(
        f"CREATE FUNCTION change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.id = 11999 THEN NEW.{column} := {change}; END IF; RETURN NEW; END $$"
    )
    new.ask(
        "CREATE TRIGGER change BEFORE INSERT ON usage_logs FOR EACH ROW EXECUTE FUNCTION change()"
    )
    with pytest.raises(CopyError, match="the table usage_logs arrived otherwise: in row 11999"):
        copy(*databases)
    assert everything(new) == {model._meta.table_name: [] for model in TABLES}
    assert migrator.pending(databases[1]) == []


def test_a_row_that_does_not_arrive(databases, new):
    new.ask(
        "CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RETURN CASE WHEN NEW.id = 5000 THEN NULL ELSE NEW END; END $$"
    )
    new.ask(
        "CREATE TRIGGER leave_out BEFORE INSERT ON usage_logs "
        "FOR EACH ROW EXECUTE FUNCTION leave_out()"
    )
    with pytest.raises(CopyError, match="the table usage_logs arrived otherwise"):
        copy(*databases)


MEASURE = """
import resource, sys
from pathlib import Path
from tornado_router.storage import db_copy
from tornado_router.storage.databases import open_database
old, new = open_database(Path(sys.argv[1])), open_database(sys.argv[2])
old.open(), new.open()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
db_copy.copy(old, new)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
old.close(), new.close()
"""


def test_large_rows_are_not_held_in_memory(old, new):
    """Each takes 100 KB, as a request with an image may."""
    old.ask(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
        "INSERT INTO request_logs (call_id, request_id, user_id, api_key_id, endpoint, model, "
        "status, request, request_bytes, response, response_bytes, created_at) "
        "SELECT 'c' || i, 'r', 1, 1, 'e', 'm', 200, printf('%.100000c', 'x'), 1, 'y', 1, "
        "'2027-01-15 08:00:00' FROM n"
    )
    command = [sys.executable, "-c", MEASURE, old.location, new.location]
    measured = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(measured.stdout) < 40  # MB, of 100
    assert new.ask("SELECT SUM(LENGTH(request)) FROM request_logs") == [(100_000_000,)]
