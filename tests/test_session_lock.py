"""The lock of a router that keeps its limits to itself, in a database that may restart."""

import threading

import pytest

from tornado_router import session_lock
from tornado_router.process_lock import LockedError
from tornado_router.session_lock import SessionLock

from .place import Place
from .postgres import own_postgres
from .support import poll


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
