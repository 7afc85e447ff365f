"""The lock of a router that keeps its limits to itself, in a database that may restart."""

import threading
from types import SimpleNamespace

import psycopg
import pytest

from tornado_router.storage import session_lock
from tornado_router.storage.process_lock import LockedError
from tornado_router.storage.session_lock import SessionLock

from ..place import Place
from ..postgres import own_postgres
from ..support import poll


@pytest.fixture(scope="module")
def server():
    with own_postgres() as server:
        yield server


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(session_lock, "CHECK_SECONDS", 0.01)


def fail():
    raise AssertionError("the lock was not lost")


def hang_up(url):
    """Ends the session of whoever holds the lock."""
    (ended,) = Place(url).ask(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted"
    )
    assert ended == (True,)


def test_is_taken_again_once_the_server_is_back(server):
    lock = SessionLock(server.url, fail)
    server.stop()
    server.start()
    poll(lambda: Place(server.url).ask("SELECT 1 FROM pg_locks WHERE locktype = 'advisory'"))
    with pytest.raises(LockedError):
        SessionLock(server.url, fail)
    lock.release()
    SessionLock(server.url, fail).release()


def test_that_another_has_taken_meanwhile(server, monkeypatch):
    monkeypatch.setattr(session_lock, "REGAIN_SECONDS", 0.1)
    lost, look = threading.Event(), threading.Event()
    lock = SessionLock(server.url, lost.set)
    hold = lock._hold
    monkeypatch.setattr(lock, "_hold", lambda: look.wait(30) and hold())
    hang_up(server.url)
    other = SessionLock(server.url, fail)
    look.set()
    assert lost.wait(30)
    lock.release()
    other.release()


def test_a_server_that_was_away_begins_the_wait_anew(server, monkeypatch):
    """Who has the lock then may again be this router's own broken connection."""
    outcomes = iter(
        [(10, False), (50, psycopg.OperationalError("away")), (100, False), (110, True)]
    )
    now, lost, ended = [0], [], threading.Event()

    def hold():
        now[0], outcome = next(outcomes, (120, True))
        if now[0] == 120:
            ended.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    lock = SessionLock(server.url, lambda: lost.append(now[0]))
    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(session_lock, "time", clock)
    monkeypatch.setattr(lock, "_hold", hold)
    assert ended.wait(30) or lost
    assert lost == []
    lock.release()


def test_a_session_that_cannot_be_set_up_is_closed(server, monkeypatch):
    monkeypatch.setattr(session_lock, "SET_UP", "SELECT nonsense")
    open_sessions = "SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT nonsense'"
    with pytest.raises(psycopg.Error) as caught:  # whose traceback keeps the connection alive
        SessionLock(server.url, fail)
    poll(lambda: not Place(server.url).ask(open_sessions))
    assert caught


def test_statements_are_not_prepared(server):
    lock = SessionLock(server.url, fail)
    assert lock._connection.prepare_threshold is None
    lock.release()
