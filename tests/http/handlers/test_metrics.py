"""Who may see the metrics, and that a call is in them."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tornado.httpclient import HTTPRequest

pytestmark = pytest.mark.sqlite_suffices

ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'
TOKEN = "a token for scrapes"
CHAT = "/v1/chat/completions"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}


def refusals(answer):
    """How many there were of each code."""
    return {
        sample.labels["code"]: sample.value
        for family in text_string_to_metric_families(answer.body.decode())
        for sample in family.samples
        if sample.name == "tornado_router_refusals_total"
    }


@pytest.fixture
def ask(http_client, base_url):
    async def ask(token=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = HTTPRequest(f"{base_url}/metrics", headers=headers)
        return await http_client.fetch(request, raise_error=False)

    return ask


class TestOff:
    @pytest.mark.gen_test
    async def test_without_a_token_there_are_none(self, ask, key):
        for token in (None, "", key):
            answer = await ask(token)
            assert answer.code == 404
            assert json.loads(answer.body)["error"]["code"] == "metrics_are_off"
            assert "WWW-Authenticate" not in answer.headers  # no credentials would do


class TestToken:
    @pytest.fixture
    def app_files(self):
        server = "[server]\nmax_body_bytes = 2000\n"
        return {"router.toml": f'{ECHO}{server}[metrics]\ntoken = "{TOKEN}"\n'}

    @pytest.mark.gen_test
    async def test_has_to_be_shown(self, ask, key):
        for token in (None, key, TOKEN + "x"):
            assert (await ask(token)).code == 401
        assert (await ask(TOKEN)).code == 200

    @pytest.mark.gen_test
    async def test_a_call_is_counted(self, ask, key, http_client, base_url):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        body = json.dumps(HELLO)
        await http_client.fetch(base_url + CHAT, method="POST", body=body, headers=headers)
        answer = await ask(TOKEN)
        assert answer.headers["Content-Type"].startswith("text/plain")
        families = {
            item.name: item for item in text_string_to_metric_families(answer.body.decode())
        }
        (sample,) = families["tornado_router_requests"].samples[:1]
        assert sample.labels == {
            "model": "echo",
            "provider": "echo",
            "endpoint": "chat.completions",
            "status": "200",
        }
        assert families["tornado_router_attempts"].samples[0].labels["outcome"] == "ok"
        assert families["tornado_router_target_state"].samples[0].value == 0

    @pytest.mark.parametrize(
        ("code", "method", "path", "changes"),
        [
            ("invalid_json", "POST", CHAT, {"body": "{"}),
            ("unsupported_content_type", "POST", CHAT, {"Content-Type": "text/plain"}),
            ("invalid_api_key", "POST", CHAT, {"Authorization": "Bearer sk-wrong"}),
            ("method_not_allowed", "GET", CHAT, {}),
            ("request_too_large", "POST", CHAT, {"body": "x" * 2001}),
            ("unknown_url", "POST", "/v1/nothing", {}),
            ("model_not_found", "POST", CHAT, {"body": json.dumps({**HELLO, "model": "nope"})}),
        ],
    )
    @pytest.mark.gen_test
    async def test_a_refusal_is_counted_once(
        self, ask, key, http_client, base_url, code, method, path, changes
    ):
        body = changes.pop("body", json.dumps(HELLO)) if method == "POST" else None
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **changes}
        await http_client.fetch(
            base_url + path, method=method, body=body, headers=headers, raise_error=False
        )
        assert refusals(await ask(TOKEN)) == {code: 1}

    @pytest.mark.gen_test
    async def test_what_is_no_call_is_no_refusal(self, ask, http_client, base_url):
        await http_client.fetch(f"{base_url}/usage", raise_error=False)
        await ask("a wrong token")
        assert refusals(await ask(TOKEN)) == {}


class TestPublic:
    @pytest.fixture
    def app_files(self):
        return {"router.toml": f"{ECHO}[metrics]\npublic = true\n"}

    @pytest.mark.gen_test
    async def test_anybody_may_see_them(self, ask):
        assert (await ask()).code == 200
