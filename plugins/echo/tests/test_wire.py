"""The echo behind a wire says the same as without one, in each framing."""

import asyncio
import json
from contextlib import aclosing

import pytest

from tornado_router.errors import ProviderError
from tornado_router.provider import Call, Event
from tornado_router_echo import EchoProvider
from tornado_router_echo.wire import FRAMINGS, WireParser

REQUESTS = {
    "chat.completions": {"messages": [{"role": "user", "content": "Hello, 世界\u2028!"}]},
    "completions": {"prompt": "Hello", "max_tokens": 2},
    "embeddings": {"input": ["a", "b"]},
    "moderations": {"input": "flag violence"},
}


def call(endpoint, body):
    body = {"model": "asked", **body}
    return Call("r1", endpoint, "echo", body, json.dumps(body).encode(), False)


def without_time(body):
    return {name: value for name, value in body.items() if name != "created"}


@pytest.fixture(params=FRAMINGS)
def wired(request):
    return EchoProvider("echo", {"wire": request.param})


@pytest.mark.parametrize("endpoint", REQUESTS)
def test_a_whole_response_is_the_same(wired, endpoint):
    asked = call(endpoint, REQUESTS[endpoint])
    plain, sent = (
        asyncio.run(echo.send(asked, None)) for echo in (EchoProvider("echo", {}), wired)
    )
    assert without_time(sent) == without_time(plain)


@pytest.mark.parametrize("endpoint", ["chat.completions", "completions"])
def test_a_stream_is_the_same(wired, endpoint):
    asked = call(endpoint, REQUESTS[endpoint])

    async def chunks(echo):
        async with aclosing(echo.stream(asked, None)) as batches:
            return [without_time(chunk) async for batch in batches for chunk in batch]

    plain, sent = (asyncio.run(chunks(echo)) for echo in (EchoProvider("echo", {}), wired))
    assert sent == plain


def test_a_stream_without_its_end_broke_off():
    parser = WireParser("echo")
    parser.feed(Event(b"{}"))
    with pytest.raises(ProviderError, match="'echo' broke off"):
        parser.finish()
