"""`GET /health`."""

import orjson
import pytest

from tornado_router import __version__


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
def health(http_client, base_url):
    async def health():
        answer = await http_client.fetch(base_url + "/health")
        return orjson.loads(answer.body)

    return health


@pytest.mark.gen_test
async def test_tells_what_serves_and_what_does_not(health):
    assert await health() == {
        "status": "ok",
        "version": __version__,
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
    app.services.plugins.found[0].broken = "TypeError: no"
    assert list((await health())["broken_plugins"].values()) == ["TypeError: no"]


@pytest.mark.gen_test
async def test_tells_that_it_stops(health, app):
    app.services.stopping = True
    assert (await health())["status"] == "stopping"
