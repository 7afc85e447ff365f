"""A provider behind a bridge: what is sent, what comes back, and what is reported."""

import asyncio
from typing import ClassVar

import orjson
import pytest

from tests import messages
from tornado_router.endpoints import CHAT_COMPLETIONS, COMPLETIONS
from tornado_router.endpoints.bridges import base, bridged
from tornado_router.endpoints.bridges.messages_to_chat import MessagesToChat
from tornado_router.errors import ProviderError
from tornado_router.provider import Call, Params, Provider


class Chat(Provider):
    """Says the message back; its refusals and reports are about fields of a chat."""

    capabilities: ClassVar = {CHAT_COMPLETIONS.name: ("stream",)}
    closed = False

    async def send(self, call, http):
        self.seen = call
        params = Params(call)
        params.take("max_completion_tokens")
        if call.body.get("stop"):
            raise ProviderError(400, "no", param="messages[0].content")
        (message,) = params.take("messages")
        params.finish()
        message = {"role": "assistant", "content": message["content"]}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}

    async def stream(self, call, http):
        try:
            body = await self.send(call, http)
            for choice in body["choices"]:
                yield [{"choices": [{"index": 0, "delta": {"role": "assistant"}}]}]
                for word in choice["message"]["content"].split():
                    yield [{"choices": [{"index": 0, "delta": {"content": word}}]}]
        finally:
            self.closed = True


def call(stream=False, unsupported="reject", **fields):
    body = {"model": "alias", "prompt": "a b", **fields}
    return Call("r1", COMPLETIONS.name, "m", body, orjson.dumps(body), stream, unsupported)


async def drain(batches):
    return [chunk async for batch in batches for chunk in batch]


def test_a_whole_response_comes_back_translated():
    chat = Chat("chat", {})
    body = asyncio.run(bridged(chat, COMPLETIONS.name).send(call(), None))
    assert body["choices"][0]["text"] == "a b"
    assert (chat.seen.endpoint, chat.seen.model) == (CHAT_COMPLETIONS.name, "m")


def test_a_stream_comes_back_translated():
    chunks = asyncio.run(
        drain(bridged(Chat("chat", {}), COMPLETIONS.name).stream(call(True), None))
    )
    assert [choice["text"] for chunk in chunks for choice in chunk["choices"]] == ["a", "b"]


def test_what_the_provider_drops_has_the_clients_name():
    asked = call(unsupported="drop", logprobs=3, suffix="x")
    asyncio.run(bridged(Chat("chat", {}), COMPLETIONS.name).send(asked, None))
    assert asked.dropped == ["suffix", "logprobs"]
    asked = call(True, unsupported="drop", logprobs=3)

    async def first():
        stream = bridged(Chat("chat", {}), COMPLETIONS.name).stream(asked, None)
        await anext(stream)
        await stream.aclose()

    asyncio.run(first())
    assert asked.dropped == ["logprobs"], "the header is sent with the first chunk"


@pytest.mark.parametrize("stream", [False, True])
def test_what_the_provider_refuses_has_the_clients_name(stream):
    served = bridged(Chat("chat", {}), COMPLETIONS.name)
    asked = call(stream, stop="x")
    with pytest.raises(ProviderError) as refused:
        asyncio.run(drain(served.stream(asked, None)) if stream else served.send(asked, None))
    assert refused.value.param == "prompt"


def test_what_the_provider_keeps_is_kept():
    asked = call()
    chat = Chat("chat", {})
    asyncio.run(bridged(chat, COMPLETIONS.name).send(asked, None))
    chat.seen.keep("t", 1)
    assert asked.kept == {"t": 1}


def test_a_stream_that_is_left_closes_the_providers():
    chat = Chat("chat", {})

    async def leave():
        stream = bridged(chat, COMPLETIONS.name).stream(call(True), None)
        await anext(stream)
        await stream.aclose()

    asyncio.run(leave())
    assert chat.closed


class Ending(Chat):
    """Ends the choice, and then fails, or is silent."""

    def __init__(self, error):
        super().__init__("chat", {})
        self.error = error

    async def stream(self, call, http):
        try:
            yield [messages.chunk(content="Hi."), messages.chunk("stop")]
            if self.error:
                raise self.error
            await asyncio.Event().wait()
        finally:
            self.closed = True


@pytest.mark.parametrize("error", [None, ProviderError(502, "It broke off.")])
def test_behind_the_end_of_the_choice_nothing_goes_wrong(monkeypatch, error):
    monkeypatch.setattr(base, "END_SECONDS", 0.01)
    chat = Ending(error)
    served = base.BridgedProvider(chat, MessagesToChat())
    made = asyncio.run(drain(served.stream(messages.call(stream=True), None)))
    assert [event["type"] for event in made[-3:]] == [
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert chat.closed


def test_before_the_end_of_the_choice_a_failure_is_one():
    class Failing(Ending):
        async def stream(self, call, http):
            yield [messages.chunk(content="Hi.")]
            raise self.error

    served = base.BridgedProvider(Failing(ProviderError(502, "x")), MessagesToChat())
    with pytest.raises(ProviderError):
        asyncio.run(drain(served.stream(messages.call(stream=True), None)))
