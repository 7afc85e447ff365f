"""The open database, and how coroutines ask it."""

import asyncio
import threading

import pytest

from tornado_router.storage.migrator import SchemaError
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User


@pytest.fixture
def storage(empty_place):
    storage = Storage(empty_place.location)
    yield storage
    storage.close()


def user(email="a@b", **fields):
    return User.create(email=email, name="a", password_hash="!", **fields)


class TestSchema:
    def test_is_made(self, empty_place):
        Storage(empty_place.location).close()
        assert empty_place.tables() >= {"users", "api_keys", "usage_logs"}

    def test_that_lacks_is_refused_where_nobody_migrates(self, empty_place):
        with pytest.raises(SchemaError, match="run: tornado-router db migrate"):
            Storage(empty_place.location, migrate=False)
        Storage(empty_place.location).close()
        Storage(empty_place.location, migrate=False).close()


class TestRun:
    def test_never_on_the_thread_of_the_loop(self, storage):
        async def main():
            return await storage.run(threading.get_ident)

        assert asyncio.run(main()) != threading.get_ident()

    def test_what_the_work_raises_is_raised(self, storage):
        with pytest.raises(ZeroDivisionError):
            asyncio.run(storage.run(lambda: 1 / 0))

    def test_many_at_once(self, storage):
        async def main():
            await asyncio.gather(
                *(storage.run(lambda n=n: user(f"{n}@b")) for n in range(50)),
            )
            return await storage.run(lambda: User.select().count())

        assert asyncio.run(main()) == 50

    def test_what_runs_often_has_a_connection_that_stays_open(self, storage):
        async def main():
            first = await storage.run_often(storage.database.connection)
            await storage.run(user)
            with pytest.raises(ZeroDivisionError):
                await storage.run_often(lambda: 1 / 0)
            seen = await storage.run_often(lambda: User.select().count())
            return first, await storage.run_often(storage.database.connection), seen

        first, last, seen = asyncio.run(main())
        assert first is last
        assert seen == 1

    @pytest.mark.sqlite
    def test_the_end_closes_what_stays_open_meanwhile(self, storage):
        log = storage.database.path.with_name(storage.database.path.name + "-wal")
        asyncio.run(storage.run_often(user))
        assert log.exists()
        storage.close()
        assert not log.exists(), "the last connection takes it along"

    @pytest.mark.sqlite
    def test_nothing_stays_open(self, storage):
        storage.call(user)
        assert storage.database.is_closed()
