"""Usage rows: one for each call, whatever happens to users, keys and the database."""

import re
import threading
from decimal import Decimal

import orjson
import pytest
from loguru import logger
from peewee import OperationalError

from tornado_router.accounts import keys, registration
from tornado_router.background import batch
from tornado_router.config.options import LedgerOptions
from tornado_router.ledger import writer
from tornado_router.ledger.writer import Ledger, RunningCall
from tornado_router.storage.tables import SUMS, ApiKey, Storage, User

from ..finished import finished


@pytest.fixture
def storage(place, tmp_path):
    storage = Storage(place.location)
    storage.journal = tmp_path / "journal"
    yield storage
    storage.close()


@pytest.fixture
def user(storage):
    def create():
        administrator = registration.create_administrator()
        keys.create_key(administrator, "one")
        keys.create_key(administrator, "two")
        return administrator

    return storage.call(create)


@pytest.fixture
def rows(place):
    """The rows, as a plain client of the database sees them; times as text."""

    def rows(columns="*"):
        found = place.rows(f"SELECT {columns} FROM usage_logs ORDER BY id")
        for row in found:
            if "created_at" in row:
                row["created_at"] = str(row["created_at"])
        return found

    return rows


def call(number=1, **fields):
    return finished(number, **{"dropped_params": ("seed",)} | fields)


def begun(number):
    fields = call(number)._asdict()
    return RunningCall(**{name: fields[name] for name in RunningCall._fields})


def open_ledger(storage, **options):
    return Ledger(storage, LedgerOptions(**options), storage.journal)


def write(storage, *calls):
    book = open_ledger(storage)
    for item in calls:
        book.add(item)
    book.close()


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
    write(storage, call(1, finished_at=1_800_000_000.0), call(2, finished_at=1_800_000_060.0))
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


class TestFaults:
    @pytest.fixture(autouse=True)
    def errors(self, monkeypatch):
        monkeypatch.setattr(batch, "RETRY_SECONDS", 0.001)
        monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.001)
        lines = []
        sink = logger.add(lambda message: lines.append(message.record["message"]), level="ERROR")
        yield lines
        logger.remove(sink)

    def test_a_database_that_is_away_for_a_while_loses_nothing(
        self, storage, user, rows, errors, place
    ):
        failed = threading.Event()
        sink = logger.add(lambda _: failed.set(), level="ERROR")
        with place.connect() as somebody:
            somebody.execute("ALTER TABLE usage_logs RENAME TO away")
            book = open_ledger(storage)
            book.add(call(1))
            assert failed.wait(30)
            book.add(call(2))
            somebody.execute("ALTER TABLE away RENAME TO usage_logs")
        book.close()
        logger.remove(sink)
        assert [row["call_id"] for row in rows()] == ["req_1", "req_2"]
        said = (
            "the database does not accept usage; 1 call waits in the journal: "
            "(Operational|Programming)Error: .*usage_logs"
        )
        assert re.match(said, errors[0])

    def test_the_log_says_when_the_database_is_back(self, storage, user, rows, place):
        news, stuck = [], threading.Event()
        sink = logger.add(lambda line: news.append(line.record["message"]), level="INFO")
        errors = logger.add(lambda _: stuck.set(), level="ERROR")
        with place.connect() as somebody:
            somebody.execute("ALTER TABLE usage_logs RENAME TO away")
            book = open_ledger(storage)
            book.add(call(1))
            assert stuck.wait(30)
            assert book.stuck
            somebody.execute("ALTER TABLE away RENAME TO usage_logs")
        book.close()
        logger.remove(sink)
        logger.remove(errors)
        assert news[-1] == "the database accepts usage again; rows written: 1"
        assert not book.stuck

    def test_what_the_database_does_not_take_waits_for_the_next_start(
        self, storage, user, rows, errors, place
    ):
        with place.connect() as somebody:
            somebody.execute("ALTER TABLE usage_logs RENAME TO away")
            write(storage, call(1), call(2))
            assert len(errors) == 1  # and not one more for each try
            somebody.execute("ALTER TABLE away RENAME TO usage_logs")
        write(storage, call(3))
        assert [row["call_id"] for row in rows()] == ["req_1", "req_2", "req_3"]

    def test_the_log_quotes_no_row(self, storage, user, errors):
        write(storage, call(1, status=None, model="confidential"))
        assert "IntegrityError: " in errors[0]
        assert not [line for line in errors if "confidential" in line or "\n" in line]

    @pytest.mark.sqlite
    def test_a_batch_is_written_whole_or_not_at_all(self, storage, user, rows, place):
        with place.connect() as somebody:
            somebody.execute(
                "CREATE TRIGGER stop BEFORE INSERT ON usage_logs WHEN NEW.call_id = 'req_300' "
                "BEGIN SELECT RAISE(FAIL, 'no'); END"
            )
            write(storage, *(call(number) for number in range(301)))
            assert rows() == []


def test_one_row_that_no_database_takes_holds_up_no_other(storage, user, rows):
    book = open_ledger(storage)
    for item in (call(1), call(2, prompt_tokens=2**63 - 1), call(3)):
        book.add(item)
    book.close()
    assert [row["call_id"] for row in rows()] == ["req_1", "req_3"]
    assert book.lost == 1


def test_a_row_that_no_database_takes_is_lost_once_however_often_it_is_tried(
    storage, user, monkeypatch
):
    monkeypatch.setattr(batch, "RETRY_SECONDS", 0.01)
    take, failures = Ledger._take_credits, iter([True, True, False])

    def break_twice(self, calls):
        take(self, calls)
        if next(failures, False):
            raise OperationalError("disk I/O error")

    monkeypatch.setattr(Ledger, "_take_credits", break_twice)
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


class TestDatabaseThatHangs:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch):
        monkeypatch.setattr(writer, "STOP_SECONDS", 0.01)

    def test_a_stop_leaves_the_journal_to_the_next_start(self, storage, user, rows):
        book = open_ledger(storage)
        write, go_on = book._write, threading.Event()
        book._write = lambda calls: go_on.wait(30) and write(calls)
        book.add(call(1))
        book.close()
        assert rows() == []
        assert list(storage.journal.iterdir())
        go_on.set()
        assert book._thread.close(30)

    def test_a_stop_waits_as_long_as_rows_are_written(self, storage, user, rows, monkeypatch):
        monkeypatch.setattr(writer, "FLUSH_SECONDS", 3600.0)
        monkeypatch.setattr(writer, "BATCH_BYTES", 1)
        book = open_ledger(storage)
        for number in range(100):
            book.add(call(number))
        monkeypatch.setattr(writer, "STOP_SECONDS", 1.0)
        book.close()
        assert len(rows()) == 100

    def test_but_not_for_ever(self, storage, user, rows, monkeypatch):
        monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.001)
        monkeypatch.setattr(writer, "BATCH_BYTES", 1)
        monkeypatch.setattr(writer, "STOP_SECONDS", 0.1)
        monkeypatch.setattr(writer, "LONGEST_STOP_SECONDS", 0.2)
        book = open_ledger(storage)
        write, go_on = book._write, threading.Event()

        def write_slowly(calls):
            go_on.wait(0.02)
            return write(calls)

        book._write = write_slowly
        for number in range(300):
            book.add(call(number))
        book.close()
        assert len(rows()) < 300
        go_on.set()
        assert book._thread.close(30)


def kill(book):
    """Leaves a ledger as `kill -9` does: its files are there, and nobody holds them."""
    book._thread._work = lambda: True
    book._thread.close()
    for segment in book._journal._segments:
        segment.close()


class TestKilled:
    @pytest.fixture(autouse=True)
    def still(self, monkeypatch):
        """The thread takes nothing by itself."""
        monkeypatch.setattr(writer, "FLUSH_SECONDS", 3600.0)

    def test_finished_calls_are_recorded_by_the_next(self, storage, user, rows):
        book = open_ledger(storage)
        for number in range(2000):
            book.begin(begun(number))
            book.add(call(number))
        kill(book)
        assert rows() == []
        open_ledger(storage).close()
        assert [row["call_id"] for row in rows()] == [f"req_{number}" for number in range(2000)]
        assert {row["status"] for row in rows()} == {200}
        assert list(storage.journal.iterdir()) == []

    def test_calls_that_ran_are_recorded_as_interrupted_with_what_is_known(
        self, storage, user, rows
    ):
        book = open_ledger(storage)
        book.begin(begun(1))
        book.begin(begun(2))
        book.note(call(2, completion_tokens=5, cost=Decimal("0.000000003")))
        book.begin(begun(3))
        book.add(call(3))
        kill(book)
        open_ledger(storage).close()
        found = {row["call_id"]: row for row in rows()}
        assert [
            (row["status"], row["error_code"]) for row in map(found.get, ("req_1", "req_2"))
        ] == [
            (500, "interrupted"),
            (500, "interrupted"),
        ]
        assert (found["req_2"]["completion_tokens"], found["req_2"]["cost"]) == (5, 3)
        nothing = {"provider": None, "cost": 0, "prompt_tokens": 0, "first_chunk_ms": None}
        assert found["req_1"] == found["req_1"] | nothing
        assert found["req_1"]["request_id"] == "client-1"
        assert (found["req_1"]["user_id"], found["req_1"]["api_key_id"]) == (1, 1)
        assert found["req_1"]["created_at"] > "2026"
        assert found["req_3"]["status"] == 200

    def test_a_call_that_runs_for_long_is_known_whatever_ends_meanwhile(self, storage, user, rows):
        book = open_ledger(storage)
        book.begin(begun("long"))
        for number in range(5000):
            book.add(call(number))
        assert book._work()
        kill(book)
        open_ledger(storage).close()
        assert len(rows()) == 5001
        assert rows()[-1]["error_code"] == "interrupted"

    def test_what_was_written_already_is_not_written_again(self, storage, user, rows):
        book = open_ledger(storage)
        for number in range(10):
            book.add(call(number))
        assert book._work()
        kill(book)
        open_ledger(storage).close()
        assert len(rows()) == 10

    def test_a_living_router_is_let_alone(self, storage, user, rows):
        book = open_ledger(storage)
        book.note(call(1))
        open_ledger(storage).close()
        assert rows() == []
        book.add(call(1))
        book.close()
        assert [row["status"] for row in rows()] == [200]

    def test_a_journal_of_another_version(self, storage, user, rows):
        folder = storage.journal
        folder.mkdir()
        values = call(1)._asdict() | {"new": "field", "cost": "0.5", "uncharged": "0"}
        values = dict(sorted(values.items()))
        records = [["fields", ["call_id", "odd"], list(values)], [2, *values.values()]]
        records.append([0, "req_2", "odd"])
        content = b"".join(orjson.dumps(record) + b"\n" for record in records)
        (folder / "1-old-1.journal").write_bytes(content)
        open_ledger(storage).close()
        assert [(row["call_id"], row["cost"]) for row in rows()] == [
            ("req_1", 500_000_000),
            ("req_2", 0),
        ]


class TestRoom:
    @pytest.fixture
    def book(self, storage, user, monkeypatch):
        monkeypatch.setattr(batch, "RETRY_SECONDS", 0.001)
        monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.001)
        monkeypatch.setattr(writer, "MEGABYTE", 1024 * 256)

        def refuse(_calls):
            raise OperationalError("away")

        def open_(**options):
            book = open_ledger(storage, journal_mb=8, **options)
            book._write = refuse
            return book

        return open_

    @pytest.fixture
    def alarms(self):
        lines = []
        sink = logger.add(lambda message: lines.append(message.record["message"]), level="CRITICAL")
        yield lines
        logger.remove(sink)

    def fill(self, book, most=20_000):
        for number in range(most):
            if not book.takes_more():
                return number
            book.add(call(number))
        return most

    def test_calls_are_refused_before_the_disk_is_full(self, book, alarms, rows):
        book = book()
        count = self.fill(book)
        assert 2000 < count < 20_000
        assert not book.takes_more()
        assert 4 * 1024 * 256 - 1000 < book.backlog <= 8 * 1024 * 256  # a file is taken as a whole
        assert len(alarms) == 1
        assert "usage wait: the database takes none" in alarms[0]
        book.add(call("running"))  # what runs may end
        del book._write
        book.close()
        assert len(rows()) == count + 1

    def test_or_served_and_not_recorded(self, book, alarms, rows):
        book = book(when_full="serve")
        assert self.fill(book) == 20_000
        del book._write
        book.close()
        assert book.lost == 20_000 - len(rows()) > 0
        assert alarms[-1] == f"the usage of {book.lost} calls was not recorded"

    def test_a_disk_that_is_full_sooner(self, book, alarms, rows, monkeypatch, place):
        book = book()

        def full(*_args):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as context:
            context.setattr(writer.Journal, "append", full)
            book.add(call(1))
            book.add(call(2))
            assert not book.takes_more()
        assert len(alarms) == 1
        assert "its journal cannot be written: [Errno 28]" in alarms[0]
        assert book.takes_more()
        del book._write
        book.close()
        assert [row["call_id"] for row in rows()] == ["req_1", "req_2"]


class TestBooks:
    """Rows, their sums by day, and credits agree to the last digit, whatever happens between."""

    @staticmethod
    def sums(database):
        names = ", ".join(f"SUM({name})" for name in SUMS[2:])
        rows = database.execute(
            "SELECT COUNT(*), SUM(CASE WHEN status >= 400 THEN 1 ELSE 0 END), "
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
        take, failures = Ledger._take_credits, iter([True, True, False])

        def break_twice(self, calls):
            take(self, calls)
            if next(failures, False):
                raise OperationalError("disk I/O error")

        monkeypatch.setattr(Ledger, "_take_credits", break_twice)
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
