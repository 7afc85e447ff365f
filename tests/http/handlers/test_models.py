"""`GET /v1/models`."""

import time

import orjson
import pytest


@pytest.fixture
def app_files():
    return {
        "router.toml": """
            [providers.echo]
            type = "echo"
            models = ["echo", "org/model"]
            [providers.more]
            type = "echo"
            models = ["m-*"]
            [providers.gone]
            type = "openai"
            api_key = ""
            models = ["gpt-9"]
            [routes."my/fast"]
            targets = ["echo/echo"]
        """
    }


@pytest.fixture
def ask(http_client, base_url, key):
    async def ask(path):
        headers = {"Authorization": f"Bearer {key}"}
        answer = await http_client.fetch(base_url + path, headers=headers, raise_error=False)
        return answer.code, orjson.loads(answer.body)

    return ask


@pytest.mark.gen_test
async def test_lists_what_can_be_asked_for(ask):
    status, body = await ask("/v1/models")
    assert status == 200
    assert body["object"] == "list"
    assert [(model["id"], model["owned_by"]) for model in body["data"]] == [
        ("my/fast", "echo"),
        ("echo", "echo"),
        ("org/model", "echo"),
    ]


@pytest.mark.gen_test
async def test_each_is_openais_object(ask):
    _, body = await ask("/v1/models")
    for model in body["data"]:
        assert set(model) == {"id", "object", "created", "owned_by"}
        assert model["object"] == "model"
        assert 0 <= time.time() - model["created"] < 3600


@pytest.mark.parametrize(
    "path",
    ["echo", "org/model", "my/fast", "more/m-1", "echo/org/model", "org%2Fmodel", "my%2ffast"],
)
@pytest.mark.gen_test
async def test_one_of_them(ask, path):
    status, body = await ask(f"/v1/models/{path}")
    assert status == 200
    assert body["id"] == path.replace("%2F", "/").replace("%2f", "/")
    assert body["object"] == "model"


@pytest.mark.parametrize(
    "path", ["nope", "gpt-9", "gone/gpt-9", "more/x", "%ff", "a%00b", "/", "a/"]
)
@pytest.mark.gen_test
async def test_none_of_that_name(ask, path):
    status, body = await ask(f"/v1/models/{path}")
    assert status == 404 or (path == "%ff" and status == 400)
    assert body["error"]["type"] == "invalid_request_error"
