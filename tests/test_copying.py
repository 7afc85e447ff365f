"""The way of a database from SQLite to PostgreSQL."""

import datetime
from decimal import Decimal

import pytest

from tornado_router import accounts, copying, migrating
from tornado_router.config.options import LedgerOptions
from tornado_router.copying import CopyError, copy
from tornado_router.db import MODELS, Storage, User
from tornado_router.engines import open_engine
from tornado_router.keys import create_key
from tornado_router.ledger import Ledger

from .place import Place
from .postgres import postgres_server
from .test_ledger import call


@pytest.fixture(scope="module")
def server():
    with postgres_server() as server:
        yield server


@pytest.fixture
def old(tmp_path):
    """A router's file with users, keys, credits, an invite, and 12,000 calls."""
    path = tmp_path / "old.db"
    storage = Storage(path)

    def fill():
        owner = accounts.create_administrator()
        for name in ("one", "two"):
            create_key(owner, name)
        accounts.grant(owner.id, Decimal("12.345678901"), "top_up", "begin", "cli")
        User.create(email="Grüße@example.com", name="日本 \\N \t\n'", password_hash="!")

    storage.call(fill)
    book = Ledger(storage, LedgerOptions(), tmp_path / "journal")
    for number in range(12_000):
        book.add(call(number, cost=Decimal(number) / 1_000_000_000, model=f"m{number % 7}"))
    book.close()
    storage.close()
    return Place(path)


@pytest.fixture
def new(server):
    return Place(server.create(migrated=True))


@pytest.fixture
def engines(old, new):
    pair = open_engine(old.location), open_engine(new.location)
    for engine in pair:
        engine.open()
    yield pair
    for engine in pair:
        engine.close()


def everything(place):
    """Each row of each table; times as text, as SQLite has them."""
    found = {}
    for model in MODELS:
        names = ", ".join(field.column_name for field in model._meta.sorted_fields)
        rows = place.ask(f"SELECT {names} FROM {model._meta.table_name} ORDER BY id")
        found[model._meta.table_name] = [tuple(map(_plain, row)) for row in rows]
    return found


def _plain(value):
    if isinstance(value, bool):
        return int(value)
    return str(value) if isinstance(value, datetime.date) else value


def test_every_row_arrives(engines, old, new):
    copied = {item.table: item for item in copy(*engines)}
    assert everything(new) == everything(old)
    assert (copied["usage_logs"].rows, copied["users"].rows, copied["api_keys"].rows) == (
        12000,
        2,
        2,
    )
    assert copied["usage_logs"].sums["cost"] == sum(range(12_000))


def test_the_next_row_gets_an_id_of_its_own(engines, old, new):
    copy(*engines)
    storage = Storage(new.location)
    made = storage.call(lambda: User.create(email="next@b", name="a", password_hash="!"))
    storage.close()
    assert made.id == 3


def test_a_text_that_is_too_long_or_holds_a_nul(engines, old, new):
    old.ask("UPDATE usage_logs SET model = ?, error_code = ? WHERE id = 1", "m" * 300, "a\0b")
    copy(*engines)
    query = "SELECT model, error_code FROM usage_logs WHERE id = 1"
    assert new.ask(query) == [("m" * 255, "ab")]


def test_a_target_with_something_in_it_is_left_alone(engines, new):
    new.ask(
        "INSERT INTO invites (code_hash, created_by, created_at, expires_at) "
        "VALUES ('h', 'me', now(), now())"
    )
    before = new.dump()
    with pytest.raises(CopyError, match="the table invites of the target is not empty"):
        copy(*engines)
    assert new.dump() == before


def test_a_difference_undoes_all_of_it(engines, new, monkeypatch):
    real = copying._sums
    source = engines[0]

    def sums(database, model):
        found = real(database, model)
        return found if database is source else found._replace(rows=found.rows + 1)

    monkeypatch.setattr(copying, "_sums", sums)
    with pytest.raises(CopyError, match="differs"):
        copy(*engines)
    assert everything(new) == {model._meta.table_name: [] for model in MODELS}
    assert migrating.pending(engines[1]) == []
