"""An API key is found by its digest, with all that its calls are held to."""

import time

import pytest

from tornado_router.accounts.digest import digest
from tornado_router.accounts.key_lookup import find_key
from tornado_router.errors import ApiError
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import Purse
from tornado_router.storage.tables import ApiKey, User
from tornado_router.storage.values import now

from .people import KEY_PLANS, make_key

pytestmark = pytest.mark.usefixtures("ada_and_bob")


class TestLimits:
    def test_what_is_given_holds(self):
        later = int(time.time()) + 100
        _, key = make_key(
            rpm=0,
            tpm=5,
            max_in_flight=2,
            budget="0.1",
            budget_period="total",
            models=["gpt-*"],
            endpoints=["embeddings"],
            expires_at=later,
        )
        found = find_key(digest(key), KEY_PLANS)
        assert found.rates == (Rates("key:1", 0, 5, 2),)
        assert found.purses == (Purse("budget:1:0001-01-01", 100_000_000, 0, "total"),)
        assert found.models == (("gpt-*",),)
        assert found.endpoints == {"embeddings"}
        assert found.until == later

    def test_the_plan_of_the_user_holds_beside(self):
        _, key = make_key(user_id=2, models=["*-mini"])
        found = find_key(digest(key), KEY_PLANS)
        assert found.rates == (Rates("user:2", 7),)
        assert found.purses == (Purse("credits:2", 2 * 10**9, 0),)
        assert found.models == (("*-mini",), ("gpt-*",))


class TestLookUp:
    def test_an_expired_key(self):
        _, key = make_key(expires_at=int(time.time()) + 100)
        ApiKey.update(expires_at=now()).execute()
        assert find_key(digest(key), KEY_PLANS) is None

    def test_a_disabled_user(self):
        _, key = make_key()
        User.update(is_active=False).execute()
        assert find_key(digest(key), KEY_PLANS) is None

    def test_a_plan_that_is_gone_is_refused_by_name(self):
        _, key = make_key()
        User.update(plan="gone").execute()
        with pytest.raises(ApiError) as caught:
            find_key(digest(key), KEY_PLANS)
        assert (caught.value.status, caught.value.code) == (403, "unknown_plan")
