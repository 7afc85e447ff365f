"""Passwords: which are taken, and bcrypt on threads of its own that do no more than they can."""

import asyncio
import os
import threading
import unicodedata

import bcrypt
import pytest

from tornado_router.accounts import passwords
from tornado_router.accounts.passwords import Passwords, check_password, hash_password
from tornado_router.errors import ApiError

GOOD = "correct horse 7 battery"


def refusal(password, **more):
    with pytest.raises(ApiError) as caught:
        check_password(password, **{"min_length": 10, "email": "ann.lee@example.com"} | more)
    assert caught.value.status == 400
    return caught.value


@pytest.fixture
def make():
    made = []

    def build(*arguments, **more):
        made.append(Passwords(*arguments, **more))
        return made[-1]

    yield build
    for one in made:
        one.close()


class TestCheck:
    @pytest.mark.parametrize(
        "password",
        [
            *(
                GOOD,
                "x7#kfm2!qz",
                "пароль-из-слов",
                "パスワードはひみつですよ",
                "🐎🔋📎✂️ 1234 abcd",
            ),
            *("é" * 3 + "abc" * 22, "a" * 69 + "bcd", "' OR 1=1; --", "<script>alert(1)</script>"),
        ],
    )
    def test_a_good_one_passes(self, password):
        check_password(password, min_length=10, email="ann.lee@example.com")

    @pytest.mark.parametrize(
        ("password", "why"),
        [
            ("", "too short"),
            ("x7#kfm2!q", "too short"),
            ("aaaaaaaaaaaa", "fewer than 4 different"),
            ("121212121212", "fewer than 4 different"),
            ("ann.lee@example.com", "e-mail address"),
            ("ANN.LEE@example.COM", "e-mail address"),
            ("1234567890", "tried first"),
            ("password123", "tried first"),
            ("PassWord2024!", "tried first"),
            ("qwertyuiop", "tried first"),
            ("correcthorsebatterystaple", "tried first"),
            ("iloveyou!!", "tried first"),
        ],
    )
    def test_a_weak_one_is_refused(self, password, why):
        error = refusal(password)
        assert (error.code, error.param) == ("weak_password", "password")
        assert why in error.message
        assert not password or password not in error.message

    def test_the_first_part_of_the_address_is_weak_too(self):
        assert refusal("Elizabeth.Lee", email="elizabeth.lee@x.org").code == "weak_password"

    def test_no_address_is_no_reason(self):
        check_password("x7#kfm2!qz", min_length=10)

    def test_the_param_is_the_field(self):
        error = refusal("short", param="new_password")
        assert error.param == "new_password"
        assert error.message.startswith("'new_password' is too short")

    @pytest.mark.parametrize("password", [GOOD * 4, "é" * 37, "🐎" * 19, "x7#k" * 5_000_000])
    def test_what_bcrypt_would_cut_is_refused(self, password):
        assert refusal(password).code == "password_too_long"

    def test_72_bytes_are_not_too_many(self):
        check_password("abcd" * 18, min_length=10)
        assert refusal("abcd" * 18 + "e").code == "password_too_long"

    @pytest.mark.parametrize("password", [f"{GOOD}\0", f"\0{GOOD}", f"{GOOD}\udcff"])
    def test_what_nobody_can_type_is_refused(self, password):
        error = refusal(password)
        assert (error.code, error.param) == ("invalid_value", "password")

    def test_every_common_one_is_as_it_is_looked_up(self):
        assert len(passwords._COMMON) > 500
        assert all(word == word.casefold() for word in passwords._COMMON)


class TestHash:
    def test_is_bcrypt_with_the_rounds_that_are_asked_for(self):
        made = hash_password(GOOD, 5)
        assert made.startswith("$2b$05$")
        assert bcrypt.checkpw(GOOD.encode(), made.encode())

    def test_is_never_the_same_twice(self):
        assert hash_password(GOOD, 4) != hash_password(GOOD, 4)

    def test_accents_may_be_typed_in_two_ways(self, make):
        made = hash_password(unicodedata.normalize("NFD", "schöne grüße 7"), 4)
        typed = unicodedata.normalize("NFC", "schöne grüße 7")
        assert asyncio.run(make(4).verify(typed, made))


class TestVerify:
    @pytest.mark.parametrize(
        ("typed", "right"),
        [
            (GOOD, True),
            (GOOD.upper(), False),
            (GOOD + " ", False),
            ("", False),
            (GOOD + "\0", False),
            (GOOD + "\udcff", False),
            (GOOD + "x" * 100, False),
        ],
    )
    def test_a_password(self, make, typed, right):
        assert asyncio.run(make(4).verify(typed, hash_password(GOOD, 4))) is right

    def test_nothing_behind_72_bytes_is_ignored(self, make):
        password = "abcd" * 18
        assert not asyncio.run(make(4).verify(password + "x", hash_password(password, 4)))

    @pytest.mark.parametrize("password_hash", [None, passwords.UNUSABLE])
    @pytest.mark.parametrize("typed", ["", GOOD])
    def test_no_hash_has_no_password(self, make, password_hash, typed):
        assert asyncio.run(make(4).verify(typed, password_hash)) is False

    @pytest.mark.parametrize("rounds", [4, 5, 7, 8])
    def test_a_wrong_one_is_the_same_work_whenever_it_was_hashed(self, make, monkeypatch, rounds):
        made, checker = hash_password(GOOD, rounds), make(8)
        asyncio.run(checker.verify(GOOD, None))  # makes the hash of nobody
        work = []
        monkeypatch.setattr(
            passwords.bcrypt,
            "checkpw",
            lambda _, hashed: work.append(2 ** int(hashed.split(b"$")[2])),
        )
        monkeypatch.setattr(passwords, "hash_password", lambda _, rounds: work.append(2**rounds))
        assert not asyncio.run(checker.verify("wrong", made))
        assert sum(work) == 2**8

    @pytest.mark.parametrize("password_hash", [None, passwords.UNUSABLE, "made"])
    @pytest.mark.parametrize("typed", [GOOD, "wrong", GOOD + "\0", "x" * 100_000, "\udcff"])
    def test_it_is_always_the_same_work(self, make, monkeypatch, password_hash, typed):
        made = hash_password(GOOD, 5)
        checker, work = make(5), []
        asyncio.run(checker.verify(typed, None))  # which makes the hash that is nobody's
        real = bcrypt.checkpw

        def counted(password, against):
            work.append(against[:7])
            return real(password, against)

        monkeypatch.setattr(passwords.bcrypt, "checkpw", counted)
        monkeypatch.setattr(passwords.bcrypt, "hashpw", None)
        asyncio.run(checker.verify(typed, made if password_hash == "made" else password_hash))
        assert work == [b"$2b$05$"]

    def test_an_older_hash_is_outdated(self, make):
        made = hash_password(GOOD, 5)
        assert make(6).is_outdated(made)
        assert not make(5).is_outdated(made)
        assert not make(4).is_outdated(made)


class TestThreads:
    def test_the_event_loop_is_not_where_it_runs(self, make, monkeypatch):
        names = []
        monkeypatch.setattr(
            passwords.bcrypt, "checkpw", lambda *_: names.append(threading.current_thread().name)
        )
        asyncio.run(make(4).verify(GOOD, "$2b$04$x"))
        assert names[0].startswith("passwords")

    def test_no_more_at_once_than_processors(self, make):
        assert make(4)._threads._max_workers == os.cpu_count()

    def test_who_finds_no_room_is_told_to_come_back(self, make, monkeypatch):
        gate = threading.Event()
        monkeypatch.setattr(passwords.bcrypt, "checkpw", lambda *_: gate.wait(20))
        checker = make(4, threads=1, waiting=2)

        async def main():
            loop = asyncio.get_running_loop()
            asked = [loop.create_task(checker.verify(GOOD, "$2b$04$x")) for _ in range(5)]
            await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
            gate.set()
            first = await asyncio.gather(*asked, return_exceptions=True)
            return first, await checker.verify(GOOD, "$2b$04$x")

        first, afterwards = asyncio.run(main())
        assert first[:3] == [True] * 3
        for error in first[3:]:
            assert (error.status, error.code, error.type) == (503, "overloaded", "server_error")
            assert error.headers == {"Retry-After": "5"}
        assert afterwards is True

    def test_whoever_goes_away_leaves_the_room(self, make, monkeypatch):
        gate, done = threading.Event(), []

        def slow(*_):
            gate.wait(20)
            done.append(1)
            return True

        monkeypatch.setattr(passwords.bcrypt, "checkpw", slow)
        checker = make(4, threads=1, waiting=2)

        async def main():
            loop = asyncio.get_running_loop()
            asked = [loop.create_task(checker.verify(GOOD, "$2b$04$x")) for _ in range(3)]
            await asyncio.sleep(0)
            for task in asked[1:]:
                task.cancel()
            await asyncio.wait(asked[1:])
            again = [loop.create_task(checker.verify(GOOD, "$2b$04$x")) for _ in range(2)]
            await asyncio.sleep(0)
            gate.set()
            return await asyncio.gather(asked[0], *again)

        assert asyncio.run(main()) == [True] * 3
        assert len(done) == 3
