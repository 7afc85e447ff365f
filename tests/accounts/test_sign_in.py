"""Signing in: every failure is the same, and a change of the password ends sessions."""

import asyncio

import bcrypt
import pytest

from tornado_router.accounts import passwords, registration, sign_in, users
from tornado_router.accounts.passwords import Passwords, hash_password
from tornado_router.errors import ApiError
from tornado_router.storage.tables import User

from .people import HASH, PASSWORD, PLANS, refused

pytestmark = pytest.mark.usefixtures("connection")


class TestLogIn:
    @pytest.fixture
    def log_in(self, storage):
        made = []

        def log_in(email, password, rounds=4):
            checker = Passwords(rounds)
            made.append(checker)
            return asyncio.run(sign_in.authenticate(storage, checker, email, password))

        yield log_in
        for checker in made:
            checker.close()

    def test_with_the_password(self, log_in, ann):
        assert log_in("ANN@example.com ", PASSWORD).id == ann.id

    def test_with_an_address_that_could_not_be_registered_today(self, log_in, ann):
        User.update(email="ann..lee@example.com").where(User.id == ann.id).execute()
        assert log_in("Ann..Lee@example.com", PASSWORD).id == ann.id

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
        registration.create_user(PLANS, "off@example.com", actor="cli", password_hash=HASH).update(
            is_active=False
        ).where(User.email == "off@example.com").execute()
        gone = registration.create_user(PLANS, "gone@example.com", actor="cli", password_hash=HASH)
        users.delete_user(gone.id)
        with pytest.raises(ApiError) as caught:
            log_in(email, password)
        error = caught.value
        assert (error.status, error.code) == (401, "invalid_credentials")
        assert error.message == "Incorrect e-mail address or password."
        assert (error.param, error.headers) == (None, {"WWW-Authenticate": "Bearer"})

    @pytest.mark.parametrize("email", ["ann@example.com", "eve@example.com", "off@example.com"])
    def test_it_is_the_same_work(self, log_in, ann, monkeypatch, email):
        off = registration.create_user(PLANS, "off@example.com", actor="cli", password_hash=HASH)
        users.change_user(PLANS, off.id, is_active=False)
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
            sign_in.set_password(ann.id, newer)
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
        changed = sign_in.change_password(ann, "new hash")
        assert (changed.password_hash, changed.session_version) == ("new hash", 2)

    def test_of_two_changes_at_once_one_holds(self, ann):
        sign_in.change_password(ann, "first")
        assert refused(sign_in.change_password, ann, "second")[:2] == (409, "password_changed")
        assert User.get_by_id(ann.id).password_hash == "first"

    def test_an_administrator_sets_it(self, ann):
        user = sign_in.set_password(ann.id, "new hash")
        assert (user.password_hash, user.session_version) == ("new hash", 2)
        assert refused(sign_in.set_password, 99, "x")[:2] == (404, "user_not_found")

    def test_every_session_is_ended(self, ann):
        assert sign_in.end_sessions(ann.id).session_version == 2
        assert refused(sign_in.end_sessions, 99)[:2] == (404, "user_not_found")
