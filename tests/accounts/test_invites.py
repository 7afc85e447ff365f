"""Invites: each lets one person in, for a time."""

import datetime
from decimal import Decimal

import pytest

from tornado_router.accounts import invites, registration
from tornado_router.accounts.plans import Plans
from tornado_router.config.options import AuthOptions
from tornado_router.storage.tables import Invite, User
from tornado_router.storage.values import now

from .people import HASH, OPEN, PLANS, at_once, refused, register

pytestmark = pytest.mark.usefixtures("connection")


class TestInvites:
    OPTIONS = AuthOptions(registration="invite")

    def register(self, email="ann@example.com", invite=None):
        return register(email, self.OPTIONS, invite=invite)

    @pytest.mark.parametrize("invite", [None, ""])
    def test_one_is_needed(self, invite):
        assert refused(self.register, invite=invite) == (403, "invite_required", "invite")

    def test_one_lets_one_person_in(self):
        made, code = invites.create_invite(PLANS, actor="root@example.com", plan="pro")
        user = self.register(invite=code)
        assert (user.plan, user.credits) == ("pro", Decimal("0.1"))
        (invite,) = invites.list_invites()
        assert (invite.id, invite.used_by_id) == (made.id, user.id)
        assert invite.created_by == "root@example.com"
        assert invite.used_at <= now()
        assert refused(self.register, "eve@example.com", code) == (403, "invalid_invite", "invite")

    def test_only_its_digest_is_kept(self, place):
        _, code = invites.create_invite(PLANS, actor="cli")
        assert len(code) >= 32
        assert code not in place.dump()

    def test_many_who_use_one_at_once_make_one_account(self, storage):
        _, code = invites.create_invite(PLANS, actor="cli")
        came = at_once(storage, 50, lambda number: self.register(f"u{number}@x.org", code).id)
        assert sorted(map(str, came)) == ["1"] + ["invalid_invite"] * 49
        assert User.select().count() == 1

    def test_it_ends(self, monkeypatch):
        _, code = invites.create_invite(PLANS, actor="cli", seconds=60)
        later = now() + datetime.timedelta(seconds=60)
        monkeypatch.setattr(invites, "now", lambda: later)
        assert refused(self.register, invite=code)[1] == "invalid_invite"

    def test_it_may_be_for_one_address_only(self):
        _, code = invites.create_invite(PLANS, actor="cli", email="Ann@Example.com")
        assert refused(self.register, "eve@example.com", code)[1] == "invalid_invite"
        assert self.register("ANN@example.com", code).email == "ann@example.com"

    def test_a_refused_registration_does_not_use_it_up(self, ann):
        _, code = invites.create_invite(PLANS, actor="cli")
        assert refused(self.register, ann.email, code)[1] == "email_taken"
        assert self.register("eve@example.com", code).id

    def test_it_is_good_where_anybody_may_register_too(self):
        _, code = invites.create_invite(PLANS, actor="cli", plan="pro")
        assert refused(register, "a@b.c", invite="wrong")[1] == "invalid_invite"
        assert register("a@b.c", invite=code).plan == "pro"

    def test_a_revoked_one_is_gone(self):
        made, code = invites.create_invite(PLANS, actor="cli")
        invites.revoke_invite(made.id)
        assert refused(self.register, invite=code)[1] == "invalid_invite"
        for number in (made.id, 10**20):
            assert refused(invites.revoke_invite, number)[:2] == (404, "invite_not_found")

    def test_a_used_one_stays(self):
        made, code = invites.create_invite(PLANS, actor="cli")
        self.register(invite=code)
        assert refused(invites.revoke_invite, made.id)[1] == "invite_not_found"
        assert Invite.select().count() == 1

    def test_it_cannot_be_for_what_is_not_there(self):
        make = invites.create_invite
        assert refused(make, PLANS, actor="cli", plan="gold") == (400, "unknown_plan", "plan")
        assert refused(make, PLANS, actor="cli", email="nope") == (400, "invalid_value", "email")

    def test_a_plan_that_has_gone_meanwhile(self):
        _, code = invites.create_invite(PLANS, actor="cli", plan="pro")
        plans = Plans({}, "free")
        came = refused(registration.register, OPEN, plans, "ann@example.com", HASH, invite=code)
        assert came == (403, "invalid_invite", "invite")
        assert invites.list_invites()[0].used_at is None

    def test_pages(self):
        ids = [invites.create_invite(PLANS, actor="cli")[0].id for _ in range(5)]
        first = [invite.id for invite in invites.list_invites(limit=2)]
        assert first == ids[:1:-1]
        assert [one.id for one in invites.list_invites(limit=2, after=first[1])] == ids[2::-1]
