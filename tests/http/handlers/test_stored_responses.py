"""`/v1/responses/{id}` and below it, of responses that the router keeps itself."""

import orjson
import pytest

from tornado_router.endpoints import RESPONSES
from tornado_router.provider import Call
from tornado_router.routing.routes import Target

ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "content": []}
RESPONSE = {"id": "resp_1", "object": "response", "output": [ITEM]}


@pytest.fixture
def kept(app):
    """A response of three items of input, of the first user."""
    items = [{"role": "user", "content": text} for text in ("a", "b", "c")]
    body = {"model": "m", "input": items}
    call = Call("req_1", RESPONSES.name, "m", body, orjson.dumps(body), False)
    stored = app.services.serving.gateway.stored
    return lambda: stored.keep(call, 1, Target("claude", "opus"), RESPONSE, False)


async def ask(http_client, base_url, key, path, method="GET", body=None):
    answer = await http_client.fetch(
        f"{base_url}/v1/responses/{path}",
        method=method,
        body=body,
        headers={"Authorization": f"Bearer {key}"},
        raise_error=False,
    )
    return answer.code, orjson.loads(answer.body)


@pytest.mark.gen_test
async def test_it_is_shown_and_deleted(http_client, base_url, key, kept):
    await kept()
    assert await ask(http_client, base_url, key, "resp_1") == (200, RESPONSE)
    deleted = await ask(http_client, base_url, key, "resp_1", "DELETE")
    assert deleted == (200, {"id": "resp_1", "object": "response", "deleted": True})
    code, body = await ask(http_client, base_url, key, "resp_1")
    assert (code, body["error"]["code"]) == (404, "response_not_found")


@pytest.mark.gen_test
async def test_its_input_is_listed_page_by_page(http_client, base_url, key, kept):
    await kept()
    _, page = await ask(http_client, base_url, key, "resp_1/input_items?order=asc&limit=2")
    assert [item["content"] for item in page["data"]] == ["a", "b"]
    assert page["has_more"]
    after = page["last_id"]
    _, rest = await ask(http_client, base_url, key, f"resp_1/input_items?order=asc&after={after}")
    assert [item["content"] for item in rest["data"]] == ["c"]
    assert not rest["has_more"]
    _, newest = await ask(http_client, base_url, key, "resp_1/input_items")
    assert [item["content"] for item in newest["data"]] == ["c", "b", "a"]


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("path", "method", "code"),
    [
        ("resp_1/input_items?limit=0", "GET", 400),
        ("resp_1/input_items?limit=x", "GET", 400),
        (f"resp_1/input_items?limit={'9' * 5000}", "GET", 400),
        ("resp_1/input_items?order=up", "GET", 400),
        ("resp_1?stream=true&starting_after=x", "GET", 400),
        ("resp_1?stream=true&starting_after=-1", "GET", 400),
        ("resp_1?stream=null", "GET", 400),
        ("resp_1?starting_after=-1", "GET", 400),
        ("resp_1/cancel", "POST", 400),
        ("resp_2", "GET", 404),
        ("resp_2/cancel", "POST", 404),
        ("resp_1", "PATCH", 405),
    ],
)
async def test_what_cannot_be_done_is_refused(http_client, base_url, key, kept, path, method, code):
    await kept()
    body = None if method == "GET" else ""
    found, answer = await ask(http_client, base_url, key, path, method, body)
    assert (found, "message" in answer["error"]) == (code, True)
