"""`/api-keys`: one's own keys alone, each field looked at, and every change heard of."""

import orjson
import pytest

from tornado_router.accounts import registration
from tornado_router.accounts.digest import digest
from tornado_router.accounts.key_lookup import find_key
from tornado_router.accounts.passwords import hash_password
from tornado_router.storage.tables import ApiKey

PASSWORD = "correct horse 7 battery"
ROUTER_TOML = """
[auth]
bcrypt_rounds = 4
attempts_per_account = 1000
attempts_per_address = 1000
[plans.free]
[providers.echo]
type = "echo"
models = ["echo"]
"""
KEY = {
    "object": "api_key",
    "id": 1,
    "user_id": 1,
    "name": "laptop",
    "models": None,
    "endpoints": None,
    "rpm": None,
    "tpm": None,
    "max_in_flight": None,
    "budget": None,
    "budget_period": "month",
    "budget_spent": None,
    "budget_left": None,
    "budget_renews_at": None,
    "is_active": True,
    "log_requests": None,
    "expires_at": None,
    "last_used_at": None,
    "previous_expires_at": None,
}


@pytest.fixture
def app_files():
    return {"router.toml": ROUTER_TOML}


@pytest.fixture
def tokens(app):
    """Of the users 1 and 2, and of the administrator 3."""

    def make():
        users = [
            registration.create_user(
                app.services.serving.plans,
                email,
                actor="test",
                password_hash=hash_password(PASSWORD, 4),
                is_admin=email.startswith("root"),
            )
            for email in ("ada@example.com", "bob@example.com", "root@example.com")
        ]
        return [app.services.accounts.sessions.begin(user).token for user in users]

    return app.storage.call(make)


@pytest.fixture
def ask(http_client, base_url, tokens):
    async def ask(method, path, body=None, user=0, token=None):
        answer = await http_client.fetch(
            base_url + path,
            method=method,
            headers={
                "Authorization": f"Bearer {token or tokens[user]}",
                "Content-Type": "application/json",
            },
            body=None if body is None else orjson.dumps(body),
            raise_error=False,
            allow_nonstandard_methods=True,
        )
        return answer.code, orjson.loads(answer.body) if answer.body else None

    return ask


@pytest.mark.gen_test
async def test_a_key_is_shown_once(ask, app):
    status, made = await ask("POST", "/api-keys", {"name": "laptop"})
    assert status == 201
    key = made.pop("key")
    assert key.startswith("sk-tr-")
    assert made.pop("created_at") > 0
    assert made == {**KEY, "prefix": key[:12]}
    _, listed = await ask("GET", "/api-keys")
    assert [item["id"] for item in listed["data"]] == [1]
    assert key not in str(listed)
    _, one = await ask("GET", "/api-keys/1")
    assert "key" not in one
    assert app.storage.call(lambda: find_key(digest(key), app.services.serving.plans))


@pytest.mark.gen_test
async def test_a_key_with_everything(ask):
    body = {
        "name": "all",
        "models": ["gpt-*"],
        "endpoints": ["embeddings"],
        "expires_at": 4_000_000_000,
        "rpm": 0,
        "tpm": 1,
        "max_in_flight": 2,
        "budget": 0.1,
        "budget_period": "day",
    }
    status, made = await ask("POST", "/api-keys", body)
    assert status == 201
    assert {name: made[name] for name in body} == {**body, "budget": "0.1"}
    assert made["budget_spent"] == "0"


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_required_parameter", "name"),
        ({"name": 1}, "invalid_type", "name"),
        ({"name": None}, "invalid_type", "name"),
        ({"name": "x", "rpm": "1"}, "invalid_type", "rpm"),
        ({"name": "x", "rpm": 1.5}, "invalid_type", "rpm"),
        ({"name": "x", "rpm": -1}, "invalid_value", "rpm"),
        ({"name": "x", "models": "gpt"}, "invalid_type", "models"),
        ({"name": "x", "models": [1]}, "invalid_type", "models[0]"),
        ({"name": "x", "endpoints": ["nope"]}, "invalid_value", "endpoints[0]"),
        ({"name": "x", "budget": True}, "invalid_type", "budget"),
        ({"name": "x", "budget": -1}, "invalid_value", "budget"),
        ({"name": "x", "budget_period": "year"}, "invalid_value", "budget_period"),
        ({"name": "x", "expires_at": 1}, "invalid_value", "expires_at"),
        ({"name": "x", "user_id": 2}, "unknown_parameter", "user_id"),
        ({"name": "x", "is_active": False}, "unknown_parameter", "is_active"),
        ({"name": "x", "key_hash": "0" * 64}, "unknown_parameter", "key_hash"),
        ({"name": "x", "credits": 1e9}, "unknown_parameter", "credits"),
        ([], "invalid_type", None),
    ],
)
async def test_what_cannot_be_used(ask, app, body, code, param):
    status, answer = await ask("POST", "/api-keys", body)
    assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, code, param)
    assert app.storage.call(ApiKey.select().count) == 0


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api-keys/{}", None),
        ("PATCH", "/api-keys/{}", {"name": "mine"}),
        ("DELETE", "/api-keys/{}", None),
        ("POST", "/api-keys/{}/rotate", {}),
    ],
)
async def test_what_is_somebody_elses_is_not_there(ask, method, path, body):
    await ask("POST", "/api-keys", {"name": "hers"})
    other = await ask(method, path.format(1), body, user=1)
    nobodys = await ask(method, path.format(2), body, user=1)
    assert other[0] == nobodys[0] == 404
    assert str(other[1]).replace("key 1", "key 2") == str(nobodys[1])
    _, one = await ask("GET", "/api-keys/1")
    assert one["name"] == "hers"


@pytest.mark.gen_test
async def test_an_administrator_reaches_everybodys(ask):
    await ask("POST", "/api-keys", {"name": "hers"})
    assert (await ask("GET", "/api-keys/1", user=2))[0] == 200
    assert (await ask("PATCH", "/api-keys/1", {"rpm": 1}, user=2))[1]["rpm"] == 1
    _, listed = await ask("GET", "/api-keys?user_id=1", user=2)
    assert len(listed["data"]) == 1
    assert (await ask("GET", "/api-keys", user=2))[1]["data"] == []
    assert (await ask("GET", "/api-keys?user_id=99", user=2))[0] == 404
    assert (await ask("GET", "/api-keys?user_id=1", user=1))[0] == 404
    assert (await ask("DELETE", "/api-keys/1", user=2))[0] == 204


@pytest.mark.gen_test
async def test_a_null_lifts_a_limit_and_what_is_absent_stays(ask):
    await ask("POST", "/api-keys", {"name": "x", "rpm": 5, "tpm": 6, "models": ["a"]})
    _, changed = await ask("PATCH", "/api-keys/1", {"rpm": None, "max_in_flight": 0})
    assert (changed["rpm"], changed["tpm"], changed["max_in_flight"]) == (None, 6, 0)
    assert changed["models"] == ["a"]
    _, changed = await ask("PATCH", "/api-keys/1", {"models": None})
    assert changed["models"] is None


@pytest.mark.gen_test
async def test_changes_are_heard_of(ask, app):
    heard = []
    app.services.accounts.invalidation.listen(heard.append)
    await ask("POST", "/api-keys", {"name": "x"})
    await ask("PATCH", "/api-keys/1", {"rpm": 1}, user=2)
    await ask("POST", "/api-keys/1/rotate")
    await ask("DELETE", "/api-keys/1")
    assert heard == [1, 1, 1]


@pytest.mark.gen_test
async def test_rotation(ask, app):
    _, made = await ask("POST", "/api-keys", {"name": "x", "rpm": 5})
    status, rotated = await ask("POST", "/api-keys/1/rotate", {"grace_seconds": 3600})
    assert status == 200
    assert rotated["key"] != made["key"]
    assert (rotated["id"], rotated["rpm"]) == (1, 5)
    assert rotated["previous_expires_at"] > rotated["created_at"] + 3500
    for key in (made["key"], rotated["key"]):
        assert (
            app.storage.call(lambda key=key: find_key(digest(key), app.services.serving.plans)).id
            == 1
        )
    status, answer = await ask("POST", "/api-keys/1/rotate", {"grace_seconds": -1})
    assert (status, answer["error"]["param"]) == (400, "grace_seconds")


@pytest.mark.gen_test
async def test_lists_have_pages(ask):
    for number in range(5):
        await ask("POST", "/api-keys", {"name": f"key {number}"})
    _, first = await ask("GET", "/api-keys?limit=2")
    assert ([item["id"] for item in first["data"]], first["has_more"]) == ([1, 2], True)
    _, rest = await ask("GET", f"/api-keys?limit=9&after={first['next']}")
    assert [item["id"] for item in rest["data"]] == [3, 4, 5]
    assert (rest["has_more"], rest["next"]) == (False, None)


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("after=x", "after"),
        ("user_id=-1", "user_id"),
        ("nope=1", "nope"),
        ("limit=1&limit=2", "limit"),
    ],
)
async def test_queries_that_cannot_be_used(ask, query, param):
    status, answer = await ask("GET", f"/api-keys?{query}")
    assert (status, answer["error"]["param"]) == (400, param)


@pytest.mark.gen_test
async def test_an_api_key_makes_no_keys(ask):
    _, made = await ask("POST", "/api-keys", {"name": "x"})
    status, answer = await ask("POST", "/api-keys", {"name": "y"}, token=made["key"])
    assert (status, answer["error"]["code"]) == (401, "token_required")


@pytest.mark.gen_test
@pytest.mark.parametrize("path", ["/api-keys/x", "/api-keys/1%20OR%201=1", "/api-keys/1/rotate/x"])
async def test_paths_that_are_none(ask, path):
    assert (await ask("GET", path))[0] == 404


@pytest.mark.gen_test
async def test_methods_that_are_none(ask):
    await ask("POST", "/api-keys", {"name": "x"})
    assert (await ask("GET", "/api-keys/1/rotate"))[0] == 405
    assert (await ask("DELETE", "/api-keys/1/rotate"))[0] == 405
    assert (await ask("PUT", "/api-keys/1", {}))[0] == 405
