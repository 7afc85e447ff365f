"""Who may see the metrics, and that a call is in them."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tornado.httpclient import HTTPRequest

ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo"]\n'
TOKEN = "a token for scrapes"


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
            assert answer.code == 401
            assert json.loads(answer.body)["error"]["code"] == "metrics_are_off"


class TestToken:
    @pytest.fixture
    def app_files(self):
        return {"router.toml": f'{ECHO}[metrics]\ntoken = "{TOKEN}"\n'}

    @pytest.mark.gen_test
    async def test_has_to_be_shown(self, ask, key):
        for token in (None, key, TOKEN + "x"):
            assert (await ask(token)).code == 401
        assert (await ask(TOKEN)).code == 200

    @pytest.mark.gen_test
    async def test_a_call_is_counted(self, ask, key, http_client, base_url):
        body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        url = f"{base_url}/v1/chat/completions"
        await http_client.fetch(url, method="POST", body=json.dumps(body), headers=headers)
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

    @pytest.mark.gen_test
    async def test_a_call_is_counted_that_is_refused_at_once(self, ask, key, http_client, base_url):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        url = f"{base_url}/v1/chat/completions"
        await http_client.fetch(url, method="POST", body="{", headers=headers, raise_error=False)
        text = (await ask(TOKEN)).body.decode()
        assert 'tornado_router_refusals_total{code="invalid_json"} 1.0' in text


class TestPublic:
    @pytest.fixture
    def app_files(self):
        return {"router.toml": f"{ECHO}[metrics]\npublic = true\n"}

    @pytest.mark.gen_test
    async def test_anybody_may_see_them(self, ask):
        assert (await ask()).code == 200
