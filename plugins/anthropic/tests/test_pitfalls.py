"""What other gateways got wrong, each a test; the numbers are those of the project's own list."""

from __future__ import annotations

import itertools
import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.provider import ProviderError, UpstreamResponse
from tornado_router.sse import Decoder

from .support import (
    ADAPTIVE,
    BUDGET,
    NEWEST,
    Claude,
    argues,
    assistant,
    events,
    image,
    joined,
    make_call,
    message,
    recording,
    result,
    says,
    system,
    text,
    tool,
    tool_call,
    user,
    uses,
)

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmF0dXJl"}
REDACTED = {"type": "redacted_thinking", "data": "cmVkYWN0ZWQ="}
SCHEMA = {"name": "city", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}


def test_01_tool_messages_become_one_user_message(claude):
    body = claude.body(
        user("Paris and Rome?"),
        assistant(None, tool_call("call_1"), tool_call("call_2")),
        result("call_2", "rain"),
        result("call_1", "sun"),
        user("And?"),
        tools=[tool()],
    )
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "call_2", "content": "rain"},
        {"type": "tool_result", "tool_use_id": "call_1", "content": "sun"},
        text("And?"),
    ]


def test_01_results_come_first_even_if_the_user_spoke_before_them(claude):
    body = claude.body(
        user("Paris?"),
        assistant(None, tool_call("call_1")),
        user("Quick!"),
        result("call_1"),
        tools=[tool()],
    )
    kinds = [block["type"] for block in body["messages"][2]["content"]]
    assert kinds == ["tool_result", "text"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("auto", {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"type": "any", "disable_parallel_tool_use": True}),
        ("none", {"type": "none"}),
        (
            {"type": "function", "function": {"name": "get_weather"}},
            {"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True},
        ),
    ],
)
def test_02_parallel_tool_calls_lives_in_tool_choice(claude, choice, expected):
    body = claude.body(user("x"), tools=[tool()], tool_choice=choice, parallel_tool_calls=False)
    assert body["tool_choice"] == expected


def test_02_parallel_tool_calls_forces_nothing_by_itself(claude):
    assert "tool_choice" not in claude.body(user("x"), tools=[tool()], parallel_tool_calls=True)
    assert "tool_choice" not in claude.body(user("x"), parallel_tool_calls=False)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        (
            {"type": "function", "function": {"name": "get_weather"}},
            {"type": "tool", "name": "get_weather"},
        ),
        ("auto", None),
        (None, None),
    ],
)
def test_03_tool_choice_stays_what_it_is(claude, choice, expected):
    body = claude.body(user("x"), tools=[tool()], tool_choice=choice)
    assert body.get("tool_choice") == expected
    assert [item["name"] for item in body["tools"]] == ["get_weather"]


@pytest.mark.parametrize(("mode", "expected"), [("auto", None), ("required", {"type": "any"})])
def test_03_allowed_tools_leaves_the_others_out(claude, mode, expected):
    named = [{"type": "function", "function": {"name": "b"}}]
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}
    body = claude.body(user("x"), tools=[tool("a"), tool("b")], tool_choice=choice)
    assert [item["name"] for item in body["tools"]] == ["b"]
    assert body.get("tool_choice") == expected


def test_04_tool_indexes_rise_from_zero_whatever_the_block_index(claude):
    chunks = claude.chunks(
        events(
            [text(""), says("Hm")],
            [uses("a"), argues('{"city": "X"}')],
            [uses("b"), argues('{"city": "Y"}')],
            stop_reason="tool_use",
        )
    )
    found = [
        item for c in chunks for x in c["choices"] for item in x["delta"].get("tool_calls", ())
    ]
    assert [item["index"] for item in found] == [0, 0, 1, 1]
    assert found[0] == {
        "index": 0,
        "id": "a",
        "type": "function",
        "function": {"name": "get_weather", "arguments": ""},
    }


def test_05_text_and_tools_are_both_there(claude):
    answer = joined(claude.chunks("tool"))
    assert answer.text == "Okay, let me check."
    assert [call["name"] for call in answer.calls] == ["get_weather"]
    assert answer.reason == "tool_calls"
    whole = claude.answer("tool")["choices"][0]
    assert whole["message"]["content"] == answer.text
    assert whole["finish_reason"] == "tool_calls"


def test_05_text_in_the_start_of_a_block_is_not_lost(claude):
    assert joined(claude.chunks(events([text("He"), says("llo")]))).text == "Hello"


def test_06_fragments_belong_to_the_call_that_is_being_sent(claude):
    calls = joined(claude.chunks("tools_parallel")).calls
    assert [(call["id"], json.loads(call["arguments"])) for call in calls] == [
        ("toolu_01Par1", {"city": "Paris"}),
        ("toolu_01Par2", {"city": "Rome"}),
        ("toolu_01Par3", {}),
    ]


@pytest.mark.parametrize("deltas", [[], [argues("")]])
def test_07_a_call_without_arguments_has_json_all_the_same(claude, deltas):
    found = claude.chunks(events([uses("a"), *deltas], stop_reason="tool_use"))
    assert joined(found).calls[0]["arguments"] == "{}"
    whole = claude.answer(message(uses("a"), stop_reason="tool_use"))
    assert whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_07_arguments_that_come_with_the_start_are_not_lost(claude):
    found = claude.chunks(events([uses("a", city="Bern")], stop_reason="tool_use"))
    assert joined(found).calls[0]["arguments"] == '{"city":"Bern"}'


def test_07_a_stream_without_usage_ends(claude):
    start, *middle, delta, stop = events([text(""), says("Hi")])
    del start["message"]["usage"], delta["usage"]
    chunks = claude.chunks([start, *middle, delta, stop])
    assert joined(chunks).reason == "stop"
    assert not any(chunk.get("usage") for chunk in chunks)


@pytest.mark.parametrize("content", [None, "", " \n", []])
def test_08_empty_text_is_left_out_of_replays(claude, content):
    body = claude.body(
        user("x"),
        assistant(content, tool_call("call_1")),
        result("call_1"),
        assistant(content),
        user([text(""), text("y")]),
        tools=[tool()],
    )
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]
    assert body["messages"][2]["content"][1:] == [text("y")]


def test_08_empty_text_of_the_vendors_is_left_out_of_answers(claude):
    whole = claude.answer(message(text(""), uses("a"), stop_reason="tool_use"))
    assert whole["choices"][0]["message"]["content"] is None


def test_09_messages_of_one_role_are_merged(claude):
    body = claude.body(
        user("a"), user("b"), assistant("c"), assistant("d"), user([text("e")]), user("f")
    )
    assert [(m["role"], [b["text"] for b in m["content"]]) for m in body["messages"]] == [
        ("user", ["a", "b"]),
        ("assistant", ["c", "d"]),
        ("user", ["e", "f"]),
    ]


@pytest.mark.parametrize("role", ["system", "developer"])
def test_10_an_instruction_in_the_middle_stays_there(claude, role):
    body = claude.body(
        system("At first", role),
        user("a"),
        assistant("b"),
        system("From now on", role),
        user("c"),
        assistant("d"),
        user("e"),
        model="claude-opus-4-8",
    )
    assert body["system"] == "At first"
    assert [(turn["role"], turn["content"]) for turn in body["messages"]] == [
        ("user", "a"),
        ("assistant", [text("b")]),
        ("user", "c"),
        ("system", "From now on"),
        ("assistant", [text("d")]),
        ("user", "e"),
    ]


@pytest.mark.parametrize("model", [BUDGET, ADAPTIVE, "claude-opus-4-7", "claude-sonnet-5"])
def test_10_an_older_model_is_told_in_the_users_turn(claude, model):
    body = claude.body(system("At first"), user("a"), system("Now"), user("b"), model=model)
    assert body["system"] == "At first"
    assert body["messages"] == [user([text("a"), text("<system>\nNow\n</system>"), text("b")])]


@pytest.mark.parametrize("model", [BUDGET, NEWEST])
def test_10_an_instruction_between_call_and_result_comes_behind_the_result(claude, model):
    body = claude.body(
        user("a"),
        assistant(None, tool_call("call_1")),
        system("Now"),
        result("call_1"),
        tools=[tool()],
        model=model,
    )
    turn, *rest = body["messages"][2:]
    assert turn["content"][0]["type"] == "tool_result"
    told = [*turn["content"][1:], *rest]
    assert told == (
        [{"role": "system", "content": "Now"}]
        if model == NEWEST
        else [text("<system>\nNow\n</system>")]
    )


def test_10_an_instruction_that_no_user_precedes_is_not_lost(claude):
    body = claude.body(user("a"), assistant("b"), system("Now"), model=NEWEST)
    assert body["messages"][2] == user("<system>\nNow\n</system>")


def test_10_nothing_but_instructions_becomes_a_users_turn(claude):
    body = claude.body(system("Say hi"), model=NEWEST)
    assert body["messages"] == [user("Say hi")]
    assert "system" not in body


def test_11_usage_is_put_together_from_both_events(claude):
    usage = claude.chunks("cache")[-1]["usage"]
    assert usage == {
        "prompt_tokens": 12 + 456 + 7890,
        "completion_tokens": 3,
        "total_tokens": 12 + 456 + 7890 + 3,
        "prompt_tokens_details": {"cached_tokens": 7890, "cache_write_tokens": 456},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


def test_12_cached_tokens_are_part_of_the_prompt(claude):
    usage = claude.answer("cache")["usage"]
    assert usage["prompt_tokens"] == 12 + 456 + 7890
    assert usage["prompt_tokens_details"] == {"cached_tokens": 7890, "cache_write_tokens": 456}


def test_12_cache_writes_may_come_by_time_to_live_only(claude):
    usage = claude.answer("cache_split_only")["usage"]
    assert usage["prompt_tokens"] == 12 + 100 + 400 + 56
    assert usage["prompt_tokens_details"]["cache_write_tokens"] == 456


@pytest.mark.parametrize("streamed", [False, True])
def test_13_thoughts_come_back_where_they_were(claude, streamed):
    asked = {"model": NEWEST, "tools": [tool()], "reasoning_effort": "medium"}
    call = make_call(user("Paris and Rome?"), stream=streamed, **asked)
    if streamed:
        said = joined(claude.chunks("thinking_tools", call))
        text_, ids = said.text, [item["id"] for item in said.calls]
    else:
        said = claude.answer("thinking_tools", call)["choices"][0]["message"]
        text_, ids = said["content"], [item["id"] for item in said["tool_calls"]]
    assert list(call.kept) == ids[:1]
    calls = [tool_call(ids[0]), tool_call(ids[1], arguments='{"city":"Rome"}')]
    body = claude.body(
        user("Paris and Rome?"),
        assistant(text_, *calls),
        result(ids[0]),
        result(ids[1]),
        memory=orjson.loads(orjson.dumps(call.kept)),
        **asked,
    )
    vendors = orjson.loads(recording("thinking_tools").body)["content"]
    assert body["messages"][1]["content"] == vendors


def test_13_thoughts_come_first_in_a_message_that_was_edited(claude):
    call = make_call(user("x"), tools=[tool()], model=NEWEST)
    claude.answer(
        message(THOUGHT, text("Let me"), REDACTED, uses("a"), stop_reason="tool_use"), call
    )
    body = claude.body(
        user("x"),
        assistant("Let", tool_call("a", arguments="{}")),
        result("a"),
        tools=[tool()],
        model=NEWEST,
        memory=call.kept,
    )
    assert body["messages"][1]["content"] == [THOUGHT, REDACTED, text("Let"), uses("a")]


def test_13_a_turn_whose_thoughts_are_lost_is_ended_without_thinking(claude):
    call = make_call(
        user("x"),
        assistant(None, tool_call("a")),
        result("a"),
        tools=[tool()],
        reasoning_effort="high",
    )
    body = claude.body(call=call)
    assert "thinking" not in body
    assert call.dropped == ["reasoning_effort"]


def test_14_json_schema_is_native_and_goes_with_tools_and_thinking(claude):
    body = claude.body(
        user("x"),
        tools=[tool()],
        reasoning_effort="high",
        response_format={"type": "json_schema", "json_schema": SCHEMA},
        model=NEWEST,
    )
    assert body["output_config"] == {
        "effort": "high",
        "format": {
            "type": "json_schema",
            "schema": {**SCHEMA["schema"], "additionalProperties": False},
        },
    }
    assert [item["name"] for item in body["tools"]] == ["get_weather"]
    assert "tool_choice" not in body


def test_14_no_tool_stands_in_for_a_schema_that_the_model_cannot_do(claude):
    asked = {
        "response_format": {"type": "json_schema", "json_schema": SCHEMA},
        "model": "claude-opus-4-1",
    }
    with pytest.raises(ProviderError) as refused:
        claude.body(user("x"), **asked)
    assert refused.value.param == "response_format"
    call = make_call(user("x"), unsupported="drop", **asked)
    body = claude.body(call=call)
    assert "tools" not in body
    assert '"properties"' in body["system"]
    assert call.dropped == ["response_format"]


@pytest.mark.parametrize("name", ["error_overloaded", "error_first"])
def test_15_an_error_event_is_a_failure(claude, name):
    with pytest.raises(ProviderError) as failed:
        claude.chunks(name)
    assert failed.value.status == 529  # the core tells clients 503
    assert failed.value.retryable
    assert failed.value.headers == {"Retry-After": "5"}


def test_15_529_has_a_hint_when_to_come_back(claude):
    error = claude.provider.parse_error(recording("error_529"))
    assert (error.status, error.headers) == (529, {"Retry-After": "5"})
    given = UpstreamResponse(529, {"retry-after": "30"}, recording("error_529").body)
    assert claude.provider.parse_error(given).headers == {"Retry-After": "30"}


@pytest.mark.parametrize("name", ["text", "tool", "tools_parallel", "thinking_tools", "cache"])
def test_16_usage_comes_once_and_last_without_choices(claude, name):
    chunks = claude.chunks(name)
    assert [bool(chunk.get("usage")) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1]["choices"] == []


@given(st.lists(st.integers(1, 4000), max_size=30))
def test_25_chunks_are_the_same_however_the_bytes_are_split(cuts):
    claude, data = Claude(), recording("text", True).body
    decoder, parser = Decoder(), claude.chat.parse_stream(make_call(user("x"), stream=True))
    places = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in itertools.pairwise(places)]
    found = [event for piece in pieces for event in decoder.feed(piece)]
    chunks = [chunk for event in found for chunk in parser.feed(event)]
    assert joined(chunks).text == "Grüße aus Kyōto: 京都 🌸\u2028."


def test_25_data_without_a_space_is_read(claude):
    decoder, parser = Decoder(), claude.chat.parse_stream(make_call(user("x"), stream=True))
    data = recording("text", True).body.replace(b"data: ", b"data:").replace(b"\n", b"\r\n")
    chunks = [chunk for event in decoder.feed(data) for chunk in parser.feed(event)]
    assert joined(chunks).reason == "stop"


def test_25_a_truncated_stream_is_a_failure(claude):
    with pytest.raises(ProviderError) as failed:
        claude.chunks("error_truncated")
    assert failed.value.status == 502
    assert "anthropic" in failed.value.message


@pytest.mark.parametrize("content", ["", " ", [], [text("")]])
def test_25_an_empty_tool_result_is_one(claude, content):
    body = claude.body(
        user("x"), assistant(None, tool_call("a")), result("a", content), tools=[tool()]
    )
    assert body["messages"][2]["content"] == [{"type": "tool_result", "tool_use_id": "a"}]


def test_26_null_is_absence(claude):
    names = (
        "temperature",
        "top_p",
        "max_tokens",
        "max_completion_tokens",
        "stop",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "logprobs",
        "n",
        "user",
        "metadata",
        "seed",
        "functions",
        "logit_bias",
    )
    replayed = assistant(
        "b", refusal=None, audio=None, function_call=None, annotations=[], tool_calls=None
    )
    body = claude.body(
        user("a"),
        replayed,
        user([text("c"), image("https://example.com/a.png")]),
        **dict.fromkeys(names),
    )
    assert body.keys() == {"model", "max_tokens", "messages"}
    assert body == claude.body(
        user("a"), assistant("b"), user([text("c"), image("https://example.com/a.png")])
    )


def test_27_thoughts_are_shown_to_the_model_that_had_them_only(claude):
    call = make_call(user("x"), tools=[tool()], model=NEWEST)
    claude.answer(message(THOUGHT, uses("a"), stop_reason="tool_use"), call)
    for model, kinds in ((NEWEST, ["thinking", "tool_use"]), ("claude-opus-5", ["tool_use"])):
        body = claude.body(
            user("x"),
            assistant(None, tool_call("a")),
            result("a"),
            tools=[tool()],
            model=model,
            memory=call.kept,
        )
        assert [block["type"] for block in body["messages"][1]["content"]] == kinds
