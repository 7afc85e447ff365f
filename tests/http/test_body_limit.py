"""Bodies that are too large: refused by an error that their senders get to see."""

import orjson
import pytest

from tornado_router.http.body_limit import DISCARDED_BODIES

LIMIT = 2000
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "Hello out there"}]}


@pytest.fixture
def app_files(app_files):
    return {"router.toml": f"[server]\nmax_body_bytes = {LIMIT}\n" + app_files["router.toml"]}


@pytest.fixture
def post(http_client, base_url, key):
    async def post(body, *, chunked):
        async def pieces(write):
            for start in range(0, len(body), 500):
                await write(body[start : start + 500])

        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        return await http_client.fetch(
            f"{base_url}/v1/chat/completions",
            method="POST",
            headers=headers,
            raise_error=False,
            **({"body_producer": pieces} if chunked else {"body": body}),
        )

    return post


def padded(size):
    raw = orjson.dumps(HELLO)
    return raw[:-1] + b" " * (size - len(raw)) + raw[-1:]


@pytest.mark.gen_test
@pytest.mark.parametrize("chunked", [False, True])
async def test_up_to_the_limit(post, chunked):
    assert (await post(padded(LIMIT), chunked=chunked)).code == 200


@pytest.mark.gen_test
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT * DISCARDED_BODIES])
async def test_over_the_limit(post, chunked, size):
    response = await post(padded(size), chunked=chunked)
    assert response.code == 413
    assert orjson.loads(response.body)["error"] == {
        "message": "The request body is larger than the limit of 2000 bytes.",
        "type": "invalid_request_error",
        "param": None,
        "code": "request_too_large",
    }
