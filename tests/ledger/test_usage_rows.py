"""Rows of usage: one for each call, with its sums and credits, whatever happens to its user."""

from decimal import Decimal

import pytest
from peewee import OperationalError

from tornado_router.background import batch
from tornado_router.ledger import usage_rows, writer
from tornado_router.storage import migrator
from tornado_router.storage.databases import open_database
from tornado_router.storage.tables import SUMS, ApiKey, User
from tornado_router.usage import RARE

from .books import call, open_ledger, write


def test_a_row_says_what_the_call_was(storage, user, rows):
    write(storage, call())
    assert rows() == [
        {
            "id": 1,
            "call_id": "req_1",
            "request_id": "client-1",
            "user_id": 1,
            "api_key_id": 1,
            "endpoint": "chat.completions",
            "provider": "openai",
            "model": "fast",
            "target_model": "gpt-5.2-mini",
            "stream": 1,
            "status": 200,
            "error_code": None,
            "prompt_tokens": 11,
            "completion_tokens": 7,
            "total_tokens": 18,
            "cached_tokens": 3,
            "cache_write_tokens": 4,
            "reasoning_tokens": 2,
            **dict.fromkeys(RARE, 0),
            "usage_estimated": 0,
            "cache_hit": 0,
            "cost": 25,
            "uncharged": 0,
            "from_credits": 1,
            "prices": None,
            "duration_ms": 1500.0,
            "first_chunk_ms": 250.0,
            "created_at": "2027-01-15 08:00:00.500000",
        }
    ]


def test_rare_quantities_are_written_beside_calls_that_have_none(storage, user, rows):
    write(storage, call(1), call(2, images=3, seconds=1.25), call(3), call(4, searches=2), call(1))
    found = {row["call_id"]: {name: row[name] for name in RARE if row[name]} for row in rows()}
    assert found == {
        "req_1": {},
        "req_2": {"images": 3, "seconds": 1.25},
        "req_3": {},
        "req_4": {"searches": 2},
    }


def test_a_call_that_reached_nobody(storage, user, rows):
    write(
        storage,
        call(provider=None, target_model=None, status=404, error_code="x", first_chunk=None),
    )
    (row,) = rows()
    assert (row["provider"], row["target_model"], row["first_chunk_ms"]) == (None, None, None)
    assert (row["status"], row["error_code"]) == (404, "x")


def test_close_writes_every_call_in_order(storage, user, rows):
    write(storage, *(call(number) for number in range(1000)))
    assert [row["call_id"] for row in rows("call_id")] == [f"req_{n}" for n in range(1000)]


def test_a_call_is_written_once_however_often_it_comes(storage, user, rows):
    write(storage, call(1), call(2), call(1))
    write(storage, call(2, prompt_tokens=99), call(3))
    assert [(row["call_id"], row["prompt_tokens"]) for row in rows()] == [
        ("req_1", 11),
        ("req_2", 11),
        ("req_3", 11),
    ]


def test_a_request_id_may_come_again(storage, user, rows):
    write(storage, call(1, request_id="mine"), call(2, request_id="mine"))
    assert [row["request_id"] for row in rows()] == ["mine", "mine"]


def test_keys_know_when_they_were_last_used(storage, user):
    write(storage, call(1, finished_at=1_800_000_060.0), call(2, finished_at=1_800_000_030.0))
    write(storage, call(3, finished_at=1_800_000_000.0))  # which a router was killed with
    used = storage.call(lambda: [key.last_used_at for key in ApiKey.select().order_by(ApiKey.id)])
    assert [time and str(time) for time in used] == ["2027-01-15 08:01:00", None]


class TestDeleted:
    def test_rows_outlive_their_key(self, storage, user, rows):
        write(storage, call(1, key_id=1), call(2, key_id=2))
        storage.call(lambda: ApiKey.delete_by_id(1))
        assert [(row["user_id"], row["api_key_id"]) for row in rows()] == [(1, None), (1, 2)]

    def test_rows_outlive_their_user(self, storage, user, rows):
        write(storage, call(1))
        storage.call(lambda: User.delete_by_id(1))
        assert [(row["user_id"], row["api_key_id"]) for row in rows()] == [(None, None)]

    def test_a_key_that_went_while_its_call_ran(self, storage, user, rows):
        storage.call(lambda: ApiKey.delete_by_id(1))
        write(storage, call(1, key_id=1), call(2, key_id=2))
        assert [(row["user_id"], row["api_key_id"]) for row in rows()] == [(1, None), (1, 2)]

    def test_a_user_who_went_while_the_call_ran(self, storage, user, rows):
        storage.call(lambda: User.delete_by_id(1))
        write(storage, call(1), call(2))
        assert [(row["call_id"], row["user_id"], row["api_key_id"]) for row in rows()] == [
            ("req_1", None, None),
            ("req_2", None, None),
        ]


def test_one_row_that_no_database_takes_holds_up_no_other(storage, user, rows):
    book = open_ledger(storage)
    for item in (call(1), call(2, prompt_tokens=2**63 - 1), call(3)):
        book.add(item)
    book.close()
    assert [row["call_id"] for row in rows()] == ["req_1", "req_3"]
    assert book.lost == 1


def test_a_deleted_user_beside_a_row_that_no_database_takes(storage, user, rows):
    storage.call(lambda: User.delete_by_id(1))
    book = open_ledger(storage)
    for item in (call(1), call(2, prompt_tokens=2**63 - 1), call(3)):
        book.add(item)
    book.close()
    assert [(row["call_id"], row["user_id"]) for row in rows()] == [
        ("req_1", None),
        ("req_3", None),
    ]
    assert book.lost == 1


def test_a_row_that_no_database_takes_is_lost_once_however_often_it_is_tried(
    storage, user, monkeypatch
):
    monkeypatch.setattr(batch, "RETRY_SECONDS", 0.01)
    take, failures = usage_rows.take_credits, iter([True, True, False])

    def break_twice(calls):
        charged = take(calls)
        if next(failures, False):
            raise OperationalError("disk I/O error")
        return charged

    monkeypatch.setattr(usage_rows, "take_credits", break_twice)
    book = open_ledger(storage)
    book.add(call(1, prompt_tokens=2**63 - 1))
    book.close()
    assert book.lost == 1


def test_sums_by_day_outlive_32_bits_of_ids(storage, user, rows, place):
    """PostgreSQL takes an id for each upsert, whether it inserts a row or not."""
    if not place.is_file:
        place.ask("SELECT setval('usage_days_id_seq', ?)", 2**31 - 1)
    for number in range(3):
        write(storage, call(number, model=f"model-{number}"))
    assert place.ask("SELECT COUNT(*), SUM(requests) FROM usage_days") == [(3, 3)]


def test_texts_that_no_database_takes_as_they_are(storage, user, rows):
    write(storage, call(1, model="m" * 300, error_code="a\0b", request_id="r" * 200), call(2))
    first, second = rows("model, error_code, request_id")
    assert first == {"model": "m" * 255, "error_code": "ab", "request_id": "r" * 128}
    assert second["model"] == "fast"


def test_half_a_character_in_a_name(storage, user, rows):
    write(storage, call(1, error_code="odd \ud800"))
    assert rows()[0]["error_code"] == "odd ?"


class TestBooks:
    """Rows, their sums by day, and credits agree to the last digit, whatever happens between."""

    @staticmethod
    def sums(database):
        names = ", ".join(f"SUM({name})" for name in SUMS[3:])
        rows = database.execute(
            "SELECT COUNT(*), SUM(CASE WHEN status >= 400 THEN 1 ELSE 0 END), "
            "SUM(CASE WHEN prices IS NULL AND provider IS NOT NULL THEN 1 ELSE 0 END), "
            f"{names} FROM usage_logs"
        ).fetchone()
        days = database.execute(
            f"SELECT {', '.join(f'SUM({name})' for name in SUMS)} FROM usage_days"
        ).fetchone()
        return rows, days

    @pytest.fixture
    def ask(self, place):
        with place.connect() as database:
            yield database

    def agree(self, ask, given=10**9):
        rows, days = self.sums(ask)
        assert rows == days
        paid = ask.execute("SELECT SUM(cost) FROM usage_logs WHERE from_credits").fetchone()[0]
        left, spent = ask.execute("SELECT credits, spent FROM users WHERE id = 1").fetchone()
        assert spent == (paid or 0)
        assert left + spent == given

    @pytest.fixture
    def rich(self, storage, user):
        storage.call(lambda: User.update(credits=Decimal(1)).where(User.id == 1).execute())

    def test_calls_without_a_price_are_counted_for_past_days(self, storage, rich, ask, place):
        write(
            storage,
            call(1),
            call(2, key_id=2),
            call(3, prices='{"input":"1"}'),
            call(4, provider=None),
            call(5, cache_hit=True),
        )
        before = ask.execute("SELECT api_key_id, unpriced FROM usage_days ORDER BY id").fetchall()
        assert sum(unpriced for _, unpriced in before) == 2
        database = open_database(place.location)
        database.open()
        try:
            migrator.rollback(database, "0006_no_balance_below_zero")
            migrator.migrate(database)
        finally:
            database.close()
        after = ask.execute("SELECT api_key_id, unpriced FROM usage_days ORDER BY id").fetchall()
        assert after == before

    def test_each_row_is_in_the_sums_of_its_day(self, storage, rich, ask):
        second = 24 * 3600
        write(
            storage,
            call(1),
            call(2),
            call(3, finished_at=1_800_000_000.5 + second),
            call(4, key_id=2),
            call(5, model="slow", status=500),
            call(6, provider=None, paid_from_credits=False),
        )
        self.agree(ask)
        days = ask.execute(
            "SELECT CAST(day AS TEXT), api_key_id, provider, model, requests, errors "
            "FROM usage_days"
        )
        assert sorted(days) == [
            ("2027-01-15", 1, "", "fast", 1, 0),
            ("2027-01-15", 1, "openai", "fast", 2, 0),
            ("2027-01-15", 1, "openai", "slow", 1, 1),
            ("2027-01-15", 2, "openai", "fast", 1, 0),
            ("2027-01-16", 1, "openai", "fast", 1, 0),
        ]

    def test_a_batch_that_comes_again_changes_nothing(self, storage, rich, ask):
        calls = [call(number, cost=Decimal(number) / 10**9) for number in range(500)]
        write(storage, *calls)
        write(storage, *calls[250:], *calls, call(500))
        self.agree(ask)
        assert ask.execute("SELECT COUNT(*) FROM usage_logs").fetchone() == (501,)

    def test_a_batch_that_breaks_half_way_leaves_nothing(self, storage, rich, ask, monkeypatch):
        monkeypatch.setattr(batch, "RETRY_SECONDS", 0.01)
        monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.01)
        take, failures = usage_rows.take_credits, iter([True, True, False])

        def break_twice(calls):
            charged = take(calls)
            if next(failures, False):
                raise OperationalError("disk I/O error")
            return charged

        monkeypatch.setattr(usage_rows, "take_credits", break_twice)
        write(storage, *(call(number) for number in range(300)))
        self.agree(ask)
        assert ask.execute("SELECT COUNT(*) FROM usage_logs").fetchone() == (300,)

    def test_several_ledgers_of_one_database(self, storage, rich, ask):
        books = [open_ledger(storage) for _ in range(4)]
        for number in range(2000):
            books[number % 4].add(call(number % 1500, cost=Decimal(number % 1500) / 10**9))
        for book in books:
            book.close()
        self.agree(ask)
        assert ask.execute("SELECT COUNT(*) FROM usage_logs").fetchone() == (1500,)

    def test_credits_that_are_added_meanwhile_are_not_lost(self, storage, rich, ask):
        book = open_ledger(storage)
        for number in range(300):
            book.add(call(number))
            if number % 30 == 0:
                add = User.update(credits=User.credits + Decimal(1)).where(User.id == 1)
                storage.call(add.execute)
        book.close()
        self.agree(ask, given=11 * 10**9)

    def test_calls_that_others_pay_for_take_no_credits(self, storage, rich, ask):
        write(storage, call(paid_from_credits=False, cost=Decimal(5)))
        assert ask.execute("SELECT credits, spent FROM users").fetchone() == (10**9, 0)
        self.agree(ask)
