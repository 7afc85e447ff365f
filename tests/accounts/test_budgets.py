"""Budgets: their periods, and what is spent in the one that runs."""

import datetime
from decimal import Decimal

import pytest

from tornado_router.accounts import budgets, keys
from tornado_router.accounts.budgets import period
from tornado_router.accounts.digest import digest
from tornado_router.accounts.key_lookup import find_key
from tornado_router.storage.tables import UsageDay
from tornado_router.storage.values import now

from .people import ENDPOINTS, KEY_PLANS, make_key

pytestmark = pytest.mark.usefixtures("ada_and_bob")


class TestBudget:
    @pytest.mark.parametrize(
        ("name", "first", "following"),
        [
            ("day", (2028, 2, 29), (2028, 3, 1)),
            ("week", (2028, 2, 28), (2028, 3, 6)),
            ("month", (2028, 2, 1), (2028, 3, 1)),
            ("total", (1, 1, 1), None),
        ],
    )
    def test_periods(self, name, first, following):
        assert period(name, datetime.datetime(2028, 2, 29, 23, 59)) == (
            datetime.date(*first),
            following and datetime.date(*following),
        )

    def test_what_is_spent_in_the_period_that_runs(self):
        row, key = make_key(budget=1, budget_period="day")
        today = now().date()
        for day, cost in ((today, "0.25"), (today - datetime.timedelta(days=1), "0.5")):
            UsageDay.create(
                day=day, user_id=1, api_key_id=1, provider="p", model="m", cost=Decimal(cost)
            )
        state = budgets.budget_state(row)
        assert (state.spent, state.left) == (Decimal("0.25"), Decimal("0.75"))
        assert state.renews.date() == today + datetime.timedelta(days=1)
        spent = budgets.spent_by_period(row.id)
        assert (spent["day"], spent["total"]) == (Decimal("0.25"), Decimal("0.75"))
        (purse,) = find_key(digest(key), KEY_PLANS).purses
        assert purse[:4] == (f"budget:1:{today}", 10**9, 250_000_000, "day")
        keys.change(1, {"budget_period": "total"}, ENDPOINTS)
        (purse,) = find_key(digest(key), KEY_PLANS).purses
        assert purse.spent == 750_000_000
