"""Reasoning beside tool calls: kept, and put back for vendors that want it."""

import json
from typing import ClassVar

import orjson
import pytest

from tornado_router.provider import Call, Event, UpstreamResponse
from tornado_router_openai import register_providers

PRESETS = register_providers()
USER = {"role": "user", "content": "hi"}
KEEPERS = ["deepseek", "moonshot"]


def endpoint(name):
    return PRESETS[name]("it", {"api_key": "k"}).endpoints["chat.completions"]


def call(*messages, model="m", memory=None):
    body = {"model": "m", "messages": [USER, *messages]}
    raw = json.dumps(body).encode()
    return Call("id", "chat.completions", model, body, raw, False, memory=memory or {})


def tool_call(name):
    return {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}}


def reply(*ids, **fields):
    calls = [tool_call(name) for name in ids]
    return {"role": "assistant", "content": "", "tool_calls": calls, **fields}


def kept_whole(name, *messages):
    served = call()
    choices = [{"index": i, "message": message} for i, message in enumerate(messages)]
    response = UpstreamResponse(200, {}, orjson.dumps({"choices": choices}))
    endpoint(name).parse_response(served, response)
    return served.kept


def kept_streamed(name, *choices):
    served = call()
    parser = endpoint(name).parse_stream(served)
    raws = []
    for choice in choices:
        raws += [chunk.raw for chunk in parser.feed(Event(orjson.dumps({"choices": [choice]})))]
    raws += [*parser.feed(Event(b"[DONE]"))]
    assert parser.done
    assert not [*parser.finish()]
    assert raws == [orjson.dumps({"choices": [choice]}) for choice in choices]
    return served.kept


def sent(name, message, **how):
    request = endpoint(name).build_request(call(message, **how))
    return json.loads(request.body)["messages"][1]


@pytest.mark.parametrize("name", KEEPERS)
class TestKeeping:
    @pytest.mark.parametrize("text", ["I call it.", ""])
    def test_whole(self, name, text):
        kept = kept_whole(name, reply("a", "b", reasoning_content=text))
        assert kept == {"a": {"model": "m", "reasoning_content": text}}

    def test_streamed(self, name):
        def delta(index, finish=None, **fields):
            return {"index": index, "delta": fields, "finish_reason": finish}

        kept = kept_streamed(
            name,
            delta(0, role="assistant", reasoning_content=""),
            delta(0, reasoning_content="I "),
            delta(1, reasoning_content="You"),
            delta(0, reasoning_content="call."),
            delta(0, tool_calls=[{"index": 0, **tool_call("a")}]),
            delta(0, tool_calls=[{"index": 1, **tool_call("b")}]),
            delta(1, tool_calls=[{"index": 0, **tool_call("c")}]),
            delta(0, tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]),
            delta(0, "tool_calls"),
            delta(1, "tool_calls"),
        )
        assert {key: value["reasoning_content"] for key, value in kept.items()} == {
            "a": "I call.",
            "c": "You",
        }

    @pytest.mark.parametrize(
        "message",
        [
            {"role": "assistant", "content": "x", "reasoning_content": "y"},
            reply("a"),
            reply("a", reasoning_content=None),
            reply("a", reasoning_content=["x"]),
            {**reply(), "tool_calls": [{}, None], "reasoning_content": "y"},
        ],
    )
    def test_nothing_where_there_is_nothing_to_keep(self, name, message):
        assert kept_whole(name, message) == {}


@pytest.mark.parametrize("name", KEEPERS)
class TestPuttingBack:
    MEMORY: ClassVar = {"b": {"model": "m", "reasoning_content": "I call it."}}

    @pytest.mark.parametrize("missing", [{}, {"reasoning_content": None}])
    def test_it_is_found_by_any_of_the_calls(self, name, missing):
        message = sent(name, reply("a", "b", **missing), memory=self.MEMORY)
        assert message["reasoning_content"] == "I call it."

    def test_what_the_client_has_stays(self, name):
        message = sent(name, reply("b", reasoning_content="mine"), memory=self.MEMORY)
        assert message["reasoning_content"] == "mine"

    def test_an_empty_one_where_none_is_known(self, name):
        assert sent(name, reply("c"), memory=self.MEMORY)["reasoning_content"] == ""

    def test_a_model_is_shown_no_others(self, name):
        assert sent(name, reply("b"), memory=self.MEMORY, model="x")["reasoning_content"] == ""

    @pytest.mark.parametrize(
        "kept", [7, [], {"model": "m"}, {"model": "m", "reasoning_content": 5}, {}]
    )
    def test_broken_memory_does_no_harm(self, name, kept):
        assert sent(name, reply("b"), memory={"b": kept})["reasoning_content"] == ""

    def test_none_without_a_tool_call(self, name):
        message = {"role": "assistant", "content": "x"}
        assert sent(name, message, memory=self.MEMORY) == message

    def test_the_core_is_asked(self, name):
        assert PRESETS[name].remembers


@pytest.mark.parametrize("name", sorted(set(PRESETS) - {*KEEPERS, "azure"}))
def test_others_keep_nothing(name):
    assert not PRESETS[name].remembers
    assert kept_whole(name, reply("a", reasoning_content="x")) == {}
