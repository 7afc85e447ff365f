"""Accounts: made once for each address, changed by who may, paid into exactly, and forgotten."""

import asyncio
import datetime
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.accounts import accounts, passwords
from tornado_router.accounts.keys import create_key
from tornado_router.accounts.passwords import Passwords, hash_password
from tornado_router.accounts.plans import Plans
from tornado_router.config import reader
from tornado_router.config.options import AuthOptions, PlanOptions
from tornado_router.errors import ApiError
from tornado_router.storage.tables import ApiKey, CreditEntry, Invite, Storage, User, now

OPEN = AuthOptions(registration="open")
PASSWORD = "correct horse 7 battery"
HASH = hash_password(PASSWORD, 4)
PLANS = Plans(
    {"free": PlanOptions(credits=5.0), "pro": PlanOptions(credits=0.1), "flat": PlanOptions()},
    "free",
)
INJECTIONS = [
    "' OR 1=1 --",
    "'; DROP TABLE users; --",
    '" OR ""="',
    "%",
    "_",
    "\\",
    "a%' ESCAPE '!",
    "${jndi:ldap://x}",
    "{0.__class__}",
]


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


@pytest.fixture(autouse=True)
def connection(storage):
    """One for the test itself; threads take their own."""
    with storage.database.connection_context():
        yield


@pytest.fixture
def ann():
    return accounts.create_user(PLANS, "ann@example.com", actor="cli", password_hash=HASH)


@pytest.fixture
def admin():
    return accounts.create_user(
        PLANS, "root@example.com", actor="cli", password_hash=HASH, is_admin=True
    )


def refused(work, *arguments, **more):
    """The status, the code and the param of a refusal."""
    with pytest.raises(ApiError) as caught:
        work(*arguments, **more)
    error = caught.value
    return error.status, error.code, error.param


def at_once(storage, count, work):
    """What many threads that begin together come to: results, and the codes of refusals."""
    barrier = threading.Barrier(count)

    def run(number):
        with storage.database.connection_context():
            barrier.wait(20)
            try:
                return work(number)
            except ApiError as error:
                return error.code

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))


def register(email, options=OPEN, **more):
    return accounts.register(options, PLANS, email, HASH, **more)


class TestEmail:
    @pytest.mark.parametrize(
        ("text", "clean"),
        [
            ("ann@example.com", "ann@example.com"),
            ("  Ann.Lee+Tag@Example.COM\t", "ann.lee+tag@example.com"),
            ("admin@localhost", "admin@localhost"),
            ("o'neill@example.com", "o'neill@example.com"),
            ("JOSE\u0301@EXAMPLE.com", "jos\u00e9@example.com"),
            ("\u212aelvin@example.com", "kelvin@example.com"),
            ("用户@例子.广告", "用户@例子.广告"),
            ("a" * 242 + "@example.com", "a" * 242 + "@example.com"),
        ],
    )
    def test_has_one_form(self, text, clean):
        assert accounts.clean_email(text) == clean

    @pytest.mark.parametrize(
        "text",
        [
            *("", " ", "ann", "@", "ann@", "@example.com", "ann@@example.com", "a@b@c"),
            *("ann lee@example.com", "ann@exam ple.com", "ann@-example.com", "ann@example.com."),
            *("ann@example.com\r\nBcc: x@y", "ann\n@example.com", "a\0@example.com"),
            *("Ann <ann@example.com>", '"ann"@example.com', "ann@[127.0.0.1]", "a,b@example.com"),
            *("deleted:7", "deleted:7@example.com", "ann\u200b@example.com"),
            *("ann\u202e@example.com", "ann\u00a0@example.com", "ann@example\u3002com"),
            *("ann@ex\udcffample.com", "a" * 243 + "@example.com", "a@" + "b" * 1_000_000),
        ],
    )
    def test_is_none(self, text):
        assert refused(accounts.clean_email, text) == (400, "invalid_value", "email")

    @given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
    def test_its_form_is_final(self, local, domain):
        try:
            clean = accounts.clean_email(f"{local}@{domain}")
        except ApiError:
            return
        assert accounts.clean_email(clean) == clean


class TestText:
    @pytest.mark.parametrize(
        ("text", "clean"),
        [
            (" Ann Lee ", "Ann Lee"),
            ("Jose\u0301", "Jos\u00e9"),
            ("👩\u200d🚀", "👩\u200d🚀"),
            ("", ""),
            ("<b>&amp;'", "<b>&amp;'"),
        ],
    )
    def test_is_kept(self, text, clean):
        assert accounts.clean_text(text, "name") == clean

    @pytest.mark.parametrize(
        "text",
        ["a\nb", "a\r\nX-Admin: 1", "a\0", "\x1b[2J", "a\u2028b", "a\u202eb", "\u2066", "\udcff"],
    )
    def test_is_not_for_display(self, text):
        assert refused(accounts.clean_text, text, "name") == (400, "invalid_value", "name")

    def test_is_too_long(self):
        assert accounts.clean_text("é" * 100, "name") == "é" * 100
        expected = (400, "string_above_max_length", "name")
        assert refused(accounts.clean_text, "é" * 101, "name") == expected


class TestDollars:
    @pytest.mark.parametrize(
        ("value", "amount"),
        [
            ("12.5", "12.5"),
            ("-0.000000001", "-0.000000001"),
            ("+7", "7"),
            (3, "3"),
            (0.1, "0.1"),
            (1e-9, "0.000000001"),
            (1000000, "1000000"),
            (Decimal("1.50"), "1.50"),
        ],
    )
    def test_are_exact(self, value, amount):
        assert accounts.parse_dollars(value) == Decimal(amount)

    @pytest.mark.parametrize(
        "value",
        [
            *("", " ", "abc", "1e3", "NaN", "Infinity", "-inf", "1,5", "0x10", "1_000", "٣", "$5"),
            *("1.0000000001", "1000000.000000001", "-1000001", "9" * 1000, " 5", "5\n", "."),
            *(1e-10, 1e300, float("nan"), float("inf"), 10**30, Decimal("1e-12")),
        ],
    )
    def test_are_none(self, value):
        assert refused(accounts.parse_dollars, value) == (400, "invalid_value", "amount")


class TestRegistration:
    def test_makes_an_account_with_the_credits_of_its_plan(self):
        user = register(" Ann@Example.com ", name=" Ann ")
        assert (user.email, user.name, user.plan) == ("ann@example.com", "Ann", "free")
        assert (user.credits, user.spent) == (Decimal(5), Decimal(0))
        assert (user.is_admin, user.is_active, user.password_hash) == (False, True, HASH)
        (entry,) = accounts.list_entries(user.id)
        assert (entry.amount, entry.balance) == (Decimal(5), Decimal(5))
        assert (entry.kind, entry.actor, entry.reason) == ("plan", "registration", "the plan free")

    def test_an_address_has_one_account(self):
        register("ann@example.com")
        taken = (409, "email_taken", "email")
        for text in ("ann@example.com", "ANN@example.com", " ann@EXAMPLE.com"):
            assert refused(register, text) == taken
            assert refused(accounts.create_user, PLANS, text, actor="cli") == taken
        assert (User.select().count(), CreditEntry.select().count()) == (1, 1)

    def test_200_at_once_make_one(self, storage):
        came = at_once(storage, 200, lambda _: register("ann@example.com").id)
        assert sorted(map(str, came)) == ["1"] + ["email_taken"] * 199
        assert (User.select().count(), CreditEntry.select().count()) == (1, 1)

    def test_closed(self):
        closed = AuthOptions()
        assert refused(register, "a@b.c", closed) == (403, "registration_closed", None)
        _, code = accounts.create_invite(PLANS, actor="cli")
        assert refused(register, "a@b.c", closed, invite=code)[1] == "registration_closed"

    def test_it_is_all_or_nothing(self, monkeypatch):
        _, code = accounts.create_invite(PLANS, actor="cli")

        def fail(*_):
            raise OSError("the disk is full")

        monkeypatch.setattr(accounts, "_book", fail)
        with pytest.raises(OSError, match="full"):
            register("ann@example.com", invite=code)
        assert not User.select().exists()
        monkeypatch.undo()
        assert register("ann@example.com", invite=code).id

    @pytest.mark.parametrize("text", INJECTIONS)
    def test_a_name_is_only_a_name(self, text):
        assert register("ann@example.com", name=text).name == text
        assert accounts.list_users(search=text)[0].name == text
        assert User.select().count() == 1

    @pytest.mark.parametrize("text", INJECTIONS)
    def test_an_invite_is_only_looked_up(self, text):
        accounts.create_invite(PLANS, actor="cli")
        assert refused(register, "ann@example.com", invite=text)[1] == "invalid_invite"


class TestInvites:
    OPTIONS = AuthOptions(registration="invite")

    def register(self, email="ann@example.com", invite=None):
        return register(email, self.OPTIONS, invite=invite)

    @pytest.mark.parametrize("invite", [None, ""])
    def test_one_is_needed(self, invite):
        assert refused(self.register, invite=invite) == (403, "invite_required", "invite")

    def test_one_lets_one_person_in(self):
        made, code = accounts.create_invite(PLANS, actor="root@example.com", plan="pro")
        user = self.register(invite=code)
        assert (user.plan, user.credits) == ("pro", Decimal("0.1"))
        (invite,) = accounts.list_invites()
        assert (invite.id, invite.used_by_id) == (made.id, user.id)
        assert invite.created_by == "root@example.com"
        assert invite.used_at <= now()
        assert refused(self.register, "eve@example.com", code) == (403, "invalid_invite", "invite")

    def test_only_its_digest_is_kept(self, place):
        _, code = accounts.create_invite(PLANS, actor="cli")
        assert len(code) >= 32
        assert code not in place.dump()

    def test_many_who_use_one_at_once_make_one_account(self, storage):
        _, code = accounts.create_invite(PLANS, actor="cli")
        came = at_once(storage, 50, lambda number: self.register(f"u{number}@x.org", code).id)
        assert sorted(map(str, came)) == ["1"] + ["invalid_invite"] * 49
        assert User.select().count() == 1

    def test_it_ends(self, monkeypatch):
        _, code = accounts.create_invite(PLANS, actor="cli", seconds=60)
        later = now() + datetime.timedelta(seconds=60)
        monkeypatch.setattr(accounts, "now", lambda: later)
        assert refused(self.register, invite=code)[1] == "invalid_invite"

    def test_it_may_be_for_one_address_only(self):
        _, code = accounts.create_invite(PLANS, actor="cli", email="Ann@Example.com")
        assert refused(self.register, "eve@example.com", code)[1] == "invalid_invite"
        assert self.register("ANN@example.com", code).email == "ann@example.com"

    def test_a_refused_registration_does_not_use_it_up(self, ann):
        _, code = accounts.create_invite(PLANS, actor="cli")
        assert refused(self.register, ann.email, code)[1] == "email_taken"
        assert self.register("eve@example.com", code).id

    def test_it_is_good_where_anybody_may_register_too(self):
        _, code = accounts.create_invite(PLANS, actor="cli", plan="pro")
        assert refused(register, "a@b.c", invite="wrong")[1] == "invalid_invite"
        assert register("a@b.c", invite=code).plan == "pro"

    def test_a_revoked_one_is_gone(self):
        made, code = accounts.create_invite(PLANS, actor="cli")
        accounts.revoke_invite(made.id)
        assert refused(self.register, invite=code)[1] == "invalid_invite"
        for number in (made.id, 10**20):
            assert refused(accounts.revoke_invite, number)[:2] == (404, "invite_not_found")

    def test_a_used_one_stays(self):
        made, code = accounts.create_invite(PLANS, actor="cli")
        self.register(invite=code)
        assert refused(accounts.revoke_invite, made.id)[1] == "invite_not_found"
        assert Invite.select().count() == 1

    def test_it_cannot_be_for_what_is_not_there(self):
        make = accounts.create_invite
        assert refused(make, PLANS, actor="cli", plan="gold") == (400, "unknown_plan", "plan")
        assert refused(make, PLANS, actor="cli", email="nope") == (400, "invalid_value", "email")

    def test_a_plan_that_has_gone_meanwhile(self):
        _, code = accounts.create_invite(PLANS, actor="cli", plan="pro")
        plans = Plans({}, "free")
        came = refused(accounts.register, OPEN, plans, "ann@example.com", HASH, invite=code)
        assert came == (403, "invalid_invite", "invite")
        assert accounts.list_invites()[0].used_at is None

    def test_pages(self):
        ids = [accounts.create_invite(PLANS, actor="cli")[0].id for _ in range(5)]
        first = [invite.id for invite in accounts.list_invites(limit=2)]
        assert first == ids[:1:-1]
        assert [one.id for one in accounts.list_invites(limit=2, after=first[1])] == ids[2::-1]


class TestLogIn:
    @pytest.fixture
    def log_in(self, storage):
        made = []

        def log_in(email, password, rounds=4):
            checker = Passwords(rounds)
            made.append(checker)
            return asyncio.run(accounts.authenticate(storage, checker, email, password))

        yield log_in
        for checker in made:
            checker.close()

    def test_with_the_password(self, log_in, ann):
        assert log_in("ANN@example.com ", PASSWORD).id == ann.id

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            ("ann@example.com", "wrong"),
            ("ann@example.com", ""),
            ("ann@example.com", PASSWORD + "\0"),
            ("ann@example.com", PASSWORD * 100),
            ("eve@example.com", PASSWORD),
            ("not an address", PASSWORD),
            ("' OR 1=1 --", "' OR 1=1 --"),
            ("root@example.com", "!"),
            ("root@example.com", ""),
            ("off@example.com", PASSWORD),
            ("deleted:4", PASSWORD),
        ],
    )
    def test_every_failure_is_the_same(self, log_in, ann, admin, email, password):
        accounts.create_user(PLANS, "off@example.com", actor="cli", password_hash=HASH).update(
            is_active=False
        ).where(User.email == "off@example.com").execute()
        gone = accounts.create_user(PLANS, "gone@example.com", actor="cli", password_hash=HASH)
        accounts.delete_account(gone.id)
        with pytest.raises(ApiError) as caught:
            log_in(email, password)
        error = caught.value
        assert (error.status, error.code) == (401, "invalid_credentials")
        assert error.message == "The e-mail address or the password is not right."
        assert (error.param, error.headers) == (None, {"WWW-Authenticate": "Bearer"})

    @pytest.mark.parametrize("email", ["ann@example.com", "eve@example.com", "off@example.com"])
    def test_it_is_the_same_work(self, log_in, ann, monkeypatch, email):
        off = accounts.create_user(PLANS, "off@example.com", actor="cli", password_hash=HASH)
        accounts.set_user(PLANS, off.id, is_active=False)
        monkeypatch.setattr(Passwords, "_no_ones_hash", HASH.encode())
        real, work = bcrypt.checkpw, []

        def counted(password, against):
            work.append(against[:7])
            return real(password, against)

        monkeypatch.setattr(passwords.bcrypt, "checkpw", counted)
        with pytest.raises(ApiError):
            log_in(email, "wrong")
        assert work == [b"$2b$04$"]

    def test_an_older_hash_is_made_anew(self, log_in, ann):
        assert log_in(ann.email, PASSWORD, rounds=5).id == ann.id
        row = User.get_by_id(ann.id)
        assert row.password_hash.startswith("$2b$05$")
        assert row.session_version == ann.session_version
        assert log_in(ann.email, PASSWORD, rounds=5).id == ann.id
        assert User.get_by_id(ann.id).password_hash == row.password_hash

    def test_but_never_over_a_newer_password(self, log_in, ann, monkeypatch):
        newer, real = hash_password("another good 1", 4), Passwords.hash

        async def overtaken(self, password):
            accounts.set_password(ann.id, newer)
            return await real(self, password)

        monkeypatch.setattr(Passwords, "hash", overtaken)
        log_in(ann.email, PASSWORD, rounds=5)
        assert User.get_by_id(ann.id).password_hash == newer

    def test_a_wrong_password_does_not_make_it_anew(self, log_in, ann):
        with pytest.raises(ApiError):
            log_in(ann.email, "wrong", rounds=5)
        assert User.get_by_id(ann.id).password_hash == HASH


class TestPassword:
    def test_a_change_ends_log_ins(self, ann):
        changed = accounts.change_password(ann, "new hash")
        assert (changed.password_hash, changed.session_version) == ("new hash", 2)

    def test_of_two_changes_at_once_one_holds(self, ann):
        accounts.change_password(ann, "first")
        assert refused(accounts.change_password, ann, "second")[:2] == (409, "password_changed")
        assert User.get_by_id(ann.id).password_hash == "first"

    def test_an_administrator_sets_it(self, ann):
        user = accounts.set_password(ann.id, "new hash")
        assert (user.password_hash, user.session_version) == ("new hash", 2)
        assert refused(accounts.set_password, 99, "x")[:2] == (404, "user_not_found")

    def test_log_out_everywhere(self, ann):
        assert accounts.log_out_everywhere(ann.id).session_version == 2
        assert refused(accounts.log_out_everywhere, 99)[:2] == (404, "user_not_found")


class TestUsers:
    def test_the_first_credits_say_who_gave_them(self):
        user = accounts.create_user(PLANS, "a@b.c", actor="root@example.com", plan="pro")
        (entry,) = accounts.list_entries(user.id)
        assert (entry.amount, entry.actor, entry.kind) == (
            Decimal("0.1"),
            "root@example.com",
            "plan",
        )

    def test_a_plan_without_credits_gives_none(self):
        user = accounts.create_user(PLANS, "a@b.c", actor="cli", plan="flat")
        assert (user.credits, accounts.list_entries(user.id)) == (Decimal(0), [])

    def test_what_cannot_be_used(self):
        make = accounts.create_user
        assert refused(make, PLANS, "a@b.c", actor="cli", plan="gold")[1:] == (
            "unknown_plan",
            "plan",
        )
        assert refused(make, PLANS, "a b", actor="cli")[1:] == ("invalid_value", "email")
        assert refused(make, PLANS, "a@b.c", actor="cli", name="a\nb")[2] == "name"

    def test_finding(self, ann):
        assert accounts.find_user(ann.id).email == ann.email
        assert accounts.find_by_email(" ANN@example.com").id == ann.id
        assert accounts.find_by_email("eve@example.com") is None
        assert accounts.find_by_email("'") is None
        for number in (0, -1, 99, 2**31, 2**63, 10**30):
            assert refused(accounts.find_user, number) == (404, "user_not_found", None)

    def test_lists(self, ann, admin):
        for number in range(5):
            accounts.create_user(PLANS, f"u{number}@x.org", actor="cli", name="É", plan="pro")

        def emails(**query):
            return [user.email for user in accounts.list_users(**query)]

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
        user = accounts.rename(ann.id, " Ann ")
        assert user.name == "Ann"
        assert user.updated_at > before
        assert refused(accounts.rename, ann.id, "a\nb")[2] == "name"
        assert refused(accounts.rename, 99, "a")[0] == 404

    def test_setting(self, ann, admin):
        user = accounts.set_user(PLANS, ann.id, name="A", plan="pro", is_admin=True)
        assert (user.name, user.plan, user.is_admin, user.is_active) == ("A", "pro", True, True)
        assert (user.credits, user.session_version) == (Decimal(5), 1)
        assert accounts.set_user(PLANS, ann.id).name == "A"
        assert accounts.set_user(PLANS, ann.id, is_admin=False).is_admin is False
        off = accounts.set_user(PLANS, ann.id, is_active=False)
        assert (off.is_active, off.session_version) == (False, 2)
        assert accounts.set_user(PLANS, ann.id, is_active=True).is_active is True
        expected = (400, "unknown_plan", "plan")
        assert refused(accounts.set_user, PLANS, ann.id, plan="gold") == expected
        assert refused(accounts.set_user, PLANS, 99, name="x")[0] == 404


ENDS = [
    accounts.delete_account,
    lambda user_id: accounts.set_user(PLANS, user_id, is_admin=False),
    lambda user_id: accounts.set_user(PLANS, user_id, is_active=False),
]
"""What makes an administrator none."""


@pytest.mark.parametrize("end", ENDS, ids=["deleted", "demoted", "disabled"])
class TestLastAdministrator:
    def test_stays(self, ann, admin, end):
        assert refused(end, admin.id) == (409, "last_admin", None)
        row = User.get_by_id(admin.id)
        assert (row.is_admin, row.is_active, row.deleted_at) == (True, True, None)

    def test_one_who_is_off_does_not_count(self, ann, admin, end):
        accounts.set_user(PLANS, ann.id, is_admin=True)
        accounts.set_user(PLANS, ann.id, is_active=False)
        assert refused(end, admin.id)[1] == "last_admin"

    def test_one_whom_nobody_can_log_in_as_does_not_count(self, ann, admin, end):
        accounts.create_user(PLANS, "new@x.org", actor="cli", is_admin=True)
        assert refused(end, admin.id)[1] == "last_admin"

    def test_one_of_two_may_go(self, ann, admin, end):
        accounts.set_user(PLANS, ann.id, is_admin=True)
        end(admin.id)
        assert refused(end, ann.id)[1] == "last_admin"

    def test_all_at_once_leave_one(self, storage, end):
        ids = [
            accounts.create_user(
                PLANS, f"a{number}@x.org", actor="cli", password_hash=HASH, is_admin=True
            ).id
            for number in range(20)
        ]
        came = at_once(storage, 20, lambda number: end(ids[number]) and None)
        assert sorted(map(str, came)) == ["None"] * 19 + ["last_admin"]


class TestDeleting:
    def test_forgets_who_it_was(self, ann, tmp_path):
        accounts.delete_account(ann.id)
        row = User.get_by_id(ann.id)
        assert (row.email, row.name, row.password_hash) == (f"deleted:{ann.id}", "", "!")
        assert (row.is_admin, row.is_active, row.session_version) == (False, False, 2)
        assert row.deleted_at <= now()

    def test_the_address_stays_nowhere(self, ann, admin, place):
        _, code = accounts.create_invite(PLANS, actor="cli", email="bob@example.com")
        bob = register("bob@example.com", invite=code)
        accounts.set_user(PLANS, bob.id, is_admin=True)
        create_key(bob, "bob's own")
        accounts.grant(ann.id, Decimal(1), "top_up", "hello", "bob@example.com")
        accounts.create_invite(PLANS, actor="bob@example.com")
        pending, _ = accounts.create_invite(PLANS, actor="cli", email="eve@example.com")
        accounts.delete_account(bob.id)
        everything = place.dump()
        assert "bob" not in everything
        assert f"'user:{bob.id}'" in everything
        assert accounts.list_invites(limit=9)[0].email == pending.email == "eve@example.com"

    def test_revokes_the_keys(self, ann, admin):
        for user in (ann, ann, admin):
            create_key(user, "k")
        accounts.delete_account(ann.id)
        rows = ApiKey.select().order_by(ApiKey.id)
        states = [(key.user_id, key.is_active, key.revoked_at is None) for key in rows]
        assert states == [(ann.id, False, False)] * 2 + [(admin.id, True, True)]

    def test_a_deleted_user_is_nowhere(self, ann):
        accounts.delete_account(ann.id)
        assert accounts.list_users() == []
        assert accounts.find_by_email(f"deleted:{ann.id}") is None
        gone = [
            (accounts.find_user, ann.id),
            (accounts.rename, ann.id, "x"),
            (accounts.set_password, ann.id, "x"),
            (accounts.set_user, PLANS, ann.id),
            (accounts.grant, ann.id, 1, "top_up", "x", "cli"),
            (accounts.list_entries, ann.id),
            (accounts.delete_account, ann.id),
        ]
        assert [refused(*work)[:2] for work in gone] == [(404, "user_not_found")] * len(gone)

    def test_the_first_administrators_address_is_nobody_elses(self):
        first = accounts.create_administrator()
        assert refused(register, accounts.ADMIN_EMAIL)[1] == "email_taken"
        accounts.create_user(PLANS, "a@x.org", actor="cli", password_hash=HASH, is_admin=True)
        accounts.delete_account(first.id)
        assert refused(register, accounts.ADMIN_EMAIL)[1] == "email_taken"

    def test_the_address_is_free_again_for_somebody_else(self, ann):
        accounts.delete_account(ann.id)
        again = register("ann@example.com")
        assert again.id != ann.id
        assert again.credits == Decimal(5)


class TestCredits:
    def test_a_top_up_and_an_adjustment(self, ann):
        first = accounts.grant(ann.id, Decimal("2.5"), "top_up", " paid ", "root@example.com")
        second = accounts.grant(ann.id, Decimal("-7.5"), "adjust", "refund", "cli")
        assert (first.amount, first.balance, first.reason) == (
            Decimal("2.5"),
            Decimal("7.5"),
            "paid",
        )
        assert (second.amount, second.balance) == (Decimal("-7.5"), Decimal(0))
        assert User.get_by_id(ann.id).credits == 0
        told = [(entry.kind, entry.actor) for entry in accounts.list_entries(ann.id)]
        assert told == [("adjust", "cli"), ("top_up", "root@example.com"), ("plan", "cli")]

    def test_never_below_zero(self, ann):
        below = (409, "credits_below_zero", "amount")
        assert (
            refused(accounts.grant, ann.id, Decimal("-5.000000001"), "adjust", "x", "cli") == below
        )
        assert User.get_by_id(ann.id).credits == Decimal(5)
        assert CreditEntry.select().count() == 1

    def test_never_more_than_can_be_counted(self, ann):
        million = Decimal(1_000_000)
        assert refused(accounts.grant, ann.id, million, "top_up", "x", "cli")[:2] == (
            409,
            "credits_above_max",
        )

    @pytest.mark.parametrize(
        ("amount", "kind", "reason", "param"),
        [
            ("0", "adjust", "x", "amount"),
            ("-1", "top_up", "x", "amount"),
            ("0", "top_up", "x", "amount"),
            ("1e-10", "adjust", "x", "amount"),
            ("NaN", "adjust", "x", "amount"),
            ("1", "adjust", " ", "reason"),
            ("1", "adjust", "a\nb", "reason"),
            ("1", "adjust", "x" * 501, "reason"),
        ],
    )
    def test_what_cannot_be_booked(self, ann, amount, kind, reason, param):
        came = refused(accounts.grant, ann.id, Decimal(amount), kind, reason, "cli")
        assert (came[0], came[2]) == (400, param)
        assert CreditEntry.select().count() == 1

    def test_nothing_is_lost_beside_calls_that_are_charged(self, storage, ann):
        """Top-ups, adjustments and what the ledger takes, all at once: the books agree."""
        accounts.grant(ann.id, Decimal(95), "top_up", "x", "cli")
        cent = Decimal("0.01")

        def work(number):
            match number % 3:
                case 0:
                    accounts.grant(ann.id, Decimal("0.3"), "top_up", "x", "cli")
                case 1:
                    accounts.grant(ann.id, Decimal("-0.2"), "adjust", "x", "cli")
                case _:  # as the ledger does
                    User.update(credits=User.credits - cent, spent=User.spent + cent).where(
                        User.id == ann.id
                    ).execute()

        at_once(storage, 90, work)
        row = User.get_by_id(ann.id)
        assert row.credits == Decimal(100) + 30 * Decimal("0.3") - 30 * Decimal("0.2") - 30 * cent
        assert row.spent == 30 * cent
        entries = list(CreditEntry.select().order_by(CreditEntry.id))
        assert sum(entry.amount for entry in entries) == row.credits + row.spent

    def test_what_is_there_is_taken_once(self, storage, ann):
        came = at_once(
            storage,
            40,
            lambda _: accounts.grant(ann.id, Decimal("-0.5"), "adjust", "x", "cli").balance,
        )
        refusals = [one for one in came if one == "credits_below_zero"]
        balances = sorted(one for one in came if one != "credits_below_zero")
        assert len(refusals) == 30
        assert balances == [Decimal(number) / 2 for number in range(10)]
        assert User.get_by_id(ann.id).credits == 0

    def test_pages(self, ann):
        for _ in range(4):
            accounts.grant(ann.id, Decimal(1), "top_up", "x", "cli")
        first = [entry.balance for entry in accounts.list_entries(ann.id, limit=2)]
        assert first == [9, 8, 7]
        after = accounts.list_entries(ann.id, limit=2)[1].id
        assert [one.balance for one in accounts.list_entries(ann.id, 2, after)] == [7, 6, 5]


class TestAdministrator:
    def test_is_made_in_an_empty_database_only(self):
        first, second = accounts.create_administrator(), accounts.create_administrator()
        assert (first.is_admin, first.email, first.plan) == (True, "admin@localhost", "unlimited")
        assert second is None

    def test_is_made_once_by_processes_that_start_at_once(self, place):
        code = (
            "import sys, pathlib; from tornado_router.accounts import accounts;"
            "from tornado_router.storage import tables;"
            "sys.stdin.read(); place = sys.argv[1];"
            "storage = tables.Storage(place if '://' in place else pathlib.Path(place));"
            "print(storage.call(accounts.create_administrator))"
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


class TestConfiguration:
    @pytest.mark.parametrize(
        ("text", "faults"),
        [
            ("", 0),
            ('registration = "invite"', 0),
            ('registration = "open"', 1),
            ('registration = "open"\ndefault_plan = "unlimited"', 0),
            ('registration = "open"\n[plans.free]\nrpm = 5', 0),
            ('registration = "open"\ndefault_plan = "pro"\n[plans.free]\nrpm = 5', 1),
        ],
    )
    def test_nobody_registers_for_an_account_without_limits(self, tmp_path, text, faults):
        path = tmp_path / "router.toml"
        path.write_text(f"[auth]\n{text}\n")
        found = list(accounts.check_registration(reader.load(path, {})))
        assert [fault.where for fault in found] == ["auth.default_plan"] * faults
