"""Accounts are made once for each address, by those who may, whole or not at all."""

import subprocess
import sys
from decimal import Decimal

import pytest

from tornado_router.accounts import credits, invites, registration, users
from tornado_router.config.options import AuthOptions
from tornado_router.storage.tables import CreditEntry, User

from .people import HASH, INJECTIONS, PLANS, at_once, refused, register

pytestmark = pytest.mark.usefixtures("connection")


class TestRegistration:
    def test_makes_an_account_with_the_credits_of_its_plan(self):
        user = register(" Ann@Example.com ", name=" Ann ")
        assert (user.email, user.name, user.plan) == ("ann@example.com", "Ann", "free")
        assert (user.credits, user.spent) == (Decimal(5), Decimal(0))
        assert (user.is_admin, user.is_active, user.password_hash) == (False, True, HASH)
        (entry,) = credits.list_entries(user.id)
        assert (entry.amount, entry.balance) == (Decimal(5), Decimal(5))
        assert (entry.kind, entry.actor, entry.reason) == ("plan", "registration", "the plan free")

    def test_an_address_has_one_account(self):
        register("ann@example.com")
        taken = (409, "email_taken", "email")
        for text in ("ann@example.com", "ANN@example.com", " ann@EXAMPLE.com"):
            assert refused(register, text) == taken
            assert refused(registration.create_user, PLANS, text, actor="cli") == taken
        assert (User.select().count(), CreditEntry.select().count()) == (1, 1)

    def test_200_at_once_make_one(self, storage):
        came = at_once(storage, 200, lambda _: register("ann@example.com").id)
        assert sorted(map(str, came)) == ["1"] + ["email_taken"] * 199
        assert (User.select().count(), CreditEntry.select().count()) == (1, 1)

    def test_closed(self):
        closed = AuthOptions()
        assert refused(register, "a@b.c", closed) == (403, "registration_closed", None)
        _, code = invites.create_invite(PLANS, actor="cli")
        assert refused(register, "a@b.c", closed, invite=code)[1] == "registration_closed"

    def test_it_is_all_or_nothing(self, monkeypatch):
        _, code = invites.create_invite(PLANS, actor="cli")

        def fail(*_):
            raise OSError("the disk is full")

        monkeypatch.setattr(credits, "book", fail)
        with pytest.raises(OSError, match="full"):
            register("ann@example.com", invite=code)
        assert not User.select().exists()
        monkeypatch.undo()
        assert register("ann@example.com", invite=code).id

    @pytest.mark.parametrize("text", INJECTIONS)
    def test_a_name_is_only_a_name(self, text):
        assert register("ann@example.com", name=text).name == text
        assert users.list_users(search=text)[0].name == text
        assert User.select().count() == 1

    @pytest.mark.parametrize("text", INJECTIONS)
    def test_an_invite_is_only_looked_up(self, text):
        invites.create_invite(PLANS, actor="cli")
        assert refused(register, "ann@example.com", invite=text)[1] == "invalid_invite"


class TestMadeForSomebody:
    def test_the_first_credits_say_who_gave_them(self):
        user = registration.create_user(PLANS, "a@b.c", actor="root@example.com", plan="pro")
        (entry,) = credits.list_entries(user.id)
        assert (entry.amount, entry.actor, entry.kind) == (
            Decimal("0.1"),
            "root@example.com",
            "plan",
        )

    def test_a_plan_without_credits_gives_none(self):
        user = registration.create_user(PLANS, "a@b.c", actor="cli", plan="flat")
        assert (user.credits, credits.list_entries(user.id)) == (Decimal(0), [])

    def test_what_cannot_be_used(self):
        make = registration.create_user
        assert refused(make, PLANS, "a@b.c", actor="cli", plan="gold")[1:] == (
            "unknown_plan",
            "plan",
        )
        assert refused(make, PLANS, "a b", actor="cli")[1:] == ("invalid_value", "email")
        assert refused(make, PLANS, "a@b.c", actor="cli", name="a\nb")[2] == "name"


class TestAdministrator:
    def test_is_made_in_an_empty_database_only(self):
        first, second = registration.create_administrator(), registration.create_administrator()
        assert (first.is_admin, first.email, first.plan) == (True, "admin@localhost", "unlimited")
        assert second is None

    def test_is_made_once_by_processes_that_start_at_once(self, place):
        code = (
            "import sys, pathlib; from tornado_router.accounts import registration;"
            "from tornado_router.storage.storage import Storage;"
            "sys.stdin.read(); place = sys.argv[1];"
            "storage = Storage(place if '://' in place else pathlib.Path(place));"
            "print(storage.call(registration.create_administrator))"
        )
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        command = [sys.executable, "-c", code, place.location]
        starts = [subprocess.Popen(command, **pipes) for _ in range(3)]
        for start in starts:
            start.stdin.close()
        said = [start.stdout.read().strip() for start in starts]
        assert [start.wait() for start in starts] == [0, 0, 0]
        for start in starts:
            start.stdout.close()
        assert sorted(text != "None" for text in said) == [False, False, True]
        assert User.select().count() == 1
