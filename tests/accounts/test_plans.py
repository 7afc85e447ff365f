"""Plans: those of the file, and the one that is always there."""

from decimal import Decimal

from tornado_router.accounts.plans import UNLIMITED, Plans
from tornado_router.config.options import PlanOptions


def test_the_plans_of_the_file():
    plans = Plans({"pro": PlanOptions(rpm=5, credits=0.1)}, "free")
    assert plans.get("pro").rpm == 5
    assert plans.get("other") is None
    assert set(plans.all()) == {"pro", "free", UNLIMITED}


def test_unlimited_is_always_there():
    assert Plans({}, "free").get(UNLIMITED) == PlanOptions()


def test_a_default_plan_without_a_table_limits_nothing():
    assert Plans({}, "free").get("free") == PlanOptions()
    assert Plans({"free": PlanOptions(rpm=0)}, "free").get("free").rpm == 0


def test_first_credits_are_exact():
    plans = Plans(
        {"a": PlanOptions(credits=0.1), "b": PlanOptions(), "c": PlanOptions(credits=0)}, "a"
    )
    assert [plans.first_credits(name) for name in "abcd"] == [Decimal("0.1"), 0, 0, 0]
