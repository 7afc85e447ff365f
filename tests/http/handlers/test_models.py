"""`GET /v1/models`."""

import time

import openai
import orjson
import pytest
from jsonschema import validate

from tornado_router.accounts import keys, registration
from tornado_router.storage.tables import User
from tornado_router.validation import load_schema

pytestmark = pytest.mark.sqlite_suffices


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
            [targets."echo/e*"]
            context_window = 128000
            max_output_tokens = 4096
            input_modalities = ["image", "text"]
            [prices."echo/echo"]
            input = 1.5
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
    assert "echo" in [model["id"] for model in body["data"]]
    for model in body["data"]:
        assert {"id", "object", "created", "owned_by", "endpoints"} <= set(model)
        assert model["object"] == "model"
        assert 0 <= time.time() - model["created"] < 3600


@pytest.mark.gen_test
async def test_what_is_known_of_each_is_told_and_nothing_else(ask):
    _, body = await ask("/v1/models")
    fast, echo, other = body["data"]
    assert fast["context_window"] == echo["context_window"] == 128_000
    assert (echo["max_output_tokens"], echo["input_modalities"]) == (4096, ["text", "image"])
    assert echo["prices"]["input"] == "1.5"
    assert {"chat.completions", "responses", "messages"} <= set(echo["endpoints"])
    assert other.keys() == {"id", "object", "created", "owned_by", "endpoints"}
    assert (await ask("/v1/models/echo"))[1] == echo


@pytest.mark.gen_test
async def test_the_official_sdk_takes_it(ask):
    _, body = await ask("/v1/models/echo")
    model = openai.types.Model.model_validate(body, strict=True)
    assert (model.id, model.owned_by) == ("echo", "echo")


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


class TestOtherCallers:
    """What is listed, and said of a model that is not served, depends on who asks."""

    @pytest.fixture
    def app_files(self):
        return {
            "router.toml": """
                [plans.free]
                credits = 1
                models = ["echo", "free-*", "gpt-*", "open/*"]
                [providers.echo]
                type = "echo"
                models = ["echo", "free-one", "free-two", "secret-one"]
                [providers.open]
                type = "echo"
                [providers.gone]
                type = "openai"
                api_key = ""
                models = ["gpt-9"]
                [prices.echo]
                input = 0
                [prices."echo/free-two"]
                input = 1
                [routes.free-route]
                targets = ["echo/free-one", "echo/free-two"]
            """
        }

    @pytest.fixture
    def member(self, app):
        def make():
            user = registration.create_user(
                app.services.serving.plans, "ann@example.com", actor="cli", plan="free"
            )
            return keys.create_key(user, "ann's")

        registered = app.storage.call(registration.create_administrator)
        assert registered
        return app.storage.call(make)

    @pytest.fixture
    def root(self, app, member):
        return app.storage.call(lambda: keys.create_key(User.get_by_id(1), "root's"))

    @pytest.fixture
    def say(self, http_client, base_url):
        async def say(key, model):
            """The refusal of a call, and that of a look at the model, which are the same."""
            headers = {"Authorization": f"Bearer {key}"}
            headers["Content-Type"] = "application/json"
            body = orjson.dumps({"model": model, "messages": [{"role": "user", "content": "x"}]})
            url = f"{base_url}/v1/chat/completions"
            called = await http_client.fetch(
                url, method="POST", headers=headers, body=body, raise_error=False
            )
            url = f"{base_url}/v1/models/{model}"
            seen = await http_client.fetch(url, headers=headers, raise_error=False)
            answers = [orjson.loads(answer.body)["error"] for answer in (called, seen)]
            return answers[0]["message"], answers[1]["message"], answers[0]["code"]

        return say

    @pytest.mark.gen_test
    async def test_models_that_a_caller_cannot_pay_for_are_not_listed(
        self, http_client, base_url, member, root
    ):
        listed = {}
        for key in (member, root):
            headers = {"Authorization": f"Bearer {key}"}
            answer = await http_client.fetch(f"{base_url}/v1/models", headers=headers)
            listed[key] = {item["id"] for item in orjson.loads(answer.body)["data"]}
        assert listed[member] == {"free-route", "echo", "free-two"}
        assert listed[root] == listed[member] | {"free-one", "secret-one"}

    @pytest.mark.gen_test
    async def test_a_model_without_a_price(self, say, member):
        called, seen, code = await say(member, "free-one")
        assert called == seen
        assert code == "model_not_priced"

    @pytest.mark.gen_test
    async def test_why_a_provider_is_off_is_for_administrators(self, say, member, root):
        called, seen, code = await say(root, "gpt-9")
        assert called == seen
        assert called == (
            "The model 'gpt-9' is not served now: the provider 'gone' is off (api_key is empty)."
        )
        assert code == "model_not_found"
        called, seen, _ = await say(member, "gpt-9")
        assert called == seen
        assert called == "The model 'gpt-9' does not exist or you do not have access to it."

    @pytest.mark.parametrize(
        ("model", "near"),
        [("free-tow", "free-two"), ("free-roote", "free-route"), ("gpt-echo", "echo")],
    )
    @pytest.mark.gen_test
    async def test_what_was_probably_meant(self, say, member, model, near):
        called, seen, _ = await say(member, model)
        assert called == seen
        assert called.endswith(f"you do not have access to it. Did you mean '{near}'?")

    @pytest.mark.gen_test
    async def test_a_provider_that_is_misspelt(self, say, root):
        called, _, _ = await say(root, "opne/any-model")
        assert called.endswith("Did you mean 'open/any-model'?")

    @pytest.mark.gen_test
    async def test_no_name_is_suggested_that_the_caller_may_not_use(self, say, member, root):
        assert "secret-one" in (await say(root, "secret-oen"))[0]
        for model in ("secret-oen", "free-secret-one"):
            assert "secret-one'?" not in (await say(member, model))[0]

    @pytest.mark.gen_test
    async def test_a_plan_that_does_not_include_a_model(self, say, member):
        called, _, code = await say(member, "secret-one")
        assert called == "Your plan, 'free', does not include the model 'secret-one'."
        assert code == "model_not_permitted"

    @pytest.mark.gen_test
    async def test_a_long_name_is_not_compared(self, say, root):
        called, seen, _ = await say(root, "e" * 200)
        assert called == seen
        assert "Did you mean" not in called


class TestAnthropicsForm:
    """As the official SDK asks for it: https://platform.claude.com/docs/en/api/models."""

    @pytest.fixture
    def ask(self, http_client, base_url, key):
        async def ask(path):
            headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
            answer = await http_client.fetch(base_url + path, headers=headers, raise_error=False)
            assert answer.headers["request-id"] == answer.headers["x-request-id"]
            return answer.code, orjson.loads(answer.body)

        return ask

    @pytest.mark.gen_test
    async def test_a_list(self, ask):
        status, body = await ask("/v1/models?limit=1000&of=tomorrow")
        assert status == 200
        for model in body["data"]:
            validate(model, load_schema("models.info"))
        names = ["my/fast", "echo", "org/model"]
        assert [model["id"] for model in body["data"]] == names
        assert (body["first_id"], body["last_id"], body["has_more"]) == (*names[::2], False)

    @pytest.mark.parametrize(
        ("query", "shown", "has_more"),
        [
            ("limit=2", ["my/fast", "echo"], True),
            ("limit=2&after_id=echo", ["org/model"], False),
            ("limit=1&before_id=org/model", ["echo"], True),
            ("limit=2&before_id=org/model", ["my/fast", "echo"], False),
            ("after_id=org/model", [], False),
        ],
    )
    @pytest.mark.gen_test
    async def test_pages(self, ask, query, shown, has_more):
        _, body = await ask(f"/v1/models?{query}")
        assert [model["id"] for model in body["data"]] == shown
        assert body["has_more"] is has_more

    @pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after_id=gpt-9"])
    @pytest.mark.gen_test
    async def test_no_such_page(self, ask, query):
        status, body = await ask(f"/v1/models?{query}")
        assert status == 400
        assert body["error"]["type"] == "invalid_request_error"

    @pytest.mark.gen_test
    async def test_one_of_them(self, ask):
        status, body = await ask("/v1/models/my/fast")
        assert (status, body["id"], body["max_input_tokens"]) == (200, "my/fast", 128_000)
        validate(body, load_schema("models.info"))

    @pytest.mark.gen_test
    async def test_none_of_that_name(self, ask):
        status, body = await ask("/v1/models/nope")
        assert (status, body["error"]["type"]) == (404, "not_found_error")
