"""Accounts as people meet them: one real process, plain HTTP."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
jwt_secret = "${SECRET:-}"
registration = "open"
bcrypt_rounds = 4
attempts_per_account = 1000
attempts_per_address = 1000
[plans.free]
credits = 2.5
[providers.echo]
type = "echo"
models = ["echo"]
"""
ANN = {"email": "ann@example.com", "password": "correct horse 7 battery"}
SECRET = "of-this-test-only-and-long-enough-for-it"


@pytest.fixture
def project(router_project):
    return router_project({"router.toml": ROUTER_TOML})


@pytest.fixture
def router(project):
    return project.serve(SECRET=SECRET)


def ask(router, method, path, body=None, token=None, **headers):
    headers |= {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    raw = json.dumps(body) if isinstance(body, dict) else body
    return router.request(method, path, raw, headers)


def register(router, **more):
    return ask(router, "POST", "/auth/register", ANN | more)


def rows(router, query):
    return router.place.ask(query)


def test_an_account_from_its_first_day_to_its_last(router):
    made = register(router, name="Ann").json
    assert (made["user"]["name"], made["user"]["credits"]) == ("Ann", "2.5")
    assert ask(router, "GET", "/auth/profile", token=made["token"]).json == made["user"]

    new = {"current_password": ANN["password"], "new_password": "a newer one: 42"}
    changed = ask(router, "POST", "/auth/password", new, made["token"])
    assert changed.status == 200
    assert ask(router, "GET", "/auth/profile", token=made["token"]).status == 401
    assert ask(router, "POST", "/auth/login", ANN).error["code"] == "invalid_credentials"

    again = ask(router, "POST", "/auth/login", ANN | {"password": "a newer one: 42"}).json
    assert ask(router, "POST", "/auth/logout", token=again["token"]).status == 204
    assert ask(router, "GET", "/auth/profile", token=changed.json["token"]).status == 401

    last = ask(router, "POST", "/auth/login", ANN | {"password": "a newer one: 42"}).json
    farewell = {"password": "a newer one: 42"}
    assert ask(router, "DELETE", "/auth/profile", farewell, last["token"]).status == 204
    assert ask(router, "GET", "/auth/profile", token=last["token"]).status == 401
    assert register(router).json["user"]["id"] != made["user"]["id"]


def test_200_registrations_at_once_make_one_account(router):
    with ThreadPoolExecutor(200) as threads:
        answers = list(threads.map(lambda _: register(router), range(200)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [201] + [409] * 199
    assert {answer.error["code"] for answer in answers if answer.status == 409} == {"email_taken"}
    assert rows(router, "SELECT COUNT(*) FROM users WHERE NOT is_admin") == [(1,)]
    assert rows(router, "SELECT kind, balance FROM credit_entries") == [("plan", 2_500_000_000)]


def test_a_log_in_outlives_the_process_with_a_secret_only(project, router):
    token = register(router).json["token"]
    router.stop()
    same = project.serve(SECRET=SECRET)
    assert ask(same, "GET", "/auth/profile", token=token).status == 200
    same.stop()
    own = project.serve()
    assert ask(own, "GET", "/auth/profile", token=token).error["code"] == "invalid_token"
    fresh = ask(own, "POST", "/auth/login", ANN).json["token"]
    assert ask(own, "GET", "/auth/profile", token=fresh).status == 200


def test_a_key_and_a_token_do_not_open_each_others_doors(router):
    token = register(router).json["token"]
    assert ask(router, "GET", "/v1/models", token=token).error["code"] == "invalid_api_key"
    assert ask(router, "GET", "/auth/profile", token=router.key).error["code"] == "token_required"
    for method, path in (("GET", "/auth/profile"), ("POST", "/auth/logout")):
        assert ask(router, method, path).status == 401


def test_what_is_written_into_fields_stays_in_them(router):
    attacks = [
        {"name": 'x"}\n{"level": "error", "message": "forged'},
        {"name": "x\r\nSet-Cookie: admin=1"},
        {"email": "a@b.c\r\nSet-Cookie: admin=1"},
        {"email": "a@b.c' OR '1'='1"},
        {"password": "x7#kfm2!qz\r\nSet-Cookie: admin=1\0"},
        {"is_admin": True},
        {"Set-Cookie: admin=1\r\n": 1},
    ]
    for attack in attacks:
        answer = register(router, **attack)
        assert answer.status == 400, attack
        assert "Set-Cookie" not in answer.headers
        assert answer.error["code"] in ("invalid_value", "unknown_parameter")
    sly = "Robert'); DROP TABLE users; --"
    assert register(router, name=sly).json["user"]["name"] == sly
    assert rows(router, "SELECT name FROM users WHERE NOT is_admin") == [(sly,)]
    router.stop()  # which writes the last lines of the log
    told = [line for line in router.log() if line.get("path") == "/auth/register"]
    assert [line["status"] for line in told] == [400] * len(attacks) + [201]
    assert "forged" not in router.stderr


def test_no_password_is_in_any_file(project, router):
    register(router)
    wrong = "a wrong one, but somebody's"
    ask(router, "POST", "/auth/login", ANN | {"password": wrong})
    token = ask(router, "POST", "/auth/login", ANN).json["token"]
    router.stop()
    files = [path for path in project.folder.rglob("*") if path.is_file()]
    assert len(files) >= 3
    for path in files:
        for secret in (ANN["password"], wrong, token):
            assert secret.encode() not in path.read_bytes(), path
