"""`POST /v1/messages/count_tokens`, by a model whose provider counts nothing: an estimate."""

import orjson
import pytest

from tornado_router.calls import token_counts
from tornado_router.storage.tables import UsageLog

pytestmark = pytest.mark.sqlite_suffices

PATH = "/v1/messages/count_tokens"
ASKED = {"model": "echo", "messages": [{"role": "user", "content": "x" * 4000}]}


@pytest.fixture
def ask(http_client, base_url, key):
    async def ask(body=ASKED, **headers):
        answer = await http_client.fetch(
            base_url + PATH + "?beta=true",
            method="POST",
            headers={"x-api-key": key, "Content-Type": "application/json", **headers},
            body=orjson.dumps(body),
            raise_error=False,
        )
        return answer, orjson.loads(answer.body)

    return ask


@pytest.mark.gen_test
async def test_an_estimate_that_costs_nothing(ask, app):
    answer, body = await ask()
    assert answer.code == 200
    assert 1000 < body["input_tokens"] < 2000
    assert answer.headers["request-id"]
    app.ledger.close()
    assert app.storage.call(lambda: UsageLog.select().count()) == 0


@pytest.mark.gen_test
async def test_it_needs_a_key(ask):
    answer, body = await ask(**{"x-api-key": "nope"})
    assert (answer.code, body["error"]["type"]) == (401, "authentication_error")


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"model": "nope"}, 404, "model: The model 'nope' does not exist"),
        ({"messages": []}, 400, "messages: empty array"),
        ({"model": None}, 400, "model: "),
    ],
)
@pytest.mark.gen_test
async def test_refusals_are_in_the_dialect(ask, fields, status, text):
    answer, body = await ask({**ASKED, **fields})
    assert answer.code == status
    assert body["error"]["message"].startswith(text)
    assert body["request_id"] == answer.headers["request-id"]


@pytest.mark.gen_test
async def test_it_has_a_limit_of_its_own(ask, monkeypatch):
    monkeypatch.setattr(token_counts, "COUNTS_PER_MINUTE", 2)
    answers = [await ask() for _ in range(3)]
    assert [answer.code for answer, _ in answers] == [200, 200, 429]
    answer, body = answers[-1]
    assert body["error"]["type"] == "rate_limit_error"
    assert answer.headers["Retry-After"]
