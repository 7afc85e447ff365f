"""Times and amounts of money in the database."""

from decimal import Decimal

import pytest
from peewee import fn

from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import CreditEntry, User
from tornado_router.storage.values import utc


@pytest.fixture
def storage(empty_place):
    storage = Storage(empty_place.location)
    yield storage
    storage.close()


def user(email="a@b", **fields):
    return User.create(email=email, name="a", password_hash="!", **fields)


class TestMoney:
    @pytest.mark.parametrize(
        "amount", ["0", "0.1", "0.000000001", "12345678.987654321", "-3.5", "9000000000"]
    )
    def test_comes_back_as_it_was(self, storage, amount):
        def made():
            entry = CreditEntry.create(
                user=user(), amount=Decimal(amount), balance=0, kind="k", reason="r", actor="a"
            )
            return CreditEntry.get_by_id(entry.id)

        assert storage.call(made).amount == Decimal(amount)

    def test_sums_are_exact(self, storage):
        def add():
            for number in range(100):
                user(f"{number}@b", credits=Decimal("0.1") if number % 2 else Decimal("0.2"))
            # Without `coerce`, Peewee gives a sum as the database holds it: in billionths.
            return User.select(fn.SUM(User.credits).coerce()).scalar()

        assert storage.call(add) == Decimal(15)

    def test_the_database_counts_exactly_too(self, storage):
        def spend():
            user(credits=Decimal("0.3"))
            for _ in range(3):
                User.update(credits=User.credits - Decimal("0.1")).execute()
            return User.get().credits

        assert storage.call(spend) == 0

    def test_is_held_as_whole_billionths(self, storage, empty_place):
        storage.call(lambda: user(credits=Decimal("1.5")))
        assert empty_place.ask("SELECT credits FROM users") == [(1_500_000_000,)]

    def test_comparisons(self, storage):
        def count():
            user(credits=Decimal("0.5"))
            return User.select().where(User.credits >= Decimal("0.5")).count()

        assert storage.call(count) == 1


def test_times_are_utc_without_a_zone():
    assert utc(0).isoformat() == "1970-01-01T00:00:00"
    assert utc(1_800_000_000.25).isoformat() == "2027-01-15T08:00:00.250000"
