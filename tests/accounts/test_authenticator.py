"""API keys: made once, kept as a digest, found by it, and refused soon after they are revoked."""

import asyncio
import hashlib

import pytest

from tornado_router.accounts import authenticator as module
from tornado_router.accounts import unknown_keys
from tornado_router.accounts.authenticator import AT_ONCE, Authenticator
from tornado_router.accounts.digest import digest
from tornado_router.accounts.invalidation import LocalInvalidation
from tornado_router.accounts.keys import create_key
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.registration import create_administrator
from tornado_router.accounts.sessions import Sessions
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import ApiKey, User


class CountingStorage(Storage):
    """Counts what a coroutine asks of it."""

    queries = 0

    async def run(self, work):
        self.queries += 1
        return await super().run(work)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def storage(place):
    storage = CountingStorage(place.location)
    yield storage
    storage.close()


@pytest.fixture
def key(storage):
    return storage.call(lambda: create_key(create_administrator(), "laptop"))


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def authenticating(storage, cache_seconds):
    return Authenticator(storage, Plans({}, "free"), LocalInvalidation(), cache_seconds)


def ask(authenticator, *headers):
    """The answers to requests that come one after the other: a key's name, or a status."""

    async def main():
        answers = []
        for header in headers:
            try:
                answers.append((await authenticator.authenticate(header)).name)
            except ApiError as error:
                answers.append(error.status)
        return answers

    return asyncio.run(main())


def revoke(storage, name="laptop"):
    query = ApiKey.update(is_active=False).where(ApiKey.name == name)
    assert storage.call(query.execute) == 1


class TestKeys:
    def test_are_long_and_never_the_same(self, storage):
        def make():
            user = create_administrator()
            return {create_key(user, "k") for _ in range(20)}

        keys = storage.call(make)
        assert len(keys) == 20
        assert all(key.startswith("sk-tr-") and len(key) >= 49 for key in keys)

    def test_only_the_digest_is_in_the_database(self, storage, key, place):
        (row,) = storage.call(lambda: list(ApiKey.select().dicts()))
        assert row["key_hash"] == hashlib.sha256(key.encode()).hexdigest()
        assert row["prefix"] == key[:12]
        dump = place.dump()
        assert row["key_hash"] in dump
        assert key[12:] not in dump

    def test_a_digest_of_anything(self):
        assert digest("\udcff\u00e9") != digest("?é")


class TestHeader:
    @pytest.mark.parametrize(
        "header",
        ["Bearer {}", "bearer {}", "BEARER {}", "Bearer   {}", "  Bearer {}  ", "Bearer {} \t"],
    )
    def test_forms_that_clients_send(self, storage, key, header):
        assert ask(authenticating(storage, 60), header.format(key)) == ["laptop"]

    @pytest.mark.parametrize(
        "header",
        [
            None,
            "",
            " ",
            "Bearer",
            "Bearer ",
            "bearer   ",
            "{}",
            "Basic {}",
            "Token {}",
            "Bearer:{}",
        ],
    )
    def test_no_key_at_all(self, storage, key, header):
        header = header and header.format(key)
        with pytest.raises(ApiError) as caught:
            asyncio.run(authenticating(storage, 60).authenticate(header))
        error = caught.value
        assert (error.status, error.type, error.code) == (401, "invalid_request_error", None)
        assert error.message.startswith("You didn't provide an API key.")
        assert error.headers == {"WWW-Authenticate": "Bearer"}
        assert storage.queries == 0

    @pytest.mark.parametrize(
        "wrong", ["nope", "sk-tr-", "{}x", "{} x", " {} {}", "\u00e9", "\udcff", "' OR 1=1 --"]
    )
    def test_a_wrong_key(self, storage, key, wrong):
        shown = wrong.format(key, key)
        with pytest.raises(ApiError) as caught:
            asyncio.run(authenticating(storage, 60).authenticate(f"Bearer {shown}"))
        error = caught.value
        assert (error.status, error.code) == (401, "invalid_api_key")
        assert key not in str(error.body())

    @pytest.mark.parametrize("user_id", [1, 2**31])
    def test_a_session_token_is_no_key_and_is_told_so(self, storage, user_id):
        user = User(id=user_id, session_version=1)
        token = Sessions("s" * 32, 60).begin(user).token
        with pytest.raises(ApiError) as caught:
            asyncio.run(authenticating(storage, 60).authenticate(f"Bearer {token}"))
        assert caught.value.code == "invalid_api_key"
        assert "this is a session token" in caught.value.message
        assert token not in str(caught.value.body())

    def test_a_key_of_anthropics_clients(self, storage, key):
        authenticator = authenticating(storage, 60)

        def find(authorization, api_key):
            found = authenticator.authenticate(authorization, api_key=api_key)
            return asyncio.run(found).name

        assert find(None, f" {key} ") == find("Basic x", key) == find("Bearer other", key)
        assert find(f"Bearer {key}", "other") == find(f"Bearer {key}", key) == "laptop"
        with pytest.raises(ApiError) as caught:
            find("Bearer one", "another")
        assert caught.value.code == "invalid_api_key"
        with pytest.raises(ApiError, match="provide an API key"):
            find("Bearer ", " ")

    def test_the_case_of_a_key_counts(self, storage, key):
        assert ask(authenticating(storage, 60), f"Bearer {key.swapcase()}") == [401]

    def test_its_first_characters_are_not_enough(self, storage, key):
        authenticator = authenticating(storage, 60)
        assert ask(authenticator, f"Bearer {key}", f"Bearer {key[:-1]}") == ["laptop", 401]

    def test_whose_key_it_is(self, storage, key):
        found = asyncio.run(authenticating(storage, 60).authenticate(f"Bearer {key}"))
        assert (found.id, found.user_id, found.name) == (1, 1, "laptop")


class TestCache:
    def test_the_database_is_asked_once_a_moment(self, storage, key, clock):
        authenticator = authenticating(storage, 5)
        assert ask(authenticator, *[f"Bearer {key}"] * 10) == ["laptop"] * 10
        assert storage.queries == 1
        clock.now += 5
        assert ask(authenticator, *[f"Bearer {key}"] * 10) == ["laptop"] * 10
        assert storage.queries == 2

    def test_a_revoked_key_works_no_longer_than_the_cache(self, storage, key, clock):
        authenticator = authenticating(storage, 5)
        assert ask(authenticator, f"Bearer {key}") == ["laptop"]
        revoke(storage)
        clock.now += 4.9
        assert ask(authenticator, f"Bearer {key}") == ["laptop"]
        clock.now += 0.1
        assert ask(authenticator, f"Bearer {key}") == [401]

    def test_use_does_not_prolong_it(self, storage, key, clock):
        authenticator = authenticating(storage, 5)
        ask(authenticator, f"Bearer {key}")
        revoke(storage)
        answers = []
        for _ in range(6):
            clock.now += 1
            answers += ask(authenticator, f"Bearer {key}")
        assert answers == ["laptop"] * 4 + [401] * 2

    def test_a_key_that_is_made_after_it_was_refused(self, storage, clock):
        key = storage.call(lambda: create_key(create_administrator(), "laptop"))
        storage.call(ApiKey.update(is_active=False).execute)
        authenticator = authenticating(storage, 5)
        assert ask(authenticator, f"Bearer {key}") == [401]
        storage.call(ApiKey.update(is_active=True).execute)
        clock.now += 5
        assert ask(authenticator, f"Bearer {key}") == ["laptop"]

    def test_zero_seconds_ask_each_time(self, storage, key):
        authenticator = authenticating(storage, 0)
        assert ask(authenticator, f"Bearer {key}") == ["laptop"]
        revoke(storage)
        assert ask(authenticator, f"Bearer {key}") == [401]

    def test_wrong_keys_are_cached_too(self, storage, key):
        authenticator = authenticating(storage, 60)
        assert ask(authenticator, *["Bearer nope"] * 10) == [401] * 10
        assert storage.queries == 1

    def test_keys_do_not_push_each_other_out(self, storage, key):
        other = storage.call(lambda: create_key(User.get(), "phone"))
        authenticator = authenticating(storage, 60)
        asked = ask(authenticator, *[f"Bearer {key}", f"Bearer {other}"] * 3)
        assert asked == ["laptop", "phone"] * 3
        assert storage.queries == 2

    def test_a_flood_of_made_up_keys_takes_no_more_memory(self, storage, key, monkeypatch):
        monkeypatch.setattr(module, "CACHED_KEYS", 10)
        authenticator = authenticating(storage, 60)
        for number in range(35):
            assert ask(authenticator, f"Bearer {number}") == [401]
            assert len(authenticator._unknown) <= 10
        assert authenticator._lookups == {}
        assert ask(authenticator, f"Bearer {key}") == ["laptop"]

    def test_a_flood_of_made_up_keys_pushes_no_real_one_out(self, storage, key, monkeypatch):
        monkeypatch.setattr(module, "CACHED_KEYS", 10)
        authenticator = authenticating(storage, 60)
        assert ask(authenticator, f"Bearer {key}") == ["laptop"]
        ask(authenticator, *(f"Bearer {number}" for number in range(15)))
        queries = storage.queries
        assert ask(authenticator, f"Bearer {key}") == ["laptop"]
        assert storage.queries == queries

    def test_an_unknown_key_that_is_created_is_found(self, storage, clock):
        authenticator = authenticating(storage, 5)
        made = "sk-tr-" + "x" * 43
        assert ask(authenticator, f"Bearer {made}") == [401]
        owner = storage.call(create_administrator)
        storage.call(lambda: ApiKey.create(user=owner, key_hash=digest(made), prefix="", name="n"))
        clock.now += 5
        assert ask(authenticator, f"Bearer {made}") == ["n"]


class TestDatabaseAway:
    """A key that was found keeps working, whatever makes the router look it up anew."""

    @pytest.fixture
    def world(self, storage, key, clock):
        """An authenticator that has found the key, and whose database has gone away since."""

        async def away(work):
            raise Refusal.database_away()

        authenticator = authenticating(storage, 5)
        assert ask(authenticator, f"Bearer {key}") == ["laptop"]
        storage.back, storage.run = storage.run, away
        return authenticator

    def test_after_the_cache_timed_out(self, world, key, clock):
        clock.now += 6
        assert ask(world, f"Bearer {key}") == ["laptop"]

    def test_after_a_reload(self, world, key):
        world.use(Plans({}, "free"))
        assert ask(world, *[f"Bearer {key}"] * 3) == ["laptop"] * 3

    def test_after_redis_came_back(self, world, key):
        world.forget(None)
        world.forget(None)
        assert ask(world, f"Bearer {key}") == ["laptop"]
        assert world.recall(f"Bearer {key}").name == "laptop"

    def test_what_was_believed_is_looked_up_once_the_database_is_back(
        self, world, storage, key, clock
    ):
        world.forget(None)
        assert ask(world, f"Bearer {key}") == ["laptop"]
        storage.run = storage.back
        revoke(storage)
        clock.now += module.AWAY_SECONDS
        assert ask(world, f"Bearer {key}") == [401]

    def test_not_after_a_change_of_its_user(self, world, key):
        world.forget(1)
        assert ask(world, f"Bearer {key}") == [503]

    def test_but_after_a_change_of_another_user(self, world, key, clock):
        world.forget(2)
        clock.now += 6
        assert ask(world, f"Bearer {key}") == ["laptop"]

    def test_not_for_ever(self, world, key, clock):
        world.forget(None)
        clock.now += module.STALE_SECONDS + 1
        assert ask(world, f"Bearer {key}") == [503]

    def test_a_key_that_was_never_found(self, world):
        assert ask(world, "Bearer nope") == [503]


class TestMadeUpKeys:
    """Of one network they are looked up in turn; a real key is found all the same."""

    def test_a_flood_takes_one_query_at_a_time(self, storage, key, monkeypatch):
        monkeypatch.setattr(unknown_keys, "WAITING", 30)
        running, most = 0, 0

        async def main():
            authenticator, run = authenticating(storage, 60), storage.run

            async def counted(work):
                nonlocal running, most
                running += 1
                most = max(most, running)
                try:
                    return await run(work)
                finally:
                    running -= 1

            async def show(header, address):
                try:
                    return (await authenticator.authenticate(header, address)).name
                except ApiError as error:
                    return error.status

            for number in range(unknown_keys.FREE_TRIES):
                assert await show(f"Bearer {number}", "192.0.2.1") == 401
            storage.run = counted
            flood = [show(f"Bearer made-up-{number}", "192.0.2.1") for number in range(50)]
            came = await asyncio.gather(
                *flood[:20], show(f"Bearer {key}", "192.0.2.1"), *flood[20:]
            )
            alone = most
            others = await asyncio.gather(
                *(show(f"Bearer other-{number}", "192.0.2.2") for number in range(5))
            )
            return came, alone, others, await show(f"Bearer {key}", "192.0.2.1")

        came, alone, others, known = asyncio.run(main())
        assert alone == 1
        assert came.pop(20) == "laptop" == known
        assert came == [401] * 30 + [429] * 20
        assert others == [401] * 5

    def test_a_known_key_waits_for_nothing(self, storage, key, clock):
        authenticator = authenticating(storage, 5)
        assert ask(authenticator, f"Bearer {key}") == ["laptop"]

        async def main():
            for number in range(unknown_keys.FREE_TRIES + 1):
                with pytest.raises(ApiError):
                    await authenticator.authenticate(f"Bearer {number}", "192.0.2.1")
            clock.now += 6  # it has to be looked up anew
            await authenticator._throttle._turn.acquire()
            return await authenticator.authenticate(f"Bearer {key}", "192.0.2.1")

        assert asyncio.run(main()).name == "laptop"


class TestAtOnce:
    def test_requests_share_one_query(self, storage, key):
        async def main():
            authenticator = authenticating(storage, 0)
            return await asyncio.gather(
                *(authenticator.authenticate(f"Bearer {key}") for _ in range(50))
            )

        assert {found.name for found in asyncio.run(main())} == {"laptop"}
        assert storage.queries == 1

    def test_a_crowd_that_waited_together_leaves_turns_to_others(self, storage, key):
        async def main():
            authenticator, went_on = authenticating(storage, 0), [0]

            async def ask():
                await authenticator.authenticate(f"Bearer {key}")
                went_on[-1] += 1

            crowd = asyncio.gather(*(ask() for _ in range(10 * AT_ONCE)))
            while not crowd.done():
                went_on.append(0)
                await asyncio.sleep(0)
            await crowd
            return went_on

        went_on = asyncio.run(main())
        assert sum(went_on) == 10 * AT_ONCE
        assert max(went_on) <= AT_ONCE + 1  # the one that asked, too

    def test_a_client_that_goes_away_spoils_nobody_elses_query(self, storage, key):
        async def main():
            authenticator = authenticating(storage, 60)
            first, second = (
                asyncio.get_running_loop().create_task(authenticator.authenticate(f"Bearer {key}"))
                for _ in range(2)
            )
            await asyncio.sleep(0)
            first.cancel()
            return await asyncio.gather(first, second, return_exceptions=True)

        gone, found = asyncio.run(main())
        assert isinstance(gone, asyncio.CancelledError)
        assert found.name == "laptop"
        assert storage.queries == 1

    def test_a_database_that_fails_is_asked_again(self, storage, key):
        async def main():
            authenticator, run = authenticating(storage, 60), storage.run

            async def fail(work):
                raise OSError("the disk is gone")

            storage.run = fail
            with pytest.raises(OSError, match="gone"):
                await authenticator.authenticate(f"Bearer {key}")
            storage.run = run
            return await authenticator.authenticate(f"Bearer {key}")

        assert asyncio.run(main()).name == "laptop"
