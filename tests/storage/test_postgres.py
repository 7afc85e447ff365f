"""PostgreSQL, as the router uses it: servers that restart, freeze or fail over."""

import asyncio
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager

import pytest
from peewee import OperationalError

from tornado_router.errors import DatabaseAwayError
from tornado_router.storage import migrator
from tornado_router.storage import postgres as postgres_module
from tornado_router.storage import storage as storage_module
from tornado_router.storage.postgres import Postgres
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User

from ..place import Place
from ..postgres import Server, own_postgres
from ..support import poll


def count():
    return User.select().count()


@pytest.fixture(scope="module")
def server():
    with own_postgres() as server:
        yield server


@pytest.fixture
def postgres(server):
    server.start()
    Storage(server.url).close()
    Place(server.url).ask("TRUNCATE users CASCADE")
    return server


def add(email="a@b"):
    with User._meta.database.writing():
        return User.create(email=email, name="a", password_hash="!")


PEER = """
import sys
from tornado_router.storage import postgres
from tornado_router.storage.storage import Storage
postgres.TURN = {"idle_in_transaction_session_timeout": sys.argv[2]}
storage = Storage(sys.argv[1], migrate=False)
def write():
    with storage.database.writing():
        print("in", flush=True)
        sys.stdin.read()
storage.call(write)
"""


@contextmanager
def frozen_writer(url, idle="1h"):
    """Another router, which is stopped in the middle of a transaction that writes.

    The server waits for it as long as `idle` says.
    """
    with subprocess.Popen(
        [sys.executable, "-c", PEER, url, idle],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as peer:
        assert peer.stdout.readline() == b"in\n"
        peer.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            peer.kill()


class TestFrozenWriter:
    @pytest.fixture
    def turn(self, monkeypatch):
        def set_(**settings):
            monkeypatch.setattr(postgres_module, "TURN", settings)

        return set_

    def test_others_wait_for_their_turn_but_not_for_ever(self, postgres, turn):
        storage = Storage(postgres.url)
        turn(lock_timeout="100ms")
        with frozen_writer(postgres.url):
            with pytest.raises(OperationalError, match="lock timeout"):
                storage.call(add)
            assert storage.call(count) == 0  # readers do not wait at all
        storage.close()

    def test_the_server_hangs_up_on_it(self, postgres):
        storage = Storage(postgres.url)
        with frozen_writer(postgres.url, idle="500ms"):
            storage.call(add)
        assert storage.call(count) == 1
        storage.close()

    def test_whoever_was_hung_up_on_begins_anew(self, postgres, turn):
        storage = Storage(postgres.url)
        turn(idle_in_transaction_session_timeout="50ms")

        def linger():
            with storage.database.writing():
                time.sleep(0.5)
                User.create(email="a@b", name="a", password_hash="!")

        with pytest.raises(OperationalError):
            storage.call(linger)
        storage.call(add)
        storage.close()

    def test_a_migration_waits_for_its_turn(self, postgres, turn):
        storage = Storage(postgres.url)
        turn(lock_timeout="100ms")

        def migrate():
            with storage.database.writing(long=True):
                return True

        with frozen_writer(postgres.url, idle="1s"):
            assert storage.call(migrate)
        storage.close()

    def test_of_several_migrations_one_is_done_and_all_succeed(self, postgres):
        """However long it takes: longer than any statement may, here."""
        url = Server(postgres.url).create()
        outcome = []

        def migrate():
            database = Postgres(url + "?options=-c%20statement_timeout%3D1s")
            database.open()
            with closing(database):
                outcome.append(migrator.migrate(database))

        first, second = Postgres(url), threading.Thread(target=migrate)
        first.open()
        with closing(first), first.writing(long=True):
            second.start()
            waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            poll(lambda: Place(url).ask(waiting))
            time.sleep(1.5)
            assert migrator.migrate(first)
        second.join()
        assert outcome == [[]]

    def test_settings_end_with_their_transaction(self, postgres):
        storage = Storage(postgres.url)

        def settings():
            names = ("lock_timeout", "idle_in_transaction_session_timeout", "statement_timeout")
            return [storage.database.execute_sql(f"SHOW {name}").fetchone()[0] for name in names]

        def inside():
            with storage.database.writing():
                return settings()

        assert storage.call(inside) == ["5s", "10s", "20s"]
        assert storage.call(settings) == ["0", "0", "20s"]
        storage.close()

    def test_what_the_url_says_of_statements_holds(self, postgres):
        storage = Storage(postgres.url + "?options=-c%20statement_timeout%3D7s")
        show = storage.call(
            lambda: storage.database.execute_sql("SHOW statement_timeout").fetchone()
        )
        assert show == ("7s",)
        storage.close()


def test_a_stop_does_not_wait_for_a_server_that_is_frozen(postgres, monkeypatch):
    monkeypatch.setattr(storage_module, "STOP_SECONDS", 0.1)
    storage = Storage(postgres.url + "?connect_timeout=2")

    async def main():
        await storage.run(count)
        postgres.freeze()
        waits = asyncio.get_running_loop().create_task(storage.run(count), name="waits")
        await asyncio.sleep(0.1)
        await asyncio.to_thread(storage.close)
        with pytest.raises(DatabaseAwayError):
            await waits

    try:
        asyncio.run(main())
    finally:
        postgres.thaw()


class TestReadOnly:
    """What a failover leaves behind: a session that cannot write any more."""

    def run(self, storage, work):
        return asyncio.run(storage.run(work))

    def test_a_session_is_replaced(self, postgres):
        storage = Storage(postgres.url)
        storage._threads._max_workers = 1  # the same session again
        read_only = "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"
        self.run(storage, lambda: storage.database.execute_sql(read_only))
        with pytest.raises(DatabaseAwayError):
            self.run(storage, add)
        self.run(storage, add)
        storage.close()

    def test_a_server_that_takes_nothing_is_away(self, postgres):
        storage = Storage(postgres.url)
        writable = Place(postgres.url + "?options=-c%20default_transaction_read_only%3Doff")
        writable.ask("ALTER DATABASE postgres SET default_transaction_read_only = on")
        try:
            with pytest.raises(DatabaseAwayError):
                self.run(storage, add)
        finally:
            writable.ask("ALTER DATABASE postgres RESET default_transaction_read_only")
        self.run(storage, add)
        storage.close()


class TestPostgresThatGoesAway:
    def test_is_found_again(self, postgres):
        server = postgres
        storage = Storage(server.url)
        storage.call(lambda: User.create(email="a@b", name="a", password_hash="!"))
        server.stop()
        with pytest.raises(OperationalError):
            storage.call(count)
        server.start()
        assert storage.call(count) == 1  # a connection that broke meanwhile is nobody's concern
        server.stop()
        server.start()
        assert storage.call(count) == 1
        storage.close()
