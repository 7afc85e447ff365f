"""Several choices by a provider that has one: asked as often, and one response of all."""

import asyncio
import contextlib
from typing import ClassVar

import orjson
import pytest

from tornado_router.endpoints import CHAT_COMPLETIONS, COMPLETIONS, RESPONSES
from tornado_router.endpoints.bridges import bridged
from tornado_router.endpoints.bridges.many_choices import MOST, _sum
from tornado_router.errors import ProviderError
from tornado_router.provider import Call, Params, Provider, Relayed

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 3},
    "tier": "x",
}


class One(Provider):
    """Has one choice, and numbers what it says; the call number `fails` is refused."""

    capabilities: ClassVar = {CHAT_COMPLETIONS.name: ("stream",)}
    fails = None
    usage: ClassVar = USAGE

    def __init__(self):
        super().__init__("one", {})
        self.calls, self.cancelled = [], 0
        self.together = asyncio.Event()
        self.wanted = 3

    async def _begin(self, call):
        number = len(self.calls)
        self.calls.append(call)
        params = Params(call, hints=("seed",))
        params.take("messages")
        params.finish()
        assert orjson.loads(call.raw) == call.body
        if len(self.calls) == self.wanted:
            self.together.set()
        try:
            async with asyncio.timeout(10):
                await self.together.wait()  # none is served unless all were asked at once
            if number == self.fails:
                raise ProviderError(429, "slow down")
            if self.fails is not None:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return number

    async def send(self, call, http):
        number = await self._begin(call)
        choice = {"index": 0, "message": {"content": f"t{number}"}, "finish_reason": "stop"}
        body = {"id": f"c{number}", "choices": [choice], "usage": self.usage}
        return Relayed(body, b"{}")

    async def stream(self, call, http):
        number = await self._begin(call)
        for piece in "ab":
            choice = {"index": 0, "delta": {"content": f"{piece}{number}"}}
            yield [{"id": f"c{number}", "choices": [choice], "usage": None}]
        end = {"index": 0, "delta": {}, "finish_reason": "stop"}
        yield [{"id": f"c{number}", "choices": [end]}, {"choices": [], "usage": self.usage}]


def call(stream=False, **fields):
    user = {"role": "user", "content": "x"}
    body = {"model": "m", "messages": [user], "n": 3, **fields}
    return Call("r1", CHAT_COMPLETIONS.name, "m", body, orjson.dumps(body), stream, "adapt")


def server(provider, choices=3):
    return bridged(provider, CHAT_COMPLETIONS.name, choices=choices)


def whole(provider, asked):
    return asyncio.run(server(provider).send(asked, None))


async def drain(batches):
    return [chunk async for batch in batches for chunk in batch]


def test_a_whole_response_has_all_choices_and_their_usage():
    provider, asked = One(), call(seed=7)
    made = whole(provider, asked)
    assert [(it["index"], it["message"]["content"]) for it in made["choices"]] == [
        (0, "t0"),
        (1, "t1"),
        (2, "t2"),
    ]
    assert (made["id"], made["usage"]) == (
        "c0",
        {
            "prompt_tokens": 30,
            "completion_tokens": 6,
            "prompt_tokens_details": {"cached_tokens": 9},
            "tier": "x",
        },
    )
    assert [one.body["seed"] for one in provider.calls] == [7, 8, 9]
    assert not any("n" in one.body for one in provider.calls)
    assert asked.dropped == ["seed"]


def test_without_the_usage_of_one_there_is_none():
    provider = One()
    provider.usage = None
    assert "usage" not in whole(provider, call())


def test_a_stream_has_chunks_of_each_and_one_usage_last():
    chunks = asyncio.run(drain(server(One()).stream(call(stream=True), None)))
    *said, last = chunks
    texts = {0: "", 1: "", 2: ""}
    for chunk in said:
        for choice in chunk["choices"]:
            texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == {0: "a0b0", 1: "a1b1", 2: "a2b2"}
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert not any("usage" in chunk for chunk in said)
    assert (last["choices"], last["usage"]["prompt_tokens"]) == ([], 30)
    encoder = CHAT_COMPLETIONS.encoder(call(stream=True))
    for chunk in chunks:
        encoder.encode(chunk)
    assert encoder.complete
    assert encoder.usage().completion_tokens == 6


@pytest.mark.parametrize("stream", [False, True])
def test_if_one_fails_the_others_end(stream):
    async def story():
        provider = One()
        provider.fails = 1
        many, asked = server(provider), call(stream=stream)
        serve = drain(many.stream(asked, None)) if stream else many.send(asked, None)
        with pytest.raises(ProviderError) as caught:
            await serve
        return provider, caught.value

    provider, error = asyncio.run(story())
    assert (error.status, provider.cancelled) == (429, 2)


def test_what_fails_behind_the_end_of_a_choice_spoils_nothing():
    class Breaks(One):
        async def stream(self, call, http):
            batches = super().stream(call, http)
            async for batch in batches:
                yield batch[:1]
            raise ProviderError(503, "gone")

    chunks = asyncio.run(drain(server(Breaks()).stream(call(stream=True), None)))
    ends = [it["index"] for chunk in chunks for it in chunk["choices"] if "finish_reason" in it]
    assert sorted(ends) == [0, 1, 2]


def test_a_client_that_leaves_ends_all():
    async def story():
        provider = One()
        provider.fails = 99
        stream = server(provider).stream(call(stream=True), None)
        first = asyncio.get_running_loop().create_task(anext(stream), name="first")
        await provider.together.wait()
        await asyncio.sleep(0)
        first.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await first
        return provider.cancelled

    assert asyncio.run(story()) == 3


def test_who_is_asked_often():
    many = type("Many", (One,), {"capabilities": {CHAT_COMPLETIONS.name: ("n",)}})()
    assert server(many) is many
    for choices in (1, MOST + 1):
        one = One()
        assert server(one, choices) is one
    assert server(One(), MOST) is not None


def test_bridges_stand_in_front_of_it_or_behind():
    provider = One()
    body = {"model": "m", "prompt": "x", "n": 3}
    asked = Call("r1", COMPLETIONS.name, "m", body, b"{}", False, "drop")
    made = asyncio.run(bridged(provider, COMPLETIONS.name, choices=3).send(asked, None))
    assert [choice["text"] for choice in made["choices"]] == ["t0", "t1", "t2"]

    class OfResponses(One):
        capabilities: ClassVar = {RESPONSES.name: ()}

        async def send(self, call, http):
            self.calls.append(call)
            part = {"type": "output_text", "text": "hi"}
            return {"output": [{"type": "message", "content": [part]}], "created_at": 5}

    provider = OfResponses()
    made = whole(provider, call())
    assert [choice["message"]["content"] for choice in made["choices"]] == ["hi"] * 3
    assert {one.endpoint for one in provider.calls} == {RESPONSES.name}


@pytest.mark.parametrize("odd", [{"tier": 5}, {"prompt_tokens_details": 5}, {"tier": {"a": 1}}])
def test_usage_of_other_shapes_spoils_no_response(odd):
    shapes = [USAGE, USAGE | odd, USAGE, USAGE | odd]
    for given in (shapes, shapes[1:]):
        assert _sum(given)["prompt_tokens"] == 10 * len(given)
