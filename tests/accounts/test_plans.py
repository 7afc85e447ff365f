"""Plans: those of the file, and the one that is always there."""

from decimal import Decimal

import pytest

from tornado_router.accounts.plans import UNLIMITED, Plans, check_plans
from tornado_router.config import reader
from tornado_router.config.options import PlanOptions


def test_the_plans_of_the_file():
    plans = Plans({"pro": PlanOptions(rpm=5, credits=0.1)}, "free")
    assert plans.get("pro").rpm == 5
    assert plans.get("other") is None
    assert set(plans.all()) == {"pro", UNLIMITED}


def test_unlimited_is_always_there():
    assert Plans({}, "free").get(UNLIMITED) == PlanOptions()


def test_where_there_are_no_plans_the_default_limits_nothing():
    assert Plans({}, "free").get("free") == PlanOptions()
    assert Plans({"free": PlanOptions(rpm=0)}, "free").get("free").rpm == 0


def test_first_credits_are_exact():
    plans = Plans(
        {"a": PlanOptions(credits=0.1), "b": PlanOptions(), "c": PlanOptions(credits=0)}, "a"
    )
    assert [plans.first_credits(name) for name in "abcd"] == [Decimal("0.1"), 0, 0, 0]


@pytest.mark.parametrize(
    ("text", "faulty"),
    [
        ("", False),
        ('registration = "invite"', False),
        ('registration = "open"', True),
        ('registration = "open"\ndefault_plan = "unlimited"', False),
        ('registration = "open"\n[plans.free]\nrpm = 5', False),
        ('registration = "open"\ndefault_plan = "pro"\n[plans.free]\nrpm = 5', True),
        ('registration = "invite"\ndefault_plan = "teem"\n[plans.team]', True),
        ('registration = "closed"\ndefault_plan = "teem"\n[plans.team]', True),
        ('registration = "closed"\ndefault_plan = "teem"', True),
        ('registration = "closed"\n[plans.team]', True),
        ('default_plan = "unlimited"\n[plans.team]', False),
        ('default_plan = "team"\n[plans.team]', False),
    ],
)
def test_a_name_without_a_table_is_never_a_plan_without_limits(tmp_path, text, faulty):
    path = tmp_path / "router.toml"
    path.write_text(f"[auth]\n{text}\n")
    found = list(check_plans(reader.load(path, {})))
    assert [fault.where for fault in found] == ["auth.default_plan"] * faulty
    if "teem" in text and "plans.team" in text:
        assert "did you mean 'team'?" in found[0].message


def test_the_plan_of_administrators_cannot_be_changed(tmp_path):
    path = tmp_path / "router.toml"
    path.write_text('[auth]\ndefault_plan = "unlimited"\n[plans.unlimited]\ncredits = 1\n')
    config = reader.load(path, {})
    assert [fault.where for fault in check_plans(config)] == ["plans.unlimited"]
    assert Plans(config.plans, "unlimited").get(UNLIMITED) == PlanOptions()
