"""API keys: made, changed, rotated and revoked, and found by what they are good for."""

import datetime
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from tornado_router.accounts import keys
from tornado_router.accounts.accounts import create_user
from tornado_router.accounts.auth import find_key
from tornado_router.accounts.keys import Permissions, digest, period
from tornado_router.accounts.plans import Plans
from tornado_router.config.options import MAX_RATE, PlanOptions
from tornado_router.errors import ApiError
from tornado_router.limits import Purse, Rates
from tornado_router.storage.tables import ApiKey, Storage, UsageDay, User, now

ENDPOINTS = ("chat.completions", "embeddings")
PLANS = Plans(
    {"free": PlanOptions(), "paid": PlanOptions(credits=2, rpm=7, models=("gpt-*",))}, "free"
)


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


@pytest.fixture(autouse=True)
def database(storage):
    """Connected on the test's own thread."""
    with storage.database.connection_context():
        create_user(PLANS, "ada@example.com", actor="test")
        create_user(PLANS, "bob@example.com", actor="test", plan="paid")
        yield


def make(user_id=1, **values):
    return keys.create(user_id, {"name": "laptop", **values}, ENDPOINTS)


def refused(work):
    with pytest.raises(ApiError) as caught:
        work()
    return caught.value.status, caught.value.code, caught.value.param


class TestCreate:
    def test_what_is_not_given_does_not_limit(self):
        row, key = make()
        assert (row.rate_limit_rpm, row.rate_limit_tpm, row.max_in_flight) == (None, None, None)
        assert (row.budget, row.expires_at) == (None, None)
        assert Permissions.read(row.permissions) == Permissions()
        found = find_key(digest(key), PLANS)
        assert (found.rates, found.purses, found.models, found.endpoints) == ((), (), (), None)

    def test_what_is_given_holds(self):
        later = int(time.time()) + 100
        _, key = make(
            rpm=0,
            tpm=5,
            max_in_flight=2,
            budget="0.1",
            budget_period="total",
            models=["gpt-*"],
            endpoints=["embeddings"],
            expires_at=later,
        )
        found = find_key(digest(key), PLANS)
        assert found.rates == (Rates("key:1", 0, 5, 2),)
        assert found.purses == (Purse("budget:1:0001-01-01", 100_000_000, 0),)
        assert found.models == (("gpt-*",),)
        assert found.endpoints == {"embeddings"}
        assert found.until == later

    def test_the_plan_of_the_user_holds_beside(self):
        _, key = make(user_id=2, models=["*-mini"])
        found = find_key(digest(key), PLANS)
        assert found.rates == (Rates("user:2", 7),)
        assert found.purses == (Purse("credits:2", 2 * 10**9, 0),)
        assert found.models == (("*-mini",), ("gpt-*",))

    def test_the_key_itself_is_in_no_column(self):
        _, key = make()
        row = ApiKey.get()
        assert key not in [str(value) for value in row.__data__.values()]
        assert row.prefix == key[:12]

    @pytest.mark.parametrize(
        ("values", "code", "param"),
        [
            ({"name": ""}, "invalid_value", "name"),
            ({"name": "a\nb"}, "invalid_value", "name"),
            ({"name": "x" * 101}, "string_above_max_length", "name"),
            ({"rpm": -1}, "invalid_value", "rpm"),
            ({"tpm": MAX_RATE + 1}, "invalid_value", "tpm"),
            ({"max_in_flight": -1}, "invalid_value", "max_in_flight"),
            ({"budget": -1}, "invalid_value", "budget"),
            ({"budget": "1.0000000001"}, "invalid_value", "budget"),
            ({"budget": "much"}, "invalid_value", "budget"),
            ({"budget": 1_000_001}, "invalid_value", "budget"),
            ({"budget_period": "year"}, "invalid_value", "budget_period"),
            ({"models": [""]}, "invalid_value", "models[0]"),
            ({"models": ["x"] * 101}, "invalid_value", "models"),
            ({"models": ["*" + "x" * 199] * 11}, "invalid_value", "models"),
            ({"models": ["x" * 201]}, "string_above_max_length", "models[0]"),
            ({"endpoints": ["chat.completions", "chat"]}, "invalid_value", "endpoints[1]"),
            ({"expires_at": 1}, "invalid_value", "expires_at"),
            ({"expires_at": 10**18}, "invalid_value", "expires_at"),
        ],
    )
    def test_what_cannot_be_used(self, values, code, param):
        assert refused(lambda: make(**values)) == (400, code, param)
        assert not ApiKey.select().exists()

    @pytest.mark.parametrize("amount", [0.1, "0.1"])
    def test_a_budget_is_what_was_written(self, amount):
        row, _ = make(budget=amount)
        assert row.budget == Decimal("0.1")

    def test_so_many_and_no_more(self, storage, monkeypatch):
        monkeypatch.setattr(keys, "MAX_KEYS", 5)

        def one(_):
            try:
                storage.call(make)
            except ApiError as error:
                return error.code
            return None

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(one, range(20)))
        assert answers.count(None) == 5
        assert set(answers) == {None, "too_many_keys"}
        keys.revoke(ApiKey.get().id)
        make()

    def test_for_nobody(self):
        assert refused(lambda: make(user_id=99))[0] == 404


class TestFind:
    def test_ones_own(self):
        make()
        assert keys.find(1, 1).name == "laptop"
        assert keys.find(1).name == "laptop"

    @pytest.mark.parametrize(("key_id", "user_id"), [(1, 2), (9, 1), (10**14, 1)])
    def test_what_is_not_ones_own_is_not_there(self, key_id, user_id):
        make()
        with pytest.raises(ApiError) as caught:
            keys.find(key_id, user_id)
        assert caught.value.status == 404
        assert caught.value.message == f"There is no API key {key_id}."

    def test_lists_have_pages(self):
        for _ in range(5):
            make()
        make(user_id=2)
        assert [row.id for row in keys.list_keys(1, 2)] == [1, 2, 3]
        assert [row.id for row in keys.list_keys(1, 2, after=2)] == [3, 4, 5]
        assert [row.id for row in keys.list_keys(1, 9, after=4)] == [5]
        assert len(keys.list_keys(None, None)) == 6


class TestChange:
    def test_what_is_given_changes_and_nothing_else(self):
        make(rpm=5, tpm=6, models=["a"], endpoints=["embeddings"])
        row = keys.change(1, {"rpm": None, "models": ["b"]}, ENDPOINTS)
        assert (row.rate_limit_rpm, row.rate_limit_tpm) == (None, 6)
        assert Permissions.read(row.permissions) == Permissions(("b",), ("embeddings",))
        assert row.name == "laptop"

    def test_nothing_is_no_change(self):
        make()
        assert keys.change(1, {}, ENDPOINTS).name == "laptop"

    def test_suspended(self):
        _, key = make()
        keys.change(1, {"is_active": False}, ENDPOINTS)
        assert find_key(digest(key), PLANS) is None
        keys.change(1, {"is_active": True}, ENDPOINTS)
        assert find_key(digest(key), PLANS)


class TestRotate:
    def test_without_grace_the_old_one_ends(self):
        _, old = make(rpm=5)
        row, new = keys.rotate(1)
        assert row.id == 1
        assert find_key(digest(old), PLANS) is None
        assert find_key(digest(new), PLANS).rates == (Rates("key:1", 5),)

    def test_with_grace_both_are_one_key_for_a_while(self):
        _, old = make(rpm=5)
        row, new = keys.rotate(1, 100)
        before, after = find_key(digest(old), PLANS), find_key(digest(new), PLANS)
        assert (before.id, before.rates) == (after.id, after.rates)
        assert before.until == pytest.approx(time.time() + 100, abs=20)
        assert after.until is None
        past = now() - datetime.timedelta(seconds=1)
        ApiKey.update(previous_expires_at=past).execute()
        assert find_key(digest(old), PLANS) is None
        assert row.id == 1

    def test_twice_within_the_grace(self):
        _, first = make()
        _, second = keys.rotate(1, 100)
        _, third = keys.rotate(1, 100)
        assert find_key(digest(first), PLANS) is None
        assert find_key(digest(second), PLANS)
        assert find_key(digest(third), PLANS)

    def test_at_once_one_of_them_wins(self, storage):
        make()
        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(lambda _: storage.call(lambda: keys.rotate(1)[1]), range(8)))
        assert sum(find_key(digest(key), PLANS) is not None for key in made) == 1


class TestRevoke:
    def test_for_good(self):
        _, old = make()
        _, key = keys.rotate(1, 100)
        keys.revoke(1)
        assert find_key(digest(key), PLANS) is None
        assert find_key(digest(old), PLANS) is None
        assert refused(lambda: keys.find(1))[0] == 404
        assert refused(lambda: keys.revoke(1))[0] == 404
        assert refused(lambda: keys.change(1, {"is_active": True}, ENDPOINTS))[0] == 404
        assert keys.list_keys(1) == []
        assert ApiKey.get_by_id(1).revoked_at is not None


class TestLookUp:
    def test_an_expired_key(self):
        _, key = make(expires_at=int(time.time()) + 100)
        ApiKey.update(expires_at=now()).execute()
        assert find_key(digest(key), PLANS) is None

    def test_a_disabled_user(self):
        _, key = make()
        User.update(is_active=False).execute()
        assert find_key(digest(key), PLANS) is None

    def test_a_plan_that_is_gone_is_refused_by_name(self):
        _, key = make()
        User.update(plan="gone").execute()
        with pytest.raises(ApiError) as caught:
            find_key(digest(key), PLANS)
        assert (caught.value.status, caught.value.code) == (403, "unknown_plan")


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
        row, key = make(budget=1, budget_period="day")
        today = now().date()
        for day, cost in ((today, "0.25"), (today - datetime.timedelta(days=1), "0.5")):
            UsageDay.create(
                day=day, user_id=1, api_key_id=1, provider="p", model="m", cost=Decimal(cost)
            )
        assert keys.budget_spent(row) == Decimal("0.25")
        (purse,) = find_key(digest(key), PLANS).purses
        assert purse == Purse(f"budget:1:{today}", 10**9, 250_000_000)
        keys.change(1, {"budget_period": "total"}, ENDPOINTS)
        (purse,) = find_key(digest(key), PLANS).purses
        assert purse.spent == 750_000_000
