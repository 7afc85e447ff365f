"""SQLite, as the router uses it."""

import pytest

from tornado_router.storage.databases import open_database
from tornado_router.storage.process_lock import LockedError
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User

from ..support import no_descriptors


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


@pytest.mark.sqlite
def test_a_file_that_is_shared_is_nobodys_alone(tmp_path):
    one, two = (open_database(tmp_path / "router.db") for _ in range(2))
    locks = [one.share(), two.share()]
    with pytest.raises(LockedError):
        open_database(tmp_path / "router.db").claim()
    for lock in locks:
        lock.release()
    alone = one.claim()
    with pytest.raises(LockedError):
        two.share()
    alone.release()


@pytest.mark.sqlite
def test_sqlite_runs_as_it_should(storage):
    def pragmas():
        return {
            name: storage.database.pragma(name)
            for name in ("journal_mode", "foreign_keys", "synchronous")
        }

    assert storage.call(pragmas) == {
        "journal_mode": "wal",
        "foreign_keys": 1,
        "synchronous": 1,
    }


@pytest.mark.sqlite
def test_a_process_without_descriptors_waits_for_one(storage):
    with no_descriptors(seconds=0.3):
        assert storage.call(User.select().count) == 0
