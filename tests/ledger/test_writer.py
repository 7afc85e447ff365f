"""The ledger: what was added is in the database sooner or later, and in the journal until then."""

import re
import threading

import pytest
from loguru import logger
from peewee import OperationalError

from tornado_router.background import batch
from tornado_router.ledger import writer
from tornado_router.ledger.journal import Segment
from tornado_router.ledger.usage_rows import UsageRows

from ..support import poll
from .books import call, open_ledger, write


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
                "CREATE TRIGGER stop BEFORE INSERT ON usage_days "
                "BEGIN SELECT RAISE(FAIL, 'no'); END"
            )
            write(storage, *(call(number) for number in range(301)))
            assert rows() == []


class TestDatabaseThatHangs:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch):
        monkeypatch.setattr(writer, "STOP_SECONDS", 0.01)

    def test_a_stop_leaves_the_journal_to_the_next_start(self, storage, user, rows):
        book = open_ledger(storage)
        write, go_on = book._rows.write, threading.Event()
        book._rows.write = lambda calls: go_on.wait(30) and write(calls)
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
        write, go_on = book._rows.write, threading.Event()

        def write_slowly(calls):
            go_on.wait(0.02)
            return write(calls)

        book._rows.write = write_slowly
        for number in range(300):
            book.add(call(number))
        book.close()
        assert len(rows()) < 300
        go_on.set()
        assert book._thread.close(30)


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
            book._rows.write = refuse
            return book

        return open_

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
        assert "not yet written (the database accepts none)" in alarms[0]
        book.add(call("running"))  # what runs may end
        del book._rows.write
        book.close()
        assert len(rows()) == count + 1

    def test_or_served_and_not_recorded(self, book, alarms, rows):
        book = book(when_full="serve")
        assert self.fill(book) == 20_000
        del book._rows.write
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
        assert "the journal cannot be written: [Errno 28]" in alarms[0]
        assert book.takes_more()
        del book._rows.write
        book.close()
        assert [row["call_id"] for row in rows()] == ["req_1", "req_2"]


class TestDiskFaults:
    """One error of the disk ends neither the thread nor the files."""

    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch):
        monkeypatch.setattr(batch, "RETRY_SECONDS", 0.001)
        monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.001)

    @staticmethod
    def failing_once(monkeypatch, name):
        """Has a method of journal files fail the first time; the event tells that it has."""
        whole, failed = getattr(Segment, name), threading.Event()

        def fail(self):
            if not failed.is_set():
                failed.set()
                raise OSError(30, "Read-only file system")
            return whole(self)

        monkeypatch.setattr(Segment, name, fail)
        return failed

    def test_a_file_that_cannot_be_removed_for_a_moment(self, storage, user, rows, monkeypatch):
        failed = self.failing_once(monkeypatch, "discard")
        book = open_ledger(storage)
        for number in range(6000):
            book.add(call(number))
        assert failed.wait(30)
        book.add(call("later"))
        book.close()
        assert len(rows()) == 6001
        assert list(storage.journal.iterdir()) == []

    def test_a_file_that_cannot_be_synced_for_a_moment(self, storage, user, rows, monkeypatch):
        failed, write_rows = self.failing_once(monkeypatch, "sync"), UsageRows.write

        def refuse_until(self, *args, **options):
            if not failed.is_set():
                raise OperationalError("away")
            return write_rows(self, *args, **options)

        book = open_ledger(storage)
        monkeypatch.setattr(UsageRows, "write", refuse_until)
        book.add(call(1))
        assert failed.wait(30)
        book.add(call(2))
        book.close()
        assert len(rows()) == 2


def test_the_thread_makes_the_next_file(storage, user, rows, monkeypatch):
    """Filling one with zeros would hold up every call."""
    monkeypatch.setattr(writer, "FLUSH_SECONDS", 0.001)
    made, make = [], Segment.make

    def note(path, size):
        made.append(threading.current_thread() is threading.main_thread())
        return make(path, size)

    monkeypatch.setattr(Segment, "make", note)
    book = open_ledger(storage)
    for number in range(12_000):
        book.add(call(number))
        if number % 500 == 0:
            poll(lambda: not book.backlog)
    book.close()
    assert made[0]
    assert len(made) >= 3
    assert not any(made[1:])
    assert len(rows()) == 12_000
