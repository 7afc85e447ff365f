"""Tokens of log-ins: signed, with an end, and dead with the account's session version."""

import base64

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from itsdangerous import URLSafeSerializer, URLSafeTimedSerializer

from tornado_router.accounts.sessions import Sessions, check_secret
from tornado_router.config import reader
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User

SECRET = "a-secret-of-this-test-that-is-long-enough"


class Clock:
    """Time that passes when a test says so."""

    now = 1_700_000_000.5

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def storage(tmp_path_factory, database_server):
    file = tmp_path_factory.mktemp("sessions") / "router.db"
    storage = Storage(database_server.create() if database_server else file)
    yield storage
    storage.close()


@pytest.fixture
def user(storage):
    def make():
        User.delete().execute()
        return User.create(email="ann@example.com", name="Ann", password_hash="!")

    return storage.call(make)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sessions(clock):
    return Sessions(SECRET, 3600, clock)


@pytest.fixture
def find(storage, sessions):
    def find(token):
        found = storage.call(lambda: sessions.find_user(token))
        return found and found.email

    return find


def change(storage, **columns):
    storage.call(User.update(**columns).execute)


class TestToken:
    def test_is_whose_it_was_made_for(self, sessions, find, user):
        assert find(sessions.begin(user).token) == "ann@example.com"

    def test_ends(self, sessions, find, user, clock):
        session = sessions.begin(user)
        assert session.expires_at == 1_700_000_000 + 3600
        clock.now += 3599
        assert find(session.token) == "ann@example.com"
        clock.now += 1
        assert find(session.token) is None

    def test_a_shorter_time_does_not_end_what_was_promised(self, find, user, clock):
        session = Sessions(SECRET, 7200, clock).begin(user)
        clock.now += 3601
        assert find(session.token) == "ann@example.com"

    @pytest.mark.parametrize("columns", [{"session_version": 2}, {"is_active": False}])
    def test_dies_with_the_account(self, sessions, find, user, storage, columns):
        token = sessions.begin(user).token
        change(storage, **columns)
        assert find(token) is None

    def test_of_a_user_who_is_gone(self, sessions, find, user, storage):
        token = sessions.begin(user).token
        storage.call(User.delete().execute)
        assert find(token) is None

    def test_holds_no_secret_and_no_address(self, sessions, user):
        payload, _ = sessions.begin(user).token.split(".")
        decoded = base64.urlsafe_b64decode(payload + "==")
        assert orjson.loads(decoded) == [user.id, 1, 1_700_003_600]

    def test_is_good_on_every_router_with_the_secret(self, find, user, clock):
        assert find(Sessions(SECRET, 60, clock).begin(user).token)
        assert find(Sessions(SECRET + "x", 60, clock).begin(user).token) is None

    def test_without_a_secret_it_ends_with_the_process(self, user, storage):
        one, other = Sessions("", 60), Sessions("", 60)
        token = one.begin(user).token
        assert storage.call(lambda: one.find_user(token)).id == user.id
        assert storage.call(lambda: other.find_user(token)) is None


class TestForgery:
    def test_no_byte_of_it_can_be_changed(self, sessions, find, user):
        token = sessions.begin(user).token
        for place, character in enumerate(token):
            other = "A" if character != "A" else "B"
            forged = token[:place] + other + token[place + 1 :]
            if place == len(token) - 1:
                continue  # the last holds two bits that mean nothing
            assert find(forged) is None, place

    def test_another_purpose_or_another_digest_is_not_enough(self, find, user, clock):
        payload = [user.id, 1, 1_800_000_000]
        salt = "tornado-router.session"
        forged = [
            URLSafeSerializer(SECRET).dumps(payload),
            URLSafeSerializer(SECRET, salt=salt).dumps(payload),  # with SHA-1
            URLSafeTimedSerializer(SECRET, salt=salt).dumps(payload),
            base64.urlsafe_b64encode(orjson.dumps(payload)).decode().rstrip("=") + ".",
        ]
        assert [find(token) for token in forged] == [None] * 4

    @pytest.mark.parametrize("payload", [1, [], [1], [1, 2, 3, 4], {"a": 1}, "x", None])
    def test_a_payload_of_another_form(self, sessions, find, payload):
        assert find(sessions._serializer.dumps(payload)) is None

    def test_of_any_text(self, find):
        @given(st.text())
        @example("a.b")
        @example("." * 1000)
        @example("eyJhbGciOiJub25lIn0.eyJzdWIiOjF9.")
        @example("' OR 1=1 --")
        @example("\udcff")
        def check(token):
            assert find(token) is None

        check()


class TestSecret:
    @pytest.fixture
    def faults(self, tmp_path):
        def faults(secret, host="0.0.0.0", redis=""):
            path = tmp_path / "router.toml"
            path.write_text(
                f'[server]\nhost = "{host}"\n[auth]\njwt_secret = "{secret}"\n'
                f'[redis]\nhost = "{redis}"\n'
            )
            found = list(check_secret(reader.load(path, {})))
            assert all(fault.where == "auth.jwt_secret" for fault in found)
            assert not secret or all(secret not in fault.message for fault in found)
            return [fault.message.partition(";")[0] for fault in found]

        return faults

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
    def test_none_will_do_on_a_loopback_address(self, faults, host):
        assert faults("", host) == []
        assert faults(SECRET, host) == []
        # There may be a proxy before it.
        assert faults("secret", host) == ["must have at least 32 characters"]

    def test_but_routers_that_share_a_redis_must_agree(self, faults):
        assert faults("", "127.0.0.1", "redis.local") == [
            "is needed, as routers that share a Redis must agree on it"
        ]
        assert faults(SECRET, "127.0.0.1", "redis.local") == []

    @pytest.mark.parametrize(
        "host", ["0.0.0.0", "", "::", "192.168.1.1", "example.com", "localhost.example.com"]
    )
    def test_elsewhere_it_is_needed(self, faults, host):
        assert faults("", host) == ["is needed where other machines can connect"]
        assert faults(SECRET, host) == []

    @pytest.mark.parametrize(
        "secret",
        ["secret", "changeme", "CHANGE-ME", "your-secret-key", "Secret", "x" * 31, " " * 40],
    )
    def test_a_default_or_a_short_one(self, faults, secret):
        assert faults(secret) == ["must have at least 32 characters"]

    @pytest.mark.parametrize(
        "secret",
        [
            "your-super-secret-jwt-token-with-at-least-32-characters-long",
            "YOUR_SECRET_KEY_CHANGE_IN_PRODUCTION",
            "Your Super Secret JWT Key Change in Production",
        ],
    )
    def test_a_long_one_that_everybody_knows(self, faults, secret):
        assert faults(secret) == ["is a well-known example"]
