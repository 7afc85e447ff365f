"""What is spent of purses, as whoever looks a key up gets it."""

import datetime
from decimal import Decimal

import pytest

from tornado_router.accounts.digest import digest
from tornado_router.accounts.key_lookup import find_key
from tornado_router.accounts.purses import spent_of
from tornado_router.storage.tables import UsageDay, User
from tornado_router.storage.values import now

from .people import KEY_PLANS, make_key

pytestmark = pytest.mark.usefixtures("ada_and_bob")


@pytest.mark.parametrize("period", ["day", "week", "month", "total"])
def test_it_is_the_same_as_of_the_key(period):
    _, key = make_key(budget=1, budget_period=period)
    User.update(plan="free", credits=5, spent=Decimal("0.125")).where(User.id == 1).execute()
    for day, cost in ((now().date(), "0.25"), (datetime.date(2001, 1, 1), "0.5")):
        UsageDay.create(
            day=day, user_id=1, api_key_id=1, provider="p", model="m", cost=Decimal(cost)
        )
    purses = find_key(digest(key), KEY_PLANS).purses
    assert spent_of(one.id for one in purses) == {one.id: one.spent for one in purses}
    assert purses[-1].spent == (750_000_000 if period == "total" else 250_000_000)


def test_a_user_who_is_deleted_has_spent_nothing():
    assert spent_of(["credits:999"]) == {"credits:999": 0}


def test_rates_are_no_purse():
    with pytest.raises(ValueError, match="key:1"):
        spent_of(["key:1"])
