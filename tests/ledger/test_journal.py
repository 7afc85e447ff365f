"""The journal: what was appended is there after any death, and no file stays for nothing."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from tornado_router.ledger import journal
from tornado_router.ledger.journal import Journal, Segment, left_behind

SMALL = 1000


def take(book, most=10**6):
    """All that a journal has, done as it is taken."""
    taken = []
    while records := book.unread(most):
        taken += records
        book.done()
    return taken


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def found(folder):
    """What dead processes left, and their files are gone."""
    records = []
    for segment in left_behind(folder):
        while data := segment.unread(10**6):
            records += data.splitlines()
            segment.read += len(data)
        segment.discard()
    return records


@pytest.fixture
def book(tmp_path):
    book = Journal(tmp_path / "journal", lambda: [], SMALL)
    yield book
    book.close()


def test_records_come_in_order_and_once(book):
    for number in range(5):
        book.append(b"%d" % number)
    assert take(book) == [b"0", b"1", b"2", b"3", b"4"]
    assert take(book) == []
    book.append(b"5")
    assert take(book) == [b"5"]


def test_what_is_not_done_comes_again(book):
    book.append(b"one")
    assert book.unread(10**6) == [b"one"]
    book.append(b"two")
    assert book.unread(10**6) == [b"one", b"two"]
    book.done()
    assert book.unread(10**6) == []


def test_a_batch_is_about_as_large_as_asked_and_ends_with_a_whole_record(book):
    for number in range(9):
        book.append(b"record %d" % number)
    assert book.unread(20) == [b"record 0", b"record 1", b"record 2"]
    book.done()
    assert book.unread(1) == [b"record 3"]
    assert len(take(book, 1)) == 6


def test_files_follow_each_other_and_go_when_they_are_done(tmp_path):
    folder = tmp_path / "journal"
    book = Journal(folder, lambda: [], SMALL)
    records = [b"%d" % number * 90 for number in range(100)]
    for record in records:
        book.append(record)
    assert len(files(folder)) > 5
    assert (
        book.size == SMALL * len(files(folder)) == sum(f.stat().st_size for f in folder.iterdir())
    )
    assert take(book) == records
    assert len(files(folder)) == 1
    assert book.size == SMALL
    book.close()
    assert files(folder) == []


def test_a_record_larger_than_a_file_gets_a_larger_one(book):
    book.append(b"x" * 5 * SMALL)
    book.append(b"y")
    assert take(book) == [b"x" * 5 * SMALL, b"y"]


def test_each_file_begins_with_what_is_carried(tmp_path):
    carried = [b"head"]
    book = Journal(tmp_path / "journal", lambda: carried, SMALL)
    book.append(b"a" * 900)
    carried.append(b"running")
    book.append(b"b" * 900)
    assert take(book) == [b"head", b"a" * 900, b"head", b"running", b"b" * 900]
    book.close()


def test_more_is_carried_than_a_file_takes(tmp_path):
    carried = []
    book = Journal(tmp_path / "journal", lambda: carried, SMALL)
    carried += [b"%03d" % number * 10 for number in range(200)]
    book.append(b"x" * SMALL)
    assert take(book) == [*carried, b"x" * SMALL]
    book.close()


def test_what_is_left_is_found_by_the_next(tmp_path):
    folder = tmp_path / "journal"
    book = Journal(folder, lambda: [], SMALL)
    for number in range(30):
        book.append(b"%d" % number * 90)
    assert book.unread(10**6)
    book.done()
    book.close()
    records = found(folder)
    assert 10 < len(records) < 30
    assert records == [b"%d" % number * 90 for number in range(30 - len(records), 30)]
    assert files(folder) == []


def test_what_belongs_to_a_living_process_is_let_alone(book, tmp_path):
    book.append(b"mine")
    assert found(tmp_path / "journal") == []
    assert take(book) == [b"mine"]


def test_one_writes_while_another_takes(tmp_path):
    book = Journal(tmp_path / "journal", lambda: [], SMALL)
    records = [b"%d" % number for number in range(50_000)]
    taken, done = [], threading.Event()

    def reader():
        while not done.is_set():
            taken.extend(take(book, 300))
        taken.extend(take(book, 300))

    thread = threading.Thread(target=reader)
    thread.start()
    for record in records:
        book.append(record)
    done.set()
    thread.join()
    assert taken == records
    book.close()


WRITER = """
import sys
from pathlib import Path
from tornado_router.ledger.journal import Journal
book = Journal(Path(sys.argv[1]), lambda: [], 20_000)
number = 0
while True:
    book.append(b"record %d " % number + b"x" * 300)
    number += 1
    if number % 100 == 0:
        print(number, flush=True)
"""


@pytest.mark.parametrize("enough", [100, 1500, 4000])
def test_kill_loses_nothing(tmp_path, enough):
    folder = tmp_path / "journal"
    command = [sys.executable, "-c", WRITER, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        told = 0
        while told < enough:
            told = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        told = int(([str(told), *process.stdout.read().split()])[-1])
    records = found(folder)
    numbers = [int(record.split()[1]) for record in records]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= told
    assert all(record.endswith(b"x" * 300) for record in records)
    assert [name for name in files(folder) if not name.endswith(".new")] == []


def test_a_record_that_was_cut_off_is_there_to_be_judged(tmp_path):
    path = tmp_path / "1.journal"
    path.write_bytes(b"one\ntwo\nthr" + bytes(50))
    assert found(tmp_path) == [b"one", b"two", b"thr"]


@pytest.mark.parametrize("most", [1, 5, 100])
def test_nothing_is_left_out_in_batches_without_a_last_line_break(tmp_path, most):
    (tmp_path / "1.journal").write_bytes(b"one\ntwo\nthr")
    (segment,) = left_behind(tmp_path)
    content = b""
    while data := segment.unread(most):
        content += data
        segment.read += len(data)
    segment.close()
    assert content == b"one\ntwo\nthr"


def test_a_sector_that_cannot_be_read_is_a_hole(tmp_path, monkeypatch):
    (tmp_path / "1.journal").write_bytes(b"x" * 5000 + b"\n" + b"y" * 5000 + b"\n")
    pread = os.pread

    def faulty(descriptor, wanted, start):
        if start == 4096:
            raise OSError(5, "Input/output error")
        return pread(descriptor, wanted, start)

    monkeypatch.setattr(journal.os, "pread", faulty)
    (segment,) = left_behind(tmp_path)
    assert segment.unread(10**6) == b"x" * 4096 + bytes(4096) + b"y" * 1809 + b"\n"
    segment.close()


@pytest.mark.parametrize("content", [b"", bytes(100)])
def test_a_file_without_records(tmp_path, content):
    (tmp_path / "1.journal").write_bytes(content)
    assert found(tmp_path) == []


def test_files_that_were_never_ready_are_removed(tmp_path):
    old, new = tmp_path / "old.new", tmp_path / "new.new"
    old.touch()
    new.touch()
    past = time.time() - 2 * journal.ABANDONED_SECONDS
    os.utime(old, (past, past))
    assert found(tmp_path) == []
    assert files(tmp_path) == ["new.new"]


def test_a_disk_without_room(tmp_path, monkeypatch):
    book = Journal(tmp_path / "journal", lambda: [], SMALL)
    book.append(b"x" * 900)

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(journal.os, "write", full)
        with pytest.raises(OSError, match="No space"):
            book.append(b"y" * 900)
    assert len(files(tmp_path / "journal")) == 1
    book.append(b"z" * 900)
    assert take(book) == [b"x" * 900, b"z" * 900]
    book.close()


def test_two_claim_a_file_and_one_gets_it(tmp_path):
    (tmp_path / "1.journal").write_bytes(b"one\n")
    first = Segment.claim(tmp_path / "1.journal")
    assert Segment.claim(tmp_path / "1.journal") is None
    first.discard()
    assert Segment.claim(tmp_path / "1.journal") is None


def test_a_file_that_was_made_ahead_of_time_is_the_next(tmp_path):
    folder = tmp_path / "journal"
    book = Journal(folder, lambda: [b"head"], SMALL)
    book.prepare()
    assert len(files(folder)) == 1  # nothing is near its end
    book.append(b"a" * 900)
    book.prepare()
    book.prepare()
    first, spare = files(folder)
    assert (first[-9:], spare[-14:]) == ("1.journal", "-spare.journal")
    size = book.size
    book.append(b"b" * 900)
    assert [name[-9:] for name in files(folder)] == ["1.journal", "2.journal"]
    assert book.size == size + SMALL
    assert take(book) == [b"head", b"a" * 900, b"head", b"b" * 900]
    book.prepare()
    book.close()
    assert files(folder) == []


def test_a_file_that_was_made_ahead_of_time_is_too_small_for_what_is_carried(tmp_path):
    carried = []
    book = Journal(tmp_path / "journal", lambda: carried, SMALL)
    book.append(b"a" * 900)
    book.prepare()
    carried += [b"%03d" % number * 10 for number in range(200)]
    book.append(b"b" * 900)
    assert take(book) == [b"a" * 900, *carried, b"b" * 900]
    book.close()
    assert files(tmp_path / "journal") == []


def test_what_a_dead_process_made_ahead_of_time_is_removed(tmp_path):
    (tmp_path / "1-1-spare.journal").write_bytes(bytes(SMALL))
    assert found(tmp_path) == []
    assert files(tmp_path) == []


def test_what_is_held_comes_when_it_is_released(tmp_path):
    running = [b"running"]
    book = Journal(tmp_path / "journal", lambda: running, SMALL)
    book.append(b"one")
    book.hold()
    book.append(b"two")
    assert not book.is_done
    assert take(book) == [b"running", b"one"]
    assert book.is_done
    book.append(b"x" * (2 * SMALL))
    assert take(book) == []
    book.release()
    assert take(book) == [b"running", b"two", b"running", b"x" * (2 * SMALL)]
    book.close()
    assert files(tmp_path / "journal") == []
