"""What SQLite and PostgreSQL do alike."""

import sys
import threading

import pytest

from tornado_router.storage.databases import open_database
from tornado_router.storage.postgres import MissingDriverError, Postgres
from tornado_router.storage.process_lock import LockedError
from tornado_router.storage.sqlite import Sqlite
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


def count():
    return User.select().count()


class TestLocation:
    def test_a_path_is_a_file(self, tmp_path):
        assert isinstance(open_database(tmp_path / "a" / "b" / "router.db"), Sqlite)
        assert (tmp_path / "a" / "b").is_dir()

    @pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
    def test_a_url_is_postgresql(self, scheme):
        assert isinstance(open_database(f"{scheme}://u:p@h/n"), Postgres)

    def test_without_the_driver(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "psycopg", None)
        with pytest.raises(
            MissingDriverError, match=r"pip install 'tornado-llm-router\[postgres\]'"
        ):
            open_database("postgresql://u:p@h/n")


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
    other = open_database(place.location)
    with pytest.raises(LockedError):
        other.claim()
    lock.release()
    other.claim().release()
