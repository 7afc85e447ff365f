from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.provider import ProviderError

from .support import (
    BUDGET,
    NEWEST,
    Claude,
    assistant,
    make_call,
    result,
    system,
    text,
    tool,
    tool_call,
    user,
)


def refused(claude, *messages, **how):
    with pytest.raises(ProviderError) as error:
        claude.body(*messages, **how)
    assert error.value.status == 400
    return error.value.param


def test_names_are_noted_once(claude):
    call = make_call(user("a", name="Ann"), user("b", name="Bob"))
    claude.body(call=call)
    assert call.dropped == ["messages.name"]


def test_a_result_without_a_call_is_refused(claude):
    assert refused(claude, user("x"), result("a")) == "messages[1].tool_call_id"


def test_a_call_without_a_result_is_refused(claude):
    calls = [tool_call("a"), tool_call("b")]
    assert refused(claude, user("x"), assistant(None, *calls), result("a"), user("y")) == (
        "messages[1].tool_calls"
    )
    assert refused(claude, user("x"), assistant(None, *calls)) == "messages[1].tool_calls"


def test_ids_of_other_vendors_are_written_in_letters_that_this_one_takes(claude):
    odd = "functions.get_weather:0"
    body = claude.body(user("x"), assistant(None, tool_call(odd)), result(odd), tools=[tool()])
    made = body["messages"][1]["content"][0]["id"]
    assert re.fullmatch("toolu_[a-f0-9]{24}", made)
    assert body["messages"][2]["content"][0]["tool_use_id"] == made


def test_ids_that_come_again_are_told_apart(claude):
    once = (assistant(None, tool_call("call_0")), result("call_0", "1"))
    twice = (assistant(None, tool_call("call_0")), result("call_0", "2"), result("call_0", "3"))
    twice[0]["tool_calls"] *= 2
    body = claude.body(user("x"), *once, *twice, tools=[tool()])
    uses = [b["id"] for turn in body["messages"][1::2] for b in turn["content"]]
    results = [b["tool_use_id"] for turn in body["messages"][2::2] for b in turn["content"]]
    assert uses == results == ["call_0", "call_0_1", "call_0_2"]


@pytest.mark.parametrize("arguments", ["", "{}", " {} "])
def test_no_arguments(claude, arguments):
    body = claude.body(user("x"), assistant(None, tool_call("a", arguments=arguments)), result("a"))
    assert body["messages"][1]["content"][0]["input"] == {}


@pytest.mark.parametrize("arguments", ['{"city": "Par', "[1]", "null", "7"])
def test_arguments_that_are_no_object_are_kept_as_text(claude, arguments):
    call = make_call(user("x"), assistant(None, tool_call("a", arguments=arguments)), result("a"))
    body = claude.body(call=call)
    assert body["messages"][1]["content"][0]["input"] == {"arguments": arguments}
    assert call.dropped == ["messages[1].tool_calls[0].function.arguments"]


def test_calls_of_another_vendors_custom_tools_are_kept(claude):
    custom = {"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    body = claude.body(user("x"), assistant(None, custom), result("a"))
    assert body["messages"][1]["content"][0] == {
        "type": "tool_use",
        "id": "a",
        "name": "sh",
        "input": {"input": "ls"},
    }


def test_past_calls_are_of_tools_that_are_defined(claude):
    body = claude.body(user("x"), assistant(None, tool_call("a")), result("a"))
    assert body["tools"] == [{"name": "get_weather", "input_schema": {"type": "object"}}]
    assert body["tool_choice"] == {"type": "none"}


def test_legacy_functions(claude):
    called = {"name": "f", "arguments": '{"a":1}'}
    body = claude.body(
        user("x"),
        assistant(None, function_call=called),
        {"role": "function", "name": "f", "content": "1"},
        assistant(None, function_call=called),
        {"role": "function", "name": "f", "content": "2"},
        functions=[{"name": "f", "parameters": {"type": "object"}}],
    )
    uses = [turn["content"][0] for turn in body["messages"][1::2]]
    results = [turn["content"][0] for turn in body["messages"][2::2]]
    assert [item["input"] for item in uses] == [{"a": 1}, {"a": 1}]
    assert [item["id"] for item in uses] == [item["tool_use_id"] for item in results]
    assert uses[0]["id"] != uses[1]["id"]
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_a_legacy_result_without_a_call_is_refused(claude):
    message = {"role": "function", "name": "f", "content": "1"}
    assert refused(claude, user("x"), message) == "messages[1].name"


def test_refusals_are_what_was_said(claude):
    parts = [{"type": "refusal", "refusal": "No."}]
    never = assistant(None, refusal="Never.")
    body = claude.body(user("a"), assistant(parts), user("b"), never, user("c"))
    said = [turn["content"][0]["text"] for turn in body["messages"][1::2]]
    assert said == ["No.", "Never."]


def test_sound_of_the_assistants_is_refused(claude):
    message = assistant("a", audio={"id": "audio_1"})
    assert refused(claude, user("x"), message, user("y")) == "messages[1].audio"


def test_the_assistant_may_begin(claude):
    body = claude.body(assistant("Hello!"), user("Hi"))
    assert [turn["role"] for turn in body["messages"]] == ["assistant", "user"]


def test_a_prefill_where_the_model_takes_one(claude):
    body = claude.body(user("a"), assistant("The answer is \n"))
    assert body["messages"][1]["content"] == [text("The answer is")]


def test_a_prefill_where_it_takes_none(claude):
    assert refused(claude, user("a"), assistant("b"), model=NEWEST) == "messages[1]"
    call = make_call(user("a"), assistant("b"), model=NEWEST, unsupported="drop")
    assert claude.body(call=call)["messages"] == [user("a")]
    assert call.dropped == ["messages[1]"]
    assert refused(claude, assistant("b"), model=NEWEST, unsupported="drop") == "messages[0]"


@pytest.mark.parametrize("content", ["", " ", []])
def test_a_conversation_without_words_is_refused(claude, content):
    assert refused(claude, user(content)) == "messages"


TEXTS = st.sampled_from(["", " ", "a", "b"])
MESSAGES = st.lists(
    st.one_of(
        TEXTS.map(user),
        TEXTS.map(system),
        TEXTS.map(assistant),
        st.sampled_from("xy").map(lambda name: assistant(None, tool_call(name))),
        st.sampled_from("xy").map(result),
    ),
    min_size=1,
    max_size=12,
)


@given(MESSAGES, st.sampled_from([BUDGET, NEWEST]))
def test_turns_alternate_and_results_answer_the_calls_before_them(messages, model):
    try:
        body = Claude().body(*messages, model=model)
    except ProviderError:
        return  # that it names a field is the kit's to see
    turns = [turn for turn in body["messages"] if turn["role"] != "system"]
    called = []
    for before, turn in itertools.pairwise([{"role": "", "content": []}, *turns]):
        assert turn["role"] != before["role"]
        calls = [block["id"] for block in before["content"] if "input" in block]
        results = [block["tool_use_id"] for block in turn["content"] if "tool_use_id" in block]
        assert sorted(results) == sorted(calls)
        called += calls
    assert len(set(called)) == len(called)
    for index, turn in enumerate(body["messages"]):
        if turn["role"] == "system":
            assert body["messages"][index - 1]["role"] == "user"
            assert [m["role"] for m in body["messages"][index + 1 :]][:1] in ([], ["assistant"])


def test_a_call_of_an_unknown_type_is_refused(claude):
    odd = {"role": "assistant", "tool_calls": [{"type": "new"}]}
    assert refused(claude, user("a"), odd, user("b")) == "messages[1].tool_calls[0]"
