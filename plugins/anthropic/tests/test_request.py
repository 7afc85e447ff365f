from __future__ import annotations

import json

import orjson
import pytest

from tornado_router.provider import ProviderError

from .support import (
    ADAPTIVE,
    BUDGET,
    NEWEST,
    Claude,
    make_call,
    system,
    text,
    user,
)


def refused(claude, **fields):
    with pytest.raises(ProviderError) as error:
        claude.body(user("x"), **fields)
    assert error.value.code == "unsupported_parameter"
    return error.value.param


def dropped(claude, **fields):
    call = make_call(user("x"), unsupported="drop", **fields)
    return claude.body(call=call), call.dropped


def test_the_smallest_request(claude):
    assert claude.body(user("x")) == {
        "model": BUDGET,
        "max_tokens": 32_000,
        "messages": [user("x")],
    }


def test_a_stream_is_asked_for(claude):
    body = claude.body(user("x"), stream=True, stream_options={"include_usage": True})
    assert body["stream"] is True
    assert "stream_options" not in body


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8}, 8),
        ({"max_tokens": 7, "max_completion_tokens": 8}, 7),
        ({"max_tokens": 9, "max_completion_tokens": 8}, 8),
        ({"max_tokens": 7, "max_completion_tokens": None}, 7),
        ({"max_tokens": None, "max_completion_tokens": 7}, 7),
        ({"max_tokens": -1, "max_completion_tokens": 7}, 7),
        ({"max_tokens": -1}, 32_000),
        ({"model": "claude-3-haiku-20240307"}, 4096),
        ({}, 32_000),
    ],
)
def test_max_tokens(claude, fields, limit):
    assert claude.body(user("x"), **fields)["max_tokens"] == limit


def test_max_tokens_of_the_operators():
    claude = Claude(max_tokens=99)
    assert claude.body(user("x"))["max_tokens"] == 99
    assert claude.body(user("x"), max_tokens=7)["max_tokens"] == 7


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [
        ("claude-3-haiku-20240307", {"temperature": 0, "top_p": 0}, {"temperature": 0, "top_p": 0}),
        (BUDGET, {"temperature": 0}, {"temperature": 0}),
        (BUDGET, {"top_p": 0.5}, {"top_p": 0.5}),
        (BUDGET, {"temperature": 1, "top_p": 0.5}, {"top_p": 0.5}),
        (BUDGET, {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5}),
        (BUDGET, {"top_k": 5}, {"top_k": 5}),
        (NEWEST, {"temperature": 1, "top_p": 1.0}, {}),
    ],
)  # fmt: skip
def test_sampling(claude, model, given, sent):
    body = claude.body(user("x"), model=model, **given)
    assert {n: body[n] for n in ("temperature", "top_p", "top_k") if n in body} == sent


@pytest.mark.parametrize(
    ("model", "given", "param", "left"),
    [
        (BUDGET, {"temperature": 1.5}, "temperature", {}),
        (BUDGET, {"temperature": 0.5, "top_p": 0.5}, "top_p", {"temperature": 0.5}),
        (BUDGET, {"temperature": 0.5, "reasoning_effort": "low"}, "temperature", {}),
        (BUDGET, {"top_p": 0.5, "reasoning_effort": "low"}, "top_p", {}),
        (NEWEST, {"temperature": 0}, "temperature", {}),
        (NEWEST, {"top_k": 3}, "top_k", {}),
        ("claude-opus-4-7", {"top_p": 0.5}, "top_p", {}),
    ],
)
def test_sampling_that_the_model_does_not_take(claude, model, given, param, left):
    assert refused(claude, model=model, **given) == param
    body, paths = dropped(claude, model=model, **given)
    assert {n: body[n] for n in ("temperature", "top_p", "top_k") if n in body} == left
    assert paths == [param]


def test_top_p_may_be_high_with_thinking(claude):
    body = claude.body(user("x"), top_p=0.97, reasoning_effort="low", model=ADAPTIVE)
    assert body["top_p"] == 0.97


def test_the_newer_api_version_knows_no_sampling():
    claude = Claude(version="2026-10-21")
    assert refused(claude, temperature=0.5) == "temperature"
    assert "temperature" not in claude.body(user("x"), temperature=1)


@pytest.mark.parametrize(
    ("stop", "sent"), [("a", ["a"]), (["a", "\n\nb"], ["a", "\n\nb"]), ("", None)]
)
def test_stop(claude, stop, sent):
    assert claude.body(user("x"), stop=stop).get("stop_sequences") == sent


def test_stop_at_blanks(claude):
    assert refused(claude, stop=["a", "\n"]) == "stop"
    body, paths = dropped(claude, stop=["a", "\n"])
    assert body["stop_sequences"] == ["a"]
    assert paths == ["stop"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2),
        ("logprobs", True),
        ("logit_bias", {"1": 2}),
        ("seed", 1),
        ("presence_penalty", 0.5),
        ("frequency_penalty", -0.5),
        ("web_search_options", {}),
        ("moderation", {"model": "m"}),
        ("something_new", 1),
    ],
)
def test_what_the_vendor_cannot_do(claude, name, value):
    assert refused(claude, **{name: value}) == name
    body, paths = dropped(claude, **{name: value})
    assert paths == [name]
    assert name not in body


def test_what_asks_for_nothing_is_no_trouble(claude):
    body = claude.body(
        user("x"),
        n=1,
        logprobs=False,
        logit_bias={},
        presence_penalty=0,
        frequency_penalty=0.0,
        modalities=["text"],
        verbosity="medium",
        response_format={"type": "text"},
        tools=[],
    )
    assert body.keys() == {"model", "max_tokens", "messages"}


def test_hints_are_dropped_and_told(claude):
    hints = {
        "metadata": {"a": "b"},
        "store": True,
        "verbosity": "low",
        "prediction": {"type": "content", "content": "x"},
    }
    call = make_call(user("x"), **hints)
    assert claude.body(call=call).keys() == {"model", "max_tokens", "messages"}
    assert sorted(call.dropped) == sorted(hints)


def test_who_asks(claude):
    assert claude.body(user("x"), user="u")["metadata"] == {"user_id": "u"}
    both = claude.body(user("x"), user="u", safety_identifier="s")
    assert both["metadata"] == {"user_id": "s"}
    call = make_call(user("x"), user="u" * 257)
    assert "metadata" not in claude.body(call=call)
    assert call.dropped == ["user"]


@pytest.mark.parametrize(
    ("tier", "sent", "paths"),
    [("auto", None, []), ("default", "standard_only", []), ("flex", None, ["service_tier"])],
)
def test_service_tier(claude, tier, sent, paths):
    call = make_call(user("x"), service_tier=tier)
    assert claude.body(call=call).get("service_tier") == sent
    assert call.dropped == paths


def test_any_json_object_is_asked_for_in_words(claude):
    call = make_call(system("Be brief."), user("x"), response_format={"type": "json_object"})
    body = claude.body(call=call)
    assert body["system"][0]["text"] == "Be brief."
    assert "JSON object" in body["system"][1]["text"]
    assert call.dropped == ["response_format"]


def test_a_schema_keeps_its_description(claude):
    wanted = {"name": "a", "description": "A city.", "schema": {"type": "object"}}
    body = claude.body(user("x"), response_format={"type": "json_schema", "json_schema": wanted})
    assert body["output_config"]["format"]["schema"] == {
        "type": "object",
        "description": "A city.",
        "additionalProperties": False,
    }


def test_thoughts_can_be_shown():
    claude = Claude(reasoning_content=True)
    assert claude.body(user("x"), model=NEWEST)["thinking"] == {
        "type": "adaptive",
        "display": "summarized",
    }
    assert "thinking" not in claude.body(user("x"), model=ADAPTIVE)


def test_numbers_beyond_64_bits_pass(claude):
    schema = {"type": "object", "properties": {"a": {"const": 2**70}}}
    call = make_call(
        user("x"), tools=[{"type": "function", "function": {"name": "f"}}], max_tokens=5
    )
    call.body["tools"][0]["function"]["parameters"] = schema
    request = claude.chat.build_request(call)
    assert json.loads(request.body)["tools"][0]["input_schema"] == schema


def test_what_is_nested_too_deeply_is_refused(claude):
    schema = {"type": "string"}
    for _ in range(900):
        schema = {"type": "array", "items": schema}
    wanted = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
    call = make_call(user("x"))
    call.body["response_format"] = wanted
    with pytest.raises(ProviderError) as error:
        claude.chat.build_request(call)
    assert (error.value.status, error.value.param) == (400, "messages")


def test_the_clients_body_is_left_as_it_is(claude):
    call = make_call(
        system([text("a", cache_control={"type": "ephemeral"})]),
        user([text("b")]),
        response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": {}}},
        reasoning_effort="low",
        stop=["x"],
    )
    claude.body(call=call)
    assert orjson.dumps(call.body) == call.raw
