"""SQLite and PostgreSQL, as the router uses them."""

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
from tornado_router.storage import databases, migrator, tables
from tornado_router.storage.databases import MissingDriverError, Postgres, Sqlite, open_engine
from tornado_router.storage.process_lock import LockedError
from tornado_router.storage.tables import Storage, User

from ..place import Place
from ..postgres import Server, own_postgres
from ..support import poll


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


def count():
    return User.select().count()


class TestLocation:
    def test_a_path_is_a_file(self, tmp_path):
        assert isinstance(open_engine(tmp_path / "a" / "b" / "router.db"), Sqlite)
        assert (tmp_path / "a" / "b").is_dir()

    @pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
    def test_a_url_is_postgresql(self, scheme):
        assert isinstance(open_engine(f"{scheme}://u:p@h/n"), Postgres)

    def test_without_the_driver(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(
            MissingDriverError, match=r"pip install 'tornado-llm-router\[postgres\]'"
        ):
            open_engine("postgresql://u:p@h/n")


class TestWriting:
    def test_is_for_one_at_a_time(self, storage):
        """Nobody reads what another is about to change: 200 additions are 200."""

        def add():
            with storage.database.writing():
                user = User.get()
                User.update(name=str(int(user.name) + 1)).execute()

        storage.call(lambda: User.create(email="a@b", name="0", password_hash="!"))
        threads = [
            threading.Thread(target=lambda: [storage.call(add) for _ in range(25)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert storage.call(lambda: User.get().name) == "200"

    def test_is_undone_by_an_error(self, storage):
        def fail():
            with storage.database.writing(), storage.database.writing():
                User.create(email="a@b", name="a", password_hash="!")
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            storage.call(fail)
        assert storage.call(count) == 0


def test_reading_sees_one_moment(storage):
    def read():
        with storage.database.reading():
            before = count()
            thread = threading.Thread(
                target=storage.call,
                args=[lambda: User.create(email="a@b", name="a", password_hash="!")],
            )
            thread.start()
            thread.join()
            return before, count()

    assert storage.call(read) == (0, 0)
    assert storage.call(count) == 1


def test_one_alone_may_claim_it(storage, place):
    lock = storage.database.claim()
    other = open_engine(place.location)
    with pytest.raises(LockedError):
        other.claim()
    lock.release()
    other.claim().release()


@pytest.mark.sqlite
def test_a_file_that_is_shared_is_nobodys_alone(tmp_path):
    one, two = (open_engine(tmp_path / "router.db") for _ in range(2))
    locks = [one.share(), two.share()]
    with pytest.raises(LockedError):
        open_engine(tmp_path / "router.db").claim()
    for lock in locks:
        lock.release()
    alone = one.claim()
    with pytest.raises(LockedError):
        two.share()
    alone.release()


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
from tornado_router.storage import databases
from tornado_router.storage.tables import Storage
databases.TURN = {"idle_in_transaction_session_timeout": sys.argv[2]}
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
            monkeypatch.setattr(databases, "TURN", settings)

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
    monkeypatch.setattr(tables, "STOP_SECONDS", 0.1)
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
