"""API keys: made, changed, rotated and revoked."""

import datetime
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tornado_router.accounts import keys
from tornado_router.accounts.digest import digest
from tornado_router.accounts.key_lookup import find_key
from tornado_router.accounts.permissions import Permissions
from tornado_router.errors import ApiError
from tornado_router.limits.kinds import Rates
from tornado_router.storage.tables import ApiKey
from tornado_router.storage.values import now

from .people import ENDPOINTS, KEY_PLANS, make_key, refused

pytestmark = pytest.mark.usefixtures("ada_and_bob")


class TestCreate:
    def test_what_is_not_given_does_not_limit(self):
        row, key = make_key()
        assert (row.rate_limit_rpm, row.rate_limit_tpm, row.max_in_flight) == (None, None, None)
        assert (row.budget, row.expires_at) == (None, None)
        assert Permissions.read(row.permissions) == Permissions()
        found = find_key(digest(key), KEY_PLANS)
        assert (found.rates, found.purses, found.models, found.endpoints) == ((), (), (), None)

    def test_the_key_itself_is_in_no_column(self):
        _, key = make_key()
        row = ApiKey.get()
        assert key not in [str(value) for value in row.__data__.values()]
        assert row.prefix == key[:12]

    def test_so_many_and_no_more(self, storage, monkeypatch):
        monkeypatch.setattr(keys, "MAX_KEYS", 5)

        def one(_):
            try:
                storage.call(make_key)
            except ApiError as error:
                return error.code
            return None

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(one, range(20)))
        assert answers.count(None) == 5
        assert set(answers) == {None, "too_many_keys"}
        keys.revoke(ApiKey.get().id)
        make_key()

    def test_for_nobody(self):
        assert refused(lambda: make_key(user_id=99))[0] == 404


class TestFind:
    def test_ones_own(self):
        make_key()
        assert keys.find(1, 1).name == "laptop"
        assert keys.find(1).name == "laptop"

    @pytest.mark.parametrize(("key_id", "user_id"), [(1, 2), (9, 1), (10**14, 1)])
    def test_what_is_not_ones_own_is_not_there(self, key_id, user_id):
        make_key()
        with pytest.raises(ApiError) as caught:
            keys.find(key_id, user_id)
        assert caught.value.status == 404
        assert caught.value.message == f"There is no API key {key_id}."

    def test_lists_have_pages(self):
        for _ in range(5):
            make_key()
        make_key(user_id=2)
        assert [row.id for row in keys.list_keys(1, 2)] == [1, 2, 3]
        assert [row.id for row in keys.list_keys(1, 2, after=2)] == [3, 4, 5]
        assert [row.id for row in keys.list_keys(1, 9, after=4)] == [5]
        assert len(keys.list_keys(None, None)) == 6


class TestChange:
    def test_what_is_given_changes_and_nothing_else(self):
        make_key(rpm=5, tpm=6, models=["a"], endpoints=["embeddings"])
        row = keys.change(1, {"rpm": None, "models": ["b"]}, ENDPOINTS)
        assert (row.rate_limit_rpm, row.rate_limit_tpm) == (None, 6)
        assert Permissions.read(row.permissions) == Permissions(("b",), ("embeddings",))
        assert row.name == "laptop"

    def test_nothing_is_no_change(self):
        make_key()
        assert keys.change(1, {}, ENDPOINTS).name == "laptop"

    def test_suspended(self):
        _, key = make_key()
        keys.change(1, {"is_active": False}, ENDPOINTS)
        assert find_key(digest(key), KEY_PLANS) is None
        keys.change(1, {"is_active": True}, ENDPOINTS)
        assert find_key(digest(key), KEY_PLANS)


class TestRotate:
    def test_without_grace_the_old_one_ends(self):
        _, old = make_key(rpm=5)
        row, new = keys.rotate(1)
        assert row.id == 1
        assert find_key(digest(old), KEY_PLANS) is None
        assert find_key(digest(new), KEY_PLANS).rates == (Rates("key:1", 5),)

    def test_with_grace_both_are_one_key_for_a_while(self):
        _, old = make_key(rpm=5)
        row, new = keys.rotate(1, 100)
        before, after = find_key(digest(old), KEY_PLANS), find_key(digest(new), KEY_PLANS)
        assert (before.id, before.rates) == (after.id, after.rates)
        assert before.until == pytest.approx(time.time() + 100, abs=20)
        assert after.until is None
        past = now() - datetime.timedelta(seconds=1)
        ApiKey.update(previous_expires_at=past).execute()
        assert find_key(digest(old), KEY_PLANS) is None
        assert row.id == 1

    def test_twice_within_the_grace(self):
        _, first = make_key()
        _, second = keys.rotate(1, 100)
        _, third = keys.rotate(1, 100)
        assert find_key(digest(first), KEY_PLANS) is None
        assert find_key(digest(second), KEY_PLANS)
        assert find_key(digest(third), KEY_PLANS)

    def test_at_once_one_of_them_wins(self, storage):
        make_key()
        with ThreadPoolExecutor(4) as threads:
            made = list(threads.map(lambda _: storage.call(lambda: keys.rotate(1)[1]), range(8)))
        assert sum(find_key(digest(key), KEY_PLANS) is not None for key in made) == 1


class TestRevoke:
    def test_for_good(self):
        _, old = make_key()
        _, key = keys.rotate(1, 100)
        keys.revoke(1)
        assert find_key(digest(key), KEY_PLANS) is None
        assert find_key(digest(old), KEY_PLANS) is None
        assert refused(lambda: keys.find(1))[0] == 404
        assert refused(lambda: keys.revoke(1))[0] == 404
        assert refused(lambda: keys.change(1, {"is_active": True}, ENDPOINTS))[0] == 404
        assert keys.list_keys(1) == []
        assert ApiKey.get_by_id(1).revoked_at is not None
