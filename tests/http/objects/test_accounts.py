"""Users, as the API shows them."""

import datetime
from decimal import Decimal

import msgspec
import pytest

from tornado_router.accounts.plans import Plans
from tornado_router.config.options import PlanOptions
from tornado_router.http.objects import accounts
from tornado_router.storage.tables import User


@pytest.mark.parametrize(("plan", "credits"), [("free", "1.5"), ("flat", None), ("gone", None)])
def test_a_user_never_shows_more_than_this(plan, credits):
    plans = Plans({"free": PlanOptions(credits=5.0)}, "flat")
    created = datetime.datetime(2026, 1, 1)
    user = User(
        id=7,
        email="a@b.c",
        name="A",
        password_hash="secret",
        plan=plan,
        credits=Decimal("1.5"),
        created_at=created,
    )
    shown = accounts.User.of(user, plans)
    assert msgspec.json.decode(msgspec.json.encode(shown)) == {
        "object": "user",
        "id": 7,
        "email": "a@b.c",
        "name": "A",
        "plan": plan,
        "credits": credits,
        "spent": "0",
        "is_admin": False,
        "is_active": True,
        "created_at": 1767225600,
    }
