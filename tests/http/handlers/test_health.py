"""`GET /health`."""

from types import SimpleNamespace

import orjson
import pytest
from peewee import OperationalError

from tornado_router import __version__
from tornado_router.accounts import keys
from tornado_router.errors import DatabaseAwayError
from tornado_router.storage.tables import User

from ...passing import eventually


@pytest.fixture
def app_files():
    return {
        "router.toml": """
            [providers.echo]
            type = "echo"
            [providers.vendor]
            type = "openai"
            api_key = ""
            [providers.later]
            type = "openai"
            api_key = "${LATER_KEY}"
        """
    }


@pytest.fixture
def ask(http_client, base_url):
    async def ask(token=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await http_client.fetch(base_url + "/health", headers=headers)
        return orjson.loads(answer.body)

    return ask


@pytest.fixture
def health(ask, app):
    """What the operator of the machine sees."""

    async def health():
        return await ask(app.services.process.operator_token)

    return health


NAMES = {"version", "providers", "targets", "broken_plugins"}


@pytest.mark.gen_test
async def test_strangers_see_a_state_without_names(ask):
    seen = await ask()
    assert not NAMES & seen.keys()
    assert (seen["status"], seen["database"], seen["redis"]) == ("ok", "ok", "off")


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "token", ["x", "sk-tr-" + "x" * 43, "WzEsMSwxXQ." + "x" * 43, "\xe9".encode().decode("latin-1")]
)
async def test_so_does_who_has_no_right_to_them(ask, token):
    assert not NAMES & (await ask(token)).keys()


@pytest.mark.gen_test
@pytest.mark.parametrize("is_admin", [True, False])
async def test_administrators_see_names_by_a_key_or_a_session(ask, app, is_admin):
    accounts = app.services.accounts

    def create():
        user = User.create(
            email="ada@example.com", name="", password_hash="!", plan="unlimited", is_admin=is_admin
        )
        return keys.create_key(user, "k"), accounts.sessions.begin(user).token

    for token in await accounts.storage.run(create):
        assert NAMES & (await ask(token)).keys() == (NAMES if is_admin else set())


@pytest.mark.gen_test
async def test_tells_what_serves_and_what_does_not(health):
    assert await health() == {
        "status": "ok",
        "version": __version__,
        "database": "ok",
        "redis": "off",
        "providers": {
            "echo": {"type": "echo", "state": "on"},
            "vendor": {"type": "openai", "state": "off", "reason": "api_key is empty"},
            "later": {"type": "openai", "state": "off", "reason": "LATER_KEY is not set"},
        },
        "targets": [],
        "calls": 0,
        "loop_lag_ms": 0.0,
        "ledger_bytes": (await health())["ledger_bytes"],
        "broken_plugins": {},
    }


@pytest.mark.gen_test
async def test_tells_which_plugins_are_broken(health, app):
    app.services.process.plugins.found[0].broken = "TypeError: no"
    assert list((await health())["broken_plugins"].values()) == ["TypeError: no"]


@pytest.mark.gen_test
async def test_tells_that_the_database_is_away(health, app, monkeypatch):
    storage = app.services.process.storage

    def fail(**_options):
        raise OperationalError

    async def is_away():
        with pytest.raises(DatabaseAwayError):
            await storage.run(lambda: None)
        return (await health())["database"] == "away"

    with monkeypatch.context() as patch:
        patch.setattr(storage.database, "session", fail)
        await eventually(is_away)  # what a task of the router began before may still be served
    await storage.run(lambda: storage.database.execute_sql("SELECT 1"))
    assert (await health())["database"] == "ok"


@pytest.mark.gen_test
async def test_tells_that_the_database_takes_no_usage(health, app):
    app.services.process.ledger.stuck = True
    told = await health()
    assert (told["status"], told["database"]) == ("ok", "away")


@pytest.mark.gen_test
@pytest.mark.parametrize(("available", "state"), [(True, "ok"), (False, "away")])
async def test_tells_how_redis_is(health, app, available, state):
    app.services.process.redis = SimpleNamespace(available=available)
    assert (await health())["redis"] == state


@pytest.mark.gen_test
async def test_tells_that_it_stops(health, app):
    app.services.requests.stopping = True
    assert (await health())["status"] == "stopping"
