"""`GET /v1/key`: what the holder of a key sees of it, and of no other."""

import datetime

import orjson
import pytest

from tornado_router.accounts import keys
from tornado_router.storage.tables import ApiKey, UsageDay, User
from tornado_router.storage.values import now

ROUTER_TOML = """
[auth]
bcrypt_rounds = 4
[plans.free]
credits = 5
rpm = 60
[providers.echo]
type = "echo"
models = ["echo"]
"""


@pytest.fixture
def app_files():
    return {"router.toml": ROUTER_TOML}


@pytest.fixture
def make(app):
    """A key of a user on the plan."""

    def make(**fields):
        def work():
            user, _ = User.get_or_create(
                email="ann@example.com",
                defaults={"name": "", "password_hash": "!", "plan": "free", "credits": 4.5},
            )
            row, key = keys.create(user.id, {"name": "laptop", **fields}, ["embeddings"])
            return row.id, key

        return app.storage.call(work)

    return make


@pytest.fixture
def ask(http_client, base_url):
    async def ask(key, header="Authorization"):
        value = f"Bearer {key}" if header == "Authorization" else key
        answer = await http_client.fetch(
            f"{base_url}/v1/key", headers={header: value}, raise_error=False
        )
        assert answer.headers["Cache-Control"] == "no-store"
        assert key[12:] not in answer.body.decode()
        return answer.code, orjson.loads(answer.body)

    return ask


@pytest.mark.gen_test
async def test_a_key_without_limits(make, ask):
    _, key = make()
    for header in ("Authorization", "X-Api-Key"):
        assert await ask(key, header) == (
            200,
            {
                "data": {
                    "label": "laptop",
                    **dict.fromkeys(["limit", "limit_remaining", "limit_reset", "expires_at"]),
                    **dict.fromkeys(["usage", "usage_daily", "usage_weekly", "usage_monthly"], 0),
                    "credits_remaining": 4.5,
                    "models": None,
                    "endpoints": None,
                    "rate_limits": {"rpm": None, "tpm": None, "max_in_flight": None},
                    "plan_rate_limits": {"rpm": 60, "tpm": None, "max_in_flight": None},
                }
            },
        )


@pytest.mark.gen_test
async def test_what_is_left_and_what_it_may_do(app, make, ask):
    permitted = {"models": ["e*"], "endpoints": ["embeddings"], "expires_at": 4_000_000_000}
    key_id, key = make(budget="2.5", budget_period="day", rpm=7, **permitted)
    _, other = make()

    def spend():
        today = now().date()
        for day, cost in ((today, 2), (today - datetime.timedelta(days=400), 1)):
            UsageDay.create(
                day=day, user_id=1, api_key_id=key_id, provider="p", model="m", cost=cost
            )

    app.storage.call(spend)
    _, said = await ask(key)
    data = said["data"]
    assert (data["limit"], data["limit_remaining"], data["limit_reset"]) == (2.5, 0.5, "daily")
    assert (data["usage"], data["usage_daily"], data["usage_monthly"]) == (3, 2, 2)
    assert data["expires_at"] == "2096-10-02T07:06:40Z"
    assert (data["models"], data["endpoints"]) == (["e*"], ["embeddings"])
    assert data["rate_limits"]["rpm"] == 7
    _, said = await ask(other)
    assert (said["data"]["usage"], said["data"]["limit"]) == (0, None)


@pytest.mark.gen_test
async def test_a_secret_that_was_replaced_ends_with_its_grace(app, make, ask):
    key_id, key = make()
    _, new = app.storage.call(lambda: keys.rotate(key_id, grace_seconds=3600))
    until = app.storage.call(lambda: ApiKey.get_by_id(key_id).previous_expires_at)
    _, said = await ask(key)
    assert said["data"]["expires_at"] == f"{until:%Y-%m-%dT%H:%M:%SZ}"
    _, said = await ask(new)
    assert said["data"]["expires_at"] is None


@pytest.mark.gen_test
async def test_without_a_key_that_works(ask):
    for key in ("sk-tr-" + "x" * 43, "x" * 20):
        status, said = await ask(key)
        assert (status, said["error"]["code"]) == (401, "invalid_api_key")
