"""Users: found, changed, and forgotten when they are deleted."""

from decimal import Decimal

import pytest

from tornado_router.accounts import credits, invites, registration, sign_in, users
from tornado_router.accounts.keys import create_key
from tornado_router.storage.tables import (
    ApiKey,
    Resource,
    StoredEvents,
    StoredItem,
    StoredResponse,
    User,
)
from tornado_router.storage.values import now

from .people import HASH, PLANS, at_once, refused, register

pytestmark = pytest.mark.usefixtures("connection")


class TestUsers:
    def test_finding(self, ann):
        assert users.find_user(ann.id).email == ann.email
        assert users.find_by_email(" ANN@example.com").id == ann.id
        assert users.find_by_email("eve@example.com") is None
        assert users.find_by_email("'") is None
        for number in (0, -1, 99, 2**31, 2**63, 10**30):
            assert refused(users.find_user, number) == (404, "user_not_found", None)

    def test_lists(self, ann, admin):
        for number in range(5):
            registration.create_user(PLANS, f"u{number}@x.org", actor="cli", name="É", plan="pro")

        def emails(**query):
            return [user.email for user in users.list_users(**query)]

        assert emails(search=" EXAMPLE.com") == ["ann@example.com", "root@example.com"]
        assert emails(search="100%") == []
        assert emails(search="É") == [f"u{number}@x.org" for number in range(5)]
        assert emails(search="a" * 60_000) == []
        assert emails(search="\udcff") == []
        assert emails(plan="free") == ["ann@example.com"]
        assert emails(plan="unlimited") == ["root@example.com"]
        assert emails(plan="pro", limit=2) == ["u0@x.org", "u1@x.org", "u2@x.org"]
        assert emails(limit=2, after=5) == ["u3@x.org", "u4@x.org"]

    def test_renaming(self, ann):
        before = ann.updated_at
        user = users.rename(ann.id, " Ann ")
        assert user.name == "Ann"
        assert user.updated_at > before
        assert refused(users.rename, ann.id, "a\nb")[2] == "name"
        assert refused(users.rename, 99, "a")[0] == 404

    def test_setting(self, ann, admin):
        user = users.change_user(PLANS, ann.id, name="A", plan="pro", is_admin=True)
        assert (user.name, user.plan, user.is_admin, user.is_active) == ("A", "pro", True, True)
        assert (user.credits, user.session_version) == (Decimal(5), 1)
        assert users.change_user(PLANS, ann.id).name == "A"
        assert users.change_user(PLANS, ann.id, is_admin=False).is_admin is False
        off = users.change_user(PLANS, ann.id, is_active=False)
        assert (off.is_active, off.session_version) == (False, 2)
        assert users.change_user(PLANS, ann.id, is_active=True).is_active is True
        expected = (400, "unknown_plan", "plan")
        assert refused(users.change_user, PLANS, ann.id, plan="gold") == expected
        assert refused(users.change_user, PLANS, 99, name="x")[0] == 404


ENDS = [
    users.delete_user,
    lambda user_id: users.change_user(PLANS, user_id, is_admin=False),
    lambda user_id: users.change_user(PLANS, user_id, is_active=False),
]
"""What makes an administrator none."""


@pytest.mark.parametrize("end", ENDS, ids=["deleted", "demoted", "disabled"])
class TestLastAdministrator:
    def test_stays(self, ann, admin, end):
        assert refused(end, admin.id) == (409, "last_admin", None)
        row = User.get_by_id(admin.id)
        assert (row.is_admin, row.is_active, row.deleted_at) == (True, True, None)

    def test_one_who_is_off_does_not_count(self, ann, admin, end):
        users.change_user(PLANS, ann.id, is_admin=True)
        users.change_user(PLANS, ann.id, is_active=False)
        assert refused(end, admin.id)[1] == "last_admin"

    def test_one_whom_nobody_can_log_in_as_does_not_count(self, ann, admin, end):
        registration.create_user(PLANS, "new@x.org", actor="cli", is_admin=True)
        assert refused(end, admin.id)[1] == "last_admin"

    def test_one_of_two_may_go(self, ann, admin, end):
        users.change_user(PLANS, ann.id, is_admin=True)
        end(admin.id)
        assert refused(end, ann.id)[1] == "last_admin"

    def test_all_at_once_leave_one(self, storage, end):
        ids = [
            registration.create_user(
                PLANS, f"a{number}@x.org", actor="cli", password_hash=HASH, is_admin=True
            ).id
            for number in range(20)
        ]
        came = at_once(storage, 20, lambda number: end(ids[number]) and None)
        assert sorted(map(str, came)) == ["None"] * 19 + ["last_admin"]


class TestDeleting:
    def test_forgets_who_it_was(self, ann, tmp_path):
        users.delete_user(ann.id)
        row = User.get_by_id(ann.id)
        assert (row.email, row.name, row.password_hash) == (f"deleted:{ann.id}", "", "!")
        assert (row.is_admin, row.is_active, row.session_version) == (False, False, 2)
        assert row.deleted_at <= now()

    def test_the_address_stays_nowhere(self, ann, admin, place):
        _, code = invites.create_invite(PLANS, actor="cli", email="bob@example.com")
        bob = register("bob@example.com", invite=code)
        users.change_user(PLANS, bob.id, is_admin=True)
        create_key(bob, "bob's own")
        credits.change(ann.id, Decimal(1), "top_up", "hello", "bob@example.com")
        invites.create_invite(PLANS, actor="bob@example.com")
        pending, _ = invites.create_invite(PLANS, actor="cli", email="eve@example.com")
        users.delete_user(bob.id)
        everything = place.dump()
        assert "bob" not in everything
        assert f"'user:{bob.id}'" in everything
        assert invites.list_invites(limit=9)[0].email == pending.email == "eve@example.com"

    def test_revokes_the_keys(self, ann, admin):
        for user in (ann, ann, admin):
            create_key(user, "k")
        users.delete_user(ann.id)
        rows = ApiKey.select().order_by(ApiKey.id)
        states = [(key.user_id, key.is_active, key.revoked_at is None) for key in rows]
        assert states == [(ann.id, False, False)] * 2 + [(admin.id, True, True)]

    def test_a_deleted_user_is_nowhere(self, ann):
        users.delete_user(ann.id)
        assert users.list_users() == []
        assert users.find_by_email(f"deleted:{ann.id}") is None
        gone = [
            (users.find_user, ann.id),
            (users.rename, ann.id, "x"),
            (sign_in.set_password, ann.id, "x"),
            (users.change_user, PLANS, ann.id),
            (credits.change, ann.id, 1, "top_up", "x", "cli"),
            (credits.list_entries, ann.id),
            (users.delete_user, ann.id),
        ]
        assert [refused(*work)[:2] for work in gone] == [(404, "user_not_found")] * len(gone)

    def test_what_was_kept_of_a_deleted_users_conversations_goes(self, ann, admin):
        for user in (ann, admin):
            stored = StoredResponse.create(
                response_id="resp_1", user_id=user.id, provider="p", model="m", expires_at=now()
            )
            StoredItem.create(item_id="msg_1", user_id=user.id, stored_id=stored.id)
            StoredEvents.create(stored_id=stored.id, first_number=0, last_number=1, data="x")
            Resource.create(
                resource_id=f"file-{user.id}", provider="p", kind="files", user_id=user.id, key_id=1
            )
        users.delete_user(ann.id)
        assert [row.user_id for row in StoredResponse.select()] == [admin.id]
        assert [row.user_id for row in StoredItem.select()] == [admin.id]
        assert [row.user_id for row in Resource.select()] == [admin.id]
        assert [row.stored_id for row in StoredEvents.select()] == [stored.id]

    def test_the_first_administrators_address_is_nobody_elses(self):
        first = registration.create_administrator()
        assert refused(register, registration.ADMIN_EMAIL)[1] == "email_taken"
        registration.create_user(PLANS, "a@x.org", actor="cli", password_hash=HASH, is_admin=True)
        users.delete_user(first.id)
        assert refused(register, registration.ADMIN_EMAIL)[1] == "email_taken"

    def test_the_address_is_free_again_for_somebody_else(self, ann):
        users.delete_user(ann.id)
        again = register("ann@example.com")
        assert again.id != ann.id
        assert again.credits == Decimal(5)
