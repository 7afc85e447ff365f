"""A thread that takes what the loop leaves for it, and loses nothing that could be kept."""

import threading

import pytest
from loguru import logger

from tornado_router.background import batch
from tornado_router.background.batch import BackgroundThread, BatchThread

from ..support import poll

HOURS = 3600.0
SOON = 0.001
PLENTY = 10**9


class Consumer:
    """Takes batches, and fails as long as `failing` is set."""

    def __init__(self):
        self.taken = []
        self.batches = []
        self.attempts = []
        self.threads = set()
        self.failing = False
        self.failed = threading.Semaphore(0)
        self.came = threading.Semaphore(0)

    def __call__(self, items):
        self.threads.add(threading.current_thread().name)
        self.attempts.append(list(items))
        if self.failing:
            self.failed.release()
            raise OSError("the disk is full")
        self.batches.append(list(items))
        self.taken += items
        self.came.release()

    def wait(self, what):
        assert what.acquire(timeout=30)


@pytest.fixture
def consumer():
    return Consumer()


@pytest.fixture(autouse=True)
def errors(monkeypatch):
    """What is logged; and a failed batch is tried again at once."""
    monkeypatch.setattr(batch, "RETRY_SECONDS", SOON)
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="ERROR")
    yield lines
    logger.remove(sink)


def test_close_consumes_what_is_left_at_once(consumer):
    thread = BatchThread("t", consumer, interval=HOURS, most=PLENTY)
    for number in range(100):
        thread.add(number)
    assert thread.close() == 0
    assert consumer.taken == list(range(100))
    assert len(consumer.batches) == 1


def test_items_are_consumed_without_a_close(consumer):
    thread = BatchThread("t", consumer, interval=SOON, most=PLENTY)
    thread.add("a")
    consumer.wait(consumer.came)
    thread.add("b")
    consumer.wait(consumer.came)
    assert consumer.taken == ["a", "b"]
    assert thread.close() == 0


def test_the_order_is_kept_whatever_the_batches(consumer):
    thread = BatchThread("t", consumer, interval=SOON, most=PLENTY)
    for number in range(5000):
        thread.add(number)
        if number % 1000 == 0:
            consumer.wait(consumer.came)
    thread.close()
    assert consumer.taken == list(range(5000))
    assert len(consumer.batches) >= 5


def test_it_is_never_done_on_the_thread_that_adds(consumer):
    thread = BatchThread("my thread", consumer, interval=SOON, most=PLENTY)
    thread.add(1)
    thread.close()
    assert consumer.threads == {"my thread"}


def test_nothing_to_do_is_not_done(consumer):
    assert BatchThread("t", consumer, interval=SOON, most=PLENTY).close() == 0
    assert consumer.attempts == []


def test_a_batch_that_fails_is_tried_again_first(consumer, errors):
    thread = BatchThread("rows", consumer, interval=SOON, most=PLENTY)
    consumer.failing = True
    thread.add(1)
    thread.add(2)
    consumer.wait(consumer.failed)
    consumer.wait(consumer.failed)
    thread.add(3)
    consumer.failing = False
    consumer.wait(consumer.came)
    assert thread.close() == 0
    assert consumer.taken == [1, 2, 3]
    assert errors[0].startswith("rows: ")
    assert "OSError: the disk is full" in errors[0]


def test_what_fails_to_the_end_is_counted_as_lost(consumer, errors):
    thread = BatchThread("rows", consumer, interval=HOURS, most=PLENTY)
    consumer.failing = True
    for number in range(3):
        thread.add(number)
    assert thread.close() == 3
    assert len(consumer.attempts) >= batch.LAST_TRIES
    assert all(attempt == [0, 1, 2] for attempt in consumer.attempts)
    assert len(errors) == len(consumer.attempts)


def test_what_recovers_at_the_end_is_not_lost(consumer):
    tries = []

    def consume(items):
        tries.append(items)
        if len(tries) < batch.LAST_TRIES:
            raise OSError
        consumer(items)

    thread = BatchThread("rows", consume, interval=HOURS, most=PLENTY)
    thread.add(1)
    assert thread.close() == 0
    assert consumer.taken == [1]


def test_what_waits_is_bounded_and_the_log_says_how_much_was_dropped(consumer):
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    thread = BatchThread("words", consumer, interval=HOURS, most=10, size=len)
    assert [thread.add(word) for word in ("four", "sixsix", "x", "", "y")] == [
        *(True, True, False),
        *(True, False),
    ]
    thread.close()
    logger.remove(sink)
    assert consumer.taken == ["four", "sixsix", ""]
    assert lines == ["words: 2 were dropped, as too many were waiting"]


def test_what_was_consumed_makes_room(consumer):
    thread = BatchThread("words", consumer, interval=SOON, most=1)
    for number in range(5):
        poll(lambda number=number: thread.add(number))
    assert thread.close() == 0
    assert consumer.taken == list(range(5))


def test_a_batch_is_not_larger_than_it_may_be(consumer):
    thread = BatchThread("words", consumer, interval=HOURS, most=PLENTY, batch=4)
    for number in range(10):
        thread.add(number)
    assert thread.close() == 0
    assert [len(batch) for batch in consumer.batches] == [4, 4, 2]
    assert consumer.taken == list(range(10))


def test_a_stop_does_not_wait_for_a_thread_that_hangs():
    begun, end = threading.Event(), threading.Event()

    def hang(items):
        begun.set()
        end.wait()

    thread = BatchThread("lines", hang, interval=SOON, most=PLENTY)
    thread.add(1)
    begun.wait()
    thread.add(2)
    assert thread.close(seconds=0.01) == 2
    end.set()


def test_a_message_with_braces_is_logged_as_it_is(errors):
    def consume(items):
        raise ValueError("{0} {nope}")

    thread = BatchThread("rows", consume, interval=HOURS, most=PLENTY)
    thread.add(1)
    thread.close()
    assert "{0} {nope}" in errors[0]


def test_close_frees_what_the_thread_opened_on_the_thread():
    done = []

    def name():
        done.append(threading.current_thread().name)
        return True

    thread = BackgroundThread("t", name, interval=HOURS, close=lambda: done.append("closed"))
    thread.wake()
    thread.close()
    assert done[0] == "t"
    assert done[-1] == "closed"
    assert done.count("closed") == 1


def test_work_that_does_not_end_is_left():
    end = threading.Event()
    thread = BackgroundThread("rows", lambda: end.wait(30), interval=HOURS)
    assert not thread.close(SOON)
    end.set()
    assert thread.close()


def test_work_that_raises_is_tried_again_and_reported(errors):
    failed, done = threading.Event(), threading.Event()

    def work():
        if not failed.is_set():
            failed.set()
            raise OSError("the disk is away")
        done.set()
        return True

    thread = BackgroundThread("usage rows", work, interval=SOON)
    thread.wake()
    assert done.wait(30)
    assert thread.close(30)
    assert errors[0].startswith("usage rows failed: OSError in ")
