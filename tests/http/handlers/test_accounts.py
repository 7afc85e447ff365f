"""`/auth/*`: registering, logging in, and what people do with their own account."""

import io
import json

import bcrypt
import orjson
import pytest

from tornado_router.accounts import invites, passwords
from tornado_router.accounts.keys import create_key
from tornado_router.accounts.users import change_user
from tornado_router.config.options import LogOptions
from tornado_router.errors import ApiError
from tornado_router.limits.kinds import KINDS
from tornado_router.limits.limiter import LimiterAwayError
from tornado_router.observability.log import AccessLog
from tornado_router.storage.tables import ApiKey, CreditEntry, User

EMAIL, PASSWORD = "ann@example.com", "correct horse 7 battery"
ANN = {"email": EMAIL, "password": PASSWORD}
ROUTER_TOML = """
[auth]
bcrypt_rounds = 4
registration = "{registration}"
attempts_per_account = {per_account}
attempts_per_address = {per_address}
[plans.free]
credits = 5
[plans.pro]
[providers.echo]
type = "echo"
models = ["echo"]
"""
USER = {
    "object": "user",
    "id": 1,
    "email": EMAIL,
    "name": "",
    "plan": "free",
    "credits": "5",
    "spent": "0",
    "is_admin": False,
    "is_active": True,
}


@pytest.fixture
def auth():
    """What a test module or class has otherwise."""
    return {}


@pytest.fixture
def app_files(auth):
    options = {"registration": "open", "per_account": 1000, "per_address": 1000} | auth
    return {"router.toml": ROUTER_TOML.format(**options)}


@pytest.fixture
def ask(http_client, base_url):
    async def ask(method, path, body=None, token=None, **headers):
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        answer = await http_client.fetch(
            base_url + path,
            method=method,
            headers=headers,
            body=orjson.dumps(body) if isinstance(body, dict) else body,
            raise_error=False,
            allow_nonstandard_methods=True,
        )
        assert answer.headers["Cache-Control"] == "no-store"
        assert PASSWORD.encode() not in answer.body
        return answer

    return ask


@pytest.fixture
def register(ask):
    async def register(**more):
        return await ask("POST", "/auth/register", ANN | more)

    return register


@pytest.fixture
def token(register):
    """A log-in of Ann's, who has just registered."""

    async def token(**more):
        answer = await register(**more)
        assert answer.code == 201, answer.body
        return orjson.loads(answer.body)["token"]

    return token


@pytest.fixture
def works(ask):
    async def works(token):
        return (await ask("GET", "/auth/profile", token=token)).code == 200

    return works


def error(answer):
    told = orjson.loads(answer.body)["error"]
    return answer.code, told["code"], told["param"]


def users(app):
    return app.storage.call(lambda: list(User.select().order_by(User.id).dicts()))


class TestRegister:
    @pytest.mark.gen_test
    async def test_makes_an_account_and_logs_in(self, register, works, app):
        answer = await register(name="Ann", email=" Ann@Example.com")
        assert answer.code == 201
        body = orjson.loads(answer.body)
        created = body["user"].pop("created_at")
        assert 0 <= body["expires_at"] - created - 24 * 3600 <= 20
        assert body["user"] == USER | {"name": "Ann"}
        assert (set(body), body["token_type"]) == (
            {"user", "token", "token_type", "expires_at"},
            "Bearer",
        )
        assert await works(body["token"])
        (row,) = users(app)
        assert row["password_hash"].startswith("$2b$04$")
        entries = app.storage.call(lambda: list(CreditEntry.select().dicts()))
        assert [(entry["kind"], entry["actor"]) for entry in entries] == [("plan", "registration")]

    @pytest.mark.gen_test
    async def test_an_address_has_one_account(self, register, app):
        assert (await register()).code == 201
        for email in (EMAIL, EMAIL.upper(), f"  {EMAIL} "):
            assert error(await register(email=email)) == (409, "email_taken", "email")
        assert len(users(app)) == 1

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("is_admin", True), ("credits", 1e9), ("plan", "pro"), ("id", 7), ("spent", -5)),
            *(
                ("is_active", True),
                ("password_hash", "x"),
                ("session_version", 9),
                ("role", "admin"),
            ),
            *(
                ("Email", "x@y.z"),
                ("email ", "x@y.z"),
                ("em\u0430il", "x@y.z"),
                ("user", {"id": 1}),
            ),
        ],
    )
    @pytest.mark.gen_test
    async def test_nothing_else_can_be_set(self, register, app, field, value):
        assert error(await register(**{field: value})) == (400, "unknown_parameter", field)
        assert users(app) == []

    @pytest.mark.parametrize(
        ("change", "code", "param"),
        [
            ({"email": None}, "invalid_type", "email"),
            ({"email": ["a@b.c"]}, "invalid_type", "email"),
            ({"email": 5}, "invalid_type", "email"),
            ({"email": ""}, "invalid_value", "email"),
            ({"email": "ann"}, "invalid_value", "email"),
            ({"email": "a@b.c\r\nBcc: d@e.f"}, "invalid_value", "email"),
            ({"email": "a@" + "b" * 10_000}, "invalid_value", "email"),
            ({"email": "deleted:1"}, "invalid_value", "email"),
            ({"password": None}, "invalid_type", "password"),
            ({"password": {"$ne": ""}}, "invalid_type", "password"),
            ({"password": ""}, "weak_password", "password"),
            ({"password": "x7#kfm2!q"}, "weak_password", "password"),
            ({"password": "password123!"}, "weak_password", "password"),
            ({"password": EMAIL}, "weak_password", "password"),
            ({"password": "é" * 37}, "password_too_long", "password"),
            ({"password": "x7#k" * 10_000}, "password_too_long", "password"),
            ({"password": "x7#kfm2!qz\0"}, "invalid_value", "password"),
            ({"name": 5}, "invalid_type", "name"),
            ({"name": "a\r\nX-Admin: yes"}, "invalid_value", "name"),
            ({"name": "x" * 101}, "string_above_max_length", "name"),
            ({"invite": 5}, "invalid_type", "invite"),
        ],
        ids=repr,
    )
    @pytest.mark.gen_test
    async def test_what_cannot_be_used(self, register, app, change, code, param):
        assert error(await register(**change)) == (400, code, param)
        assert users(app) == []

    @pytest.mark.gen_test
    async def test_null_is_not_given(self, register, app):
        assert (await register(name=None, invite=None)).code == 201
        assert users(app)[0]["name"] == ""

    @pytest.mark.gen_test
    async def test_a_name_is_kept_as_it_is(self, register, app):
        name = "Robert'); DROP TABLE users;--"
        assert (await register(name=name)).code == 201
        assert users(app)[0]["name"] == name

    @pytest.mark.gen_test
    async def test_a_taken_address_costs_no_hash(self, register, monkeypatch):
        await register()
        monkeypatch.setattr(passwords.bcrypt, "hashpw", None)
        assert (await register()).code == 409


@pytest.mark.parametrize("auth", [{"registration": "closed"}])
class TestClosed:
    @pytest.mark.gen_test
    async def test_nobody_gets_in(self, register, app, monkeypatch):
        monkeypatch.setattr(passwords.bcrypt, "hashpw", None)
        for more in ({}, {"invite": "x"}, {"password": "weak"}):
            assert error(await register(**more)) == (403, "registration_closed", None)
        assert users(app) == []


@pytest.mark.parametrize("auth", [{"registration": "invite"}])
class TestInvite:
    @pytest.mark.gen_test
    async def test_its_code_is_needed_and_is_good_once(self, register, app, monkeypatch):
        _, code = app.storage.call(
            lambda: invites.create_invite(app.services.serving.plans, actor="cli", plan="pro")
        )
        with monkeypatch.context() as patch:
            patch.setattr(passwords.bcrypt, "hashpw", None)
            assert error(await register()) == (403, "invite_required", "invite")
            assert error(await register(invite="")) == (403, "invite_required", "invite")
            assert error(await register(invite="x")) == (403, "invalid_invite", "invite")
        body = orjson.loads((await register(invite=code)).body)
        assert (body["user"]["plan"], body["user"]["credits"]) == ("pro", None)
        again = await register(invite=code, email="eve@example.com")
        assert error(again) == (403, "invalid_invite", "invite")


class TestLogIn:
    @pytest.mark.gen_test
    async def test_gives_a_token(self, ask, token, works):
        await token()
        answer = await ask("POST", "/auth/login", ANN | {"email": " ANN@example.com"})
        body = orjson.loads(answer.body)
        assert answer.code == 200
        assert body["user"]["email"] == EMAIL
        assert await works(body["token"])

    @pytest.mark.gen_test
    async def test_every_failure_is_the_same(self, ask, register, app):
        await register()
        await register(email="off@example.com")
        app.storage.call(lambda: change_user(app.services.serving.plans, 2, is_active=False))
        tries = [
            ANN | {"password": "wrong"},
            ANN | {"password": ""},
            ANN | {"password": PASSWORD + "\0"},
            ANN | {"password": PASSWORD + "x" * 100},
            ANN | {"password": "' OR '1'='1"},
            ANN | {"email": "eve@example.com"},
            ANN | {"email": "off@example.com"},
            ANN | {"email": "admin@localhost", "password": "!"},
        ]
        answers = [await ask("POST", "/auth/login", body) for body in tries]
        assert {answer.code for answer in answers} == {401}
        assert len({answer.body for answer in answers}) == 1
        assert error(answers[0]) == (401, "invalid_credentials", None)
        fixed = ("Content-Type", "Content-Length", "Www-Authenticate", "Cache-Control")
        assert len({tuple(answer.headers[name] for name in fixed) for answer in answers}) == 1

    @pytest.mark.gen_test
    async def test_every_failure_is_the_same_work(self, ask, register, app, monkeypatch):
        await register()
        await register(email="off@example.com")
        app.storage.call(lambda: change_user(app.services.serving.plans, 2, is_active=False))
        await ask("POST", "/auth/login", ANN | {"email": "nobody@example.com"})
        real, work = bcrypt.checkpw, []

        def counted(password, against):
            work.append(against[:7])
            return real(password, against)

        monkeypatch.setattr(passwords.bcrypt, "checkpw", counted)
        monkeypatch.setattr(passwords.bcrypt, "hashpw", None)
        for email in (EMAIL, "off@example.com", "eve@example.com", "admin@localhost"):
            for password in ("wrong", "", "x" * 5000):
                work.clear()
                await ask("POST", "/auth/login", {"email": email, "password": password})
                assert work == [b"$2b$04$"], email

    @pytest.mark.parametrize(
        ("body", "code", "param"),
        [
            (b"", "invalid_json", None),
            (b'{"email": "a@b.c", "email": "d@e.f", "password": "x"}', "duplicate_key", None),
            (b'{"password": "x"}', "missing_required_parameter", "email"),
            (b'{"email": "a@b.c"}', "missing_required_parameter", "password"),
            (b'{"email": {"$ne": 1}, "password": {"$ne": 1}}', "invalid_type", "email"),
            (b'{"email": "a@b.c", "password": 1}', "invalid_type", "password"),
            (b'{"email": "a@b.c", "password": "x", "otp": "1"}', "unknown_parameter", "otp"),
            (b'{"email": "no address", "password": "x"}', "invalid_value", "email"),
        ],
    )
    @pytest.mark.gen_test
    async def test_a_wrong_body(self, ask, body, code, param):
        assert error(await ask("POST", "/auth/login", body)) == (400, code, param)

    @pytest.mark.gen_test
    async def test_an_older_hash_is_made_anew(self, ask, token, app):
        first = await token()
        better = passwords.Passwords(5)
        app.services.serving.accounts._passwords = better
        assert (await ask("POST", "/auth/login", ANN)).code == 200
        assert users(app)[0]["password_hash"].startswith("$2b$05$")
        assert (await ask("GET", "/auth/profile", token=first)).code == 200


class TestThrottle:
    @pytest.mark.parametrize("auth", [{"per_account": 3}])
    @pytest.mark.gen_test
    async def test_by_account(self, ask, token, app, monkeypatch, auth):
        signed_in = await token()
        wrong = ANN | {"password": "wrong"}
        codes = [(await ask("POST", "/auth/login", wrong)).code for _ in range(3)]
        assert codes == [401] * 3
        monkeypatch.setattr(passwords.bcrypt, "checkpw", None)
        for body in (wrong, ANN, ANN | {"email": f" {EMAIL.upper()} "}):
            answer = await ask("POST", "/auth/login", body)
            assert error(answer) == (429, "rate_limit_exceeded", None)
            assert orjson.loads(answer.body)["error"]["type"] == "requests"
            assert 1 <= int(answer.headers["Retry-After"]) <= 20
            assert 1 <= int(answer.headers["Retry-After-Ms"]) <= 20_000
        monkeypatch.undo()
        # Nor can the password be guessed by whoever has the token; but its owner is not locked out.
        change = {"current_password": "wrong", "new_password": "another good 1"}
        for _ in range(3):
            assert (await ask("POST", "/auth/password", change, signed_in)).code == 400
        assert (await ask("POST", "/auth/password", change, signed_in)).code == 429
        gone = await ask("DELETE", "/auth/profile", {"password": "wrong"}, signed_in)
        assert gone.code == 429
        eve = await ask("POST", "/auth/login", ANN | {"email": "eve@example.com"})
        assert eve.code == 401

    @pytest.mark.parametrize("auth", [{"per_address": 3}])
    @pytest.mark.gen_test
    async def test_by_address(self, ask, register, app, monkeypatch, auth):
        monkeypatch.setattr(passwords.bcrypt, "checkpw", lambda *_: False)
        for number in range(3):
            body = ANN | {"email": f"u{number}@example.com"}
            assert (await ask("POST", "/auth/login", body)).code == 401
        headers = {"X-Forwarded-For": "1.2.3.4", "X-Real-Ip": "1.2.3.4"}
        body = ANN | {"email": "u9@example.com"}
        answer = await ask("POST", "/auth/login", body, **headers)
        assert error(answer) == (429, "rate_limit_exceeded", None)
        assert error(await register())[:2] == (429, "rate_limit_exceeded")
        assert users(app) == []

    @pytest.mark.parametrize("auth", [{"per_address": 3}])
    @pytest.mark.parametrize("path", ["/auth/login", "/auth/register"])
    @pytest.mark.gen_test
    async def test_what_cannot_be_read_counts_too(self, ask, path, auth):
        for status in (400, 400, 400, 429):
            assert (await ask("POST", path, {"k": 1})).code == status

    @pytest.mark.gen_test
    async def test_nobody_logs_in_where_nobody_counts(self, ask, register, app, monkeypatch):
        async def away(demand):
            raise LimiterAwayError

        monkeypatch.setattr(app.services.accounts.limiter, "admit", away)
        for answer in (await ask("POST", "/auth/login", ANN), await register()):
            assert error(answer) == (503, "limits_unavailable", None)
            assert answer.headers["Retry-After"] == "1"

    @pytest.mark.gen_test
    async def test_nothing_stays_in_flight(self, ask, token, app):
        await token()
        for body in (ANN, ANN | {"password": "wrong"}):
            await ask("POST", "/auth/login", body)
        holders = app.services.accounts.limiter._holders
        assert {name.partition(":")[0] for name in holders} == {"network", "sign_in"}
        assert EMAIL not in str(list(holders))
        running = [kind.name for kind in KINDS].index("in_flight")
        assert [holder.levels[running] for holder in holders.values()] == [0, 0, 0]


class TestProfile:
    @pytest.mark.gen_test
    async def test_is_shown(self, ask, token):
        answer = await ask("GET", "/auth/profile", token=await token())
        body = orjson.loads(answer.body)
        assert isinstance(body.pop("created_at"), int)
        assert body == USER

    @pytest.mark.gen_test
    async def test_can_be_renamed(self, ask, token):
        signed_in = await token()
        answer = await ask("PATCH", "/auth/profile", {"name": " Ann Lee "}, signed_in)
        assert orjson.loads(answer.body)["name"] == "Ann Lee"
        answer = await ask("PATCH", "/auth/profile", {}, signed_in)
        assert orjson.loads(answer.body)["name"] == "Ann Lee"

    @pytest.mark.parametrize(
        ("body", "code", "param"),
        [
            ({"is_admin": True}, "unknown_parameter", "is_admin"),
            ({"name": "x", "credits": "1000"}, "unknown_parameter", "credits"),
            ({"plan": "pro"}, "unknown_parameter", "plan"),
            ({"email": "eve@example.com"}, "unknown_parameter", "email"),
            ({"name": None}, "invalid_type", "name"),
            ({"name": "\x1b[31m"}, "invalid_value", "name"),
            ({"name": "x" * 50_000}, "string_above_max_length", "name"),
        ],
    )
    @pytest.mark.gen_test
    async def test_nothing_else_can_be_changed(self, ask, token, app, body, code, param):
        signed_in = await token()
        before = users(app)
        assert error(await ask("PATCH", "/auth/profile", body, signed_in)) == (400, code, param)
        assert users(app) == before


class TestPassword:
    CHANGE = {"current_password": PASSWORD, "new_password": "another good 1"}  # noqa: RUF012

    @pytest.mark.gen_test
    async def test_a_change_ends_every_other_log_in(self, ask, token, works):
        first = await token()
        second = orjson.loads((await ask("POST", "/auth/login", ANN)).body)["token"]
        answer = await ask("POST", "/auth/password", self.CHANGE, second)
        assert answer.code == 200
        fresh = orjson.loads(answer.body)["token"]
        assert [await works(one) for one in (first, second, fresh)] == [False, False, True]
        assert (await ask("POST", "/auth/login", ANN)).code == 401
        changed = ANN | {"password": "another good 1"}
        assert (await ask("POST", "/auth/login", changed)).code == 200

    @pytest.mark.parametrize(
        ("change", "status", "code", "param"),
        [
            ({"current_password": "wrong"}, 400, "invalid_credentials", "current_password"),
            ({"new_password": "short"}, 400, "weak_password", "new_password"),
            ({"new_password": "ann@example.com"}, 400, "weak_password", "new_password"),
            ({"new_password": "x7#k" * 19}, 400, "password_too_long", "new_password"),
            ({"new_password": None}, 400, "invalid_type", "new_password"),
            ({"is_admin": True}, 400, "unknown_parameter", "is_admin"),
        ],
    )
    @pytest.mark.gen_test
    async def test_a_refused_change_changes_nothing(
        self, ask, token, works, change, status, code, param
    ):
        signed_in = await token()
        answer = await ask("POST", "/auth/password", self.CHANGE | change, signed_in)
        assert error(answer) == (status, code, param)
        assert await works(signed_in)
        assert (await ask("POST", "/auth/login", ANN)).code == 200


class TestLogOut:
    @pytest.mark.parametrize("body", [None, b"", b"{}"])
    @pytest.mark.gen_test
    async def test_ends_every_log_in(self, ask, token, works, body):
        first = await token()
        second = orjson.loads((await ask("POST", "/auth/login", ANN)).body)["token"]
        answer = await ask("POST", "/auth/logout", body, first)
        assert (answer.code, answer.body) == (204, b"")
        assert [await works(one) for one in (first, second)] == [False, False]

    @pytest.mark.gen_test
    async def test_takes_no_body(self, ask, token, works):
        signed_in = await token()
        answer = await ask("POST", "/auth/logout", {"user_id": 2}, signed_in)
        assert error(answer) == (400, "unknown_parameter", "user_id")
        assert await works(signed_in)


class TestDelete:
    @pytest.mark.gen_test
    async def test_takes_the_keys_along(self, ask, token, works, register, app):
        signed_in = await token()
        key = app.storage.call(lambda: create_key(User.get(), "laptop"))
        authenticator = app.services.authenticator
        assert (await authenticator.authenticate(f"Bearer {key}")).name == "laptop"
        gone = await ask("DELETE", "/auth/profile", {"password": PASSWORD}, signed_in)
        assert (gone.code, gone.body) == (204, b"")
        assert not await works(signed_in)
        # At once, as the change was published: not when the cache has run out.
        with pytest.raises(ApiError):
            await authenticator.authenticate(f"Bearer {key}")
        (row,) = users(app)
        assert (row["email"], row["is_active"]) == ("deleted:1", False)
        assert app.storage.call(lambda: ApiKey.get().revoked_at) is not None
        assert (await ask("POST", "/auth/login", ANN)).code == 401
        again = orjson.loads((await register()).body)
        assert again["user"]["id"] == 2

    @pytest.mark.gen_test
    async def test_the_password_is_asked_for(self, ask, token, works):
        signed_in = await token()
        answer = await ask("DELETE", "/auth/profile", {"password": "wrong"}, signed_in)
        assert error(answer) == (400, "invalid_credentials", "password")
        answer = await ask("DELETE", "/auth/profile", b"", signed_in)
        assert error(answer) == (400, "invalid_json", None)
        assert await works(signed_in)

    @pytest.mark.gen_test
    async def test_the_last_administrator_stays(self, ask, token, works, app):
        signed_in = await token()
        app.storage.call(User.update(is_admin=True).execute)
        answer = await ask("DELETE", "/auth/profile", {"password": PASSWORD}, signed_in)
        assert error(answer) == (409, "last_admin", None)
        assert await works(signed_in)


class TestEverywhere:
    PATHS = {  # noqa: RUF012
        "/auth/register": "POST",
        "/auth/login": "POST",
        "/auth/logout": "POST",
        "/auth/password": "POST",
        "/auth/profile": "GET, PATCH, DELETE",
    }

    @pytest.mark.gen_test
    async def test_methods_that_there_are_not(self, ask, token):
        signed_in = await token()
        for path, allowed in self.PATHS.items():
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                if method not in allowed:
                    answer = await ask(method, path, b"{}", signed_in)
                    assert (answer.code, answer.headers["Allow"]) == (405, allowed), (method, path)

    @pytest.mark.gen_test
    async def test_no_query_is_taken(self, ask, token):
        signed_in = await token()
        for path, methods in self.PATHS.items():
            method = methods.partition(",")[0]
            body = None if method == "GET" else ANN
            answer = await ask(method, f"{path}?is_admin=1", body, signed_in)
            assert error(answer) == (400, "unknown_parameter", "is_admin")

    @pytest.mark.gen_test
    async def test_no_secret_is_kept_or_logged(self, ask, token, app, place):
        app.services.access_log.close()
        lines = io.StringIO()
        app.services.access_log = AccessLog(LogOptions(format="json"), lines)
        secret = await token(name='forged\\n{"level":"error"}')
        await ask("POST", "/auth/login", ANN)
        await ask("GET", "/auth/profile", token=secret)
        app.services.access_log.close()
        written = [json.loads(line) for line in lines.getvalue().splitlines()]
        assert [(line["path"], line["status"]) for line in written] == [
            ("/auth/register", 201),
            ("/auth/login", 200),
            ("/auth/profile", 200),
        ]
        dump = place.dump()
        for text in (PASSWORD, secret):
            assert text not in lines.getvalue()
            assert text not in dump
