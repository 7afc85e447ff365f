"""`/admin/*`: for administrators alone, and every change of credits in the books."""

import asyncio
from decimal import Decimal

import orjson
import pytest

from tornado_router.accounts import credits, registration
from tornado_router.accounts.passwords import hash_password
from tornado_router.limits.limiter import Demand
from tornado_router.storage.tables import CreditEntry, User

PASSWORD = "correct horse 7 battery"
ROUTER_TOML = """
[auth]
bcrypt_rounds = 4
attempts_per_account = 1000
attempts_per_address = 1000
[plans.free]
credits = 1
rpm = 5
[plans.pro]
models = ["gpt-*"]
[providers.echo]
type = "echo"
models = ["echo"]
"""


@pytest.fixture
def app_files():
    return {"router.toml": ROUTER_TOML}


@pytest.fixture
def tokens(app):
    """Of the administrator 1 and of the user 2."""

    def make():
        users = [
            registration.create_user(
                app.services.serving.plans,
                email,
                actor="test",
                password_hash=hash_password(PASSWORD, 4),
                is_admin=email.startswith("root"),
            )
            for email in ("root@example.com", "ada@example.com")
        ]
        return [app.services.accounts.sessions.begin(user).token for user in users]

    return app.storage.call(make)


@pytest.fixture
def ask(http_client, base_url, tokens):
    async def ask(method, path, body=None, user=0):
        answer = await http_client.fetch(
            base_url + path,
            method=method,
            headers={
                "Authorization": f"Bearer {tokens[user]}",
                "Content-Type": "application/json",
            },
            body=None if body is None else orjson.dumps(body),
            raise_error=False,
            allow_nonstandard_methods=True,
        )
        assert PASSWORD.encode() not in answer.body
        return answer.code, orjson.loads(answer.body) if answer.body else None

    return ask


EVERYTHING = [
    ("GET", "/admin/users"),
    ("POST", "/admin/users"),
    ("GET", "/admin/users/1"),
    ("PATCH", "/admin/users/2"),
    ("DELETE", "/admin/users/2"),
    ("POST", "/admin/users/2/password"),
    ("GET", "/admin/users/2/credits"),
    ("POST", "/admin/users/2/credits"),
    ("GET", "/admin/plans"),
    ("GET", "/admin/invites"),
    ("POST", "/admin/invites"),
    ("DELETE", "/admin/invites/1"),
]


@pytest.mark.gen_test
@pytest.mark.parametrize(("method", "path"), EVERYTHING)
async def test_nobody_else_gets_in(ask, method, path):
    body = None if method in ("GET", "DELETE") else {}
    status, answer = await ask(method, path, body, user=1)
    assert (status, answer["error"]["code"]) == (403, "admin_required")


class TestUsers:
    @pytest.mark.gen_test
    async def test_are_made_listed_and_changed(self, ask):
        body = {"email": "Bob@Example.com", "password": PASSWORD, "name": "Bob", "plan": "pro"}
        status, made = await ask("POST", "/admin/users", body)
        assert status == 201
        assert (made["id"], made["email"], made["plan"]) == (3, "bob@example.com", "pro")
        assert made["credits"] is None
        _, listed = await ask("GET", "/admin/users?search=bob")
        assert [user["id"] for user in listed["data"]] == [3]
        _, changed = await ask("PATCH", "/admin/users/3", {"plan": "free", "is_admin": True})
        assert (changed["plan"], changed["is_admin"], changed["credits"]) == ("free", True, "0")
        assert (await ask("GET", "/admin/users/3"))[1] == changed

    @pytest.mark.gen_test
    @pytest.mark.parametrize(
        ("body", "code", "param"),
        [
            ({}, "missing_required_parameter", "email"),
            ({"email": "x"}, "invalid_value", "email"),
            ({"email": "c@d", "plan": "gold"}, "unknown_plan", "plan"),
            ({"email": "c@d", "is_admin": "yes"}, "invalid_type", "is_admin"),
            ({"email": "c@d", "password": "short"}, "weak_password", "password"),
            ({"email": "c@d", "credits": 1e9}, "unknown_parameter", "credits"),
            ({"email": "c@d", "name": "a\r\nb"}, "invalid_value", "name"),
        ],
    )
    async def test_what_cannot_be_used(self, ask, app, body, code, param):
        status, answer = await ask("POST", "/admin/users", body)
        assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, code, param)
        assert app.storage.call(User.select().count) == 2

    @pytest.mark.gen_test
    async def test_an_address_is_taken_once(self, ask):
        status, answer = await ask("POST", "/admin/users", {"email": " ADA@example.com"})
        assert (status, answer["error"]["code"]) == (409, "email_taken")

    @pytest.mark.gen_test
    @pytest.mark.parametrize("search", ["%25", "_", "a' OR '1'='1", "%22"])
    async def test_a_search_is_no_pattern(self, ask, search):
        path = f"/admin/users?search={search.replace(' ', '%20')}"
        assert (await ask("GET", path))[1]["data"] == []

    @pytest.mark.gen_test
    async def test_lists_have_pages(self, ask):
        _, first = await ask("GET", "/admin/users?limit=1")
        assert ([user["id"] for user in first["data"]], first["has_more"]) == ([1], True)
        _, rest = await ask("GET", f"/admin/users?after={first['next']}")
        assert [user["id"] for user in rest["data"]] == [2]

    @pytest.mark.gen_test
    @pytest.mark.parametrize(
        ("method", "body"),
        [("DELETE", None), ("PATCH", {"is_admin": False}), ("PATCH", {"is_active": False})],
    )
    async def test_the_last_administrator_stays(self, ask, method, body):
        status, answer = await ask(method, "/admin/users/1", body)
        assert (status, answer["error"]["code"]) == (409, "last_admin")

    @pytest.mark.gen_test
    async def test_who_is_disabled_is_logged_out(self, ask, app):
        heard = []
        app.services.accounts.invalidation.listen(heard.append)
        assert (await ask("GET", "/auth/profile", user=1))[0] == 200
        await ask("PATCH", "/admin/users/2", {"is_active": False})
        assert (await ask("GET", "/auth/profile", user=1))[0] == 401
        assert heard == [2]

    @pytest.mark.gen_test
    async def test_who_is_deleted_is_gone(self, ask):
        assert (await ask("DELETE", "/admin/users/2"))[0] == 204
        for method, path in EVERYTHING:
            if "/users/2" in path and method in ("GET", "DELETE"):
                assert (await ask(method, path))[0] == 404
        assert len((await ask("GET", "/admin/users"))[1]["data"]) == 1

    @pytest.mark.gen_test
    async def test_a_new_password_ends_log_ins(self, ask):
        body = {"new_password": "another horse 8 battery"}
        assert (await ask("POST", "/admin/users/2/password", body))[0] == 204
        assert (await ask("GET", "/auth/profile", user=1))[0] == 401
        status, answer = await ask("POST", "/admin/users/2/password", {"new_password": "short"})
        assert (status, answer["error"]["param"]) == (400, "new_password")


class TestCredits:
    @pytest.mark.gen_test
    async def test_each_change_is_an_entry_with_who_and_why(self, ask):
        body = {"amount": "2.5", "kind": "top_up", "reason": "paid by card"}
        status, entry = await ask("POST", "/admin/users/2/credits", body)
        assert status == 201
        assert entry["user"]["credits"] == "3.5"
        assert {name: entry[name] for name in ("amount", "balance", "kind", "reason", "actor")} == {
            "amount": "2.5",
            "balance": "3.5",
            "kind": "top_up",
            "reason": "paid by card",
            "actor": "root@example.com",
        }
        body = {"amount": -0.1, "kind": "adjust", "reason": "a mistake"}
        assert (await ask("POST", "/admin/users/2/credits", body))[1]["balance"] == "3.4"
        _, listed = await ask("GET", "/admin/users/2/credits")
        assert [item["amount"] for item in listed["data"]] == ["-0.1", "2.5", "1"]

    @pytest.mark.gen_test
    @pytest.mark.parametrize(
        ("body", "status", "code", "param"),
        [
            ({"amount": 0, "kind": "adjust"}, 400, "invalid_value", "amount"),
            ({"amount": -1, "kind": "top_up"}, 400, "invalid_value", "amount"),
            ({"amount": "1e3", "kind": "top_up"}, 400, "invalid_value", "amount"),
            ({"amount": 1, "kind": "gift"}, 400, "invalid_value", "kind"),
            ({"amount": 1, "kind": "top_up", "reason": " "}, 400, "empty_string", "reason"),
            ({"amount": -1.000000001, "kind": "adjust"}, 409, "credits_below_zero", "amount"),
            ({"amount": 1_000_000, "kind": "top_up"}, 409, "credits_above_max", "amount"),
        ],
    )
    async def test_what_cannot_be(self, ask, app, body, status, code, param):
        got, answer = await ask("POST", "/admin/users/2/credits", {"reason": "x", **body})
        assert (got, answer["error"]["code"], answer["error"]["param"]) == (status, code, param)
        assert app.storage.call(lambda: User.get_by_id(2).credits) == 1

    @pytest.mark.gen_test
    async def test_what_running_calls_hold_is_not_taken_away(self, ask, app):
        user = app.storage.call(lambda: User.get_by_id(2))
        purse = credits.purse(user)
        demand = Demand("call", (), (purse,), cost=600_000_000)
        lease = await app.services.accounts.limiter.admit(demand)
        body = {"amount": -0.5, "kind": "adjust", "reason": "x"}
        status, answer = await ask("POST", "/admin/users/2/credits", body)
        assert (status, answer["error"]["code"]) == (409, "credits_below_zero")
        app.services.accounts.limiter.settle(lease, 0, 0)
        assert (await ask("POST", "/admin/users/2/credits", body))[0] == 201

    @pytest.mark.gen_test
    async def test_at_once_nothing_is_lost(self, ask, app):
        body = {"amount": "0.000000001", "kind": "top_up", "reason": "x"}
        await asyncio.gather(*(ask("POST", "/admin/users/2/credits", body) for _ in range(30)))
        assert app.storage.call(lambda: User.get_by_id(2).credits) == Decimal("1.00000003")
        entries = CreditEntry.select().where(CreditEntry.user == 2)
        assert app.storage.call(entries.count) == 31

    @pytest.mark.gen_test
    async def test_changes_are_heard_of(self, ask, app):
        heard = []
        app.services.accounts.invalidation.listen(heard.append)
        body = {"amount": 1, "kind": "top_up", "reason": "x"}
        await ask("POST", "/admin/users/2/credits", body)
        assert heard == [2]


@pytest.mark.gen_test
async def test_plans(ask):
    _, listed = await ask("GET", "/admin/plans")
    plans = {plan.pop("name"): plan for plan in listed["data"]}
    assert set(plans) == {"free", "pro", "unlimited"}
    assert plans["free"] == {
        "object": "plan",
        "is_default": True,
        "credits": "1",
        "rpm": 5,
        "tpm": None,
        "max_in_flight": None,
        "models": ["*"],
    }
    assert plans["pro"]["credits"] is None


@pytest.mark.gen_test
async def test_invites(ask):
    status, made = await ask("POST", "/admin/invites", {"email": "eve@example.com", "plan": "pro"})
    assert status == 201
    code = made.pop("code")
    assert (made["email"], made["plan"], made["used_at"]) == ("eve@example.com", "pro", None)
    assert made["created_by"] == "root@example.com"
    _, listed = await ask("GET", "/admin/invites")
    assert listed["data"] == [made]
    assert code not in str(listed)
    assert (await ask("DELETE", "/admin/invites/1"))[0] == 204
    assert (await ask("DELETE", "/admin/invites/1"))[0] == 404
    assert (await ask("POST", "/admin/invites"))[0] == 201
    status, answer = await ask("POST", "/admin/invites", {"expires_in": 1})
    assert (status, answer["error"]["param"]) == (400, "expires_in")
