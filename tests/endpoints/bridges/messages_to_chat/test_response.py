"""Whole chat completions as messages, by the types of Anthropic's SDK."""

import pytest
from anthropic.types import Message

from tests.messages import WEATHER, call, whole
from tornado_router.endpoints.bridges.messages_to_chat.response import message_of
from tornado_router.provider import ROUTER_SIGNATURE

USAGE = {
    "prompt_tokens": 100,
    "completion_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
THINKS = {"thinking": {"type": "adaptive"}}


def made(body, **asks):
    message = message_of(call(**asks), body)
    Message.model_validate({"usage": {"input_tokens": 0, "output_tokens": 0}, **message})
    return message


def calls(*functions):
    return [
        {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": given}}
        for index, (name, given) in enumerate(functions)
    ]


def test_a_text():
    assert made(whole(content="Hi.", usage=USAGE)) == {
        "id": "msg_r1",
        "type": "message",
        "role": "assistant",
        "model": "vendor-m",
        "content": [{"type": "text", "text": "Hi."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "cache_creation_input_tokens": 30,
            "cache_read_input_tokens": 60,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5},
        },
    }


def test_without_usage_there_is_none():
    assert "usage" not in made(whole(content="Hi."))


@pytest.mark.parametrize(("tier", "expected"), [("priority", "priority"), ("default", "standard")])
def test_the_tier_is_told_with_the_usage(tier, expected):
    body = {**whole(content="Hi.", usage=USAGE), "service_tier": tier}
    assert made(body)["usage"]["service_tier"] == expected


def test_text_and_parallel_calls():
    body = whole(
        "tool_calls",
        content="I look.",
        tool_calls=calls(("get_weather", '{"city": "Paris"}'), ("now", "{}")),
    )
    message = made(body)
    assert message["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call_0", "name": "get_weather", "input": {"city": "Paris"}},
        {"type": "tool_use", "id": "call_1", "name": "now", "input": {}},
    ]
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (None, {}),
        ("null", {}),
        ('""', {}),
        (" {} ", {}),
        ({"a": 1}, {"a": 1}),
        ('{"a": ', {"arguments": '{"a": '}),
        ("[1]", {"arguments": "[1]"}),
    ],
)
def test_the_input_of_a_tool_is_an_object(arguments, expected):
    (block,) = made(whole("tool_calls", tool_calls=calls(("f", arguments))))["content"]
    assert block["input"] == expected


def test_a_call_without_an_id_gets_one():
    body = whole(
        "tool_calls", tool_calls=[{"function": {"name": "f"}}, {"function": {"name": "g"}}]
    )
    ids = [block["id"] for block in made(body)["content"]]
    assert len(set(ids)) == 2


def test_a_tool_has_the_clients_name():
    name = "mcp__server__" + "x" * 100
    tool = {**WEATHER, "name": name}
    body = whole("tool_calls", tool_calls=calls((name[:64], "{}")))
    assert made(body, tools=[tool])["content"][0]["name"] == name


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_come_first_and_are_signed_as_ours(field):
    message = made(whole(content="Hi.", **{field: "Hm."}), **THINKS)
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": ROUTER_SIGNATURE},
        {"type": "text", "text": "Hi."},
    ]


def test_thoughts_in_two_fields_come_once():
    message = made(whole(content="Hi.", reasoning_content="Hm.", reasoning="Hm."), **THINKS)
    assert message["content"][0]["thinking"] == "Hm."


def test_thoughts_among_the_parts_of_a_content():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    body = whole(content=[thinking, {"type": "text", "text": "Hi."}])
    assert [block["type"] for block in made(body, **THINKS)["content"]] == ["thinking", "text"]


@pytest.mark.parametrize(
    "asks",
    [
        {},
        {"thinking": {"type": "disabled"}},
        {"thinking": {"type": "adaptive", "display": "omitted"}},
    ],
)
def test_who_did_not_ask_for_thoughts_finds_the_text_first(asks):
    message = made(whole(content="Hi.", reasoning_content="Hm."), **asks)
    assert message["content"] == [{"type": "text", "text": "Hi."}]


def test_a_refusal_is_a_text():
    message = made(whole(content=None, refusal="I must not."))
    assert message["content"] == [{"type": "text", "text": "I must not."}]
    assert message["stop_reason"] == "refusal"


@pytest.mark.parametrize(
    ("reason", "tools", "expected"),
    [
        ("stop", False, "end_turn"),
        ("stop", True, "tool_use"),
        ("tool_calls", True, "tool_use"),
        ("tool_calls", False, "end_turn"),
        ("length", False, "max_tokens"),
        ("length", True, "max_tokens"),
        ("content_filter", False, "refusal"),
        ("content_filter", True, "refusal"),
        ("of tomorrow", False, "end_turn"),
        (None, True, "tool_use"),
    ],
)
def test_why_it_ended(reason, tools, expected):
    message = {"tool_calls": calls(("f", "{}"))} if tools else {"content": "Hi."}
    assert made(whole(reason, **message))["stop_reason"] == expected


def test_at_which_sequence_it_ended_where_the_vendor_says_so():
    body = whole(content="Hi.")
    body["choices"][0]["stop_reason"] = "END"
    message = made(body, stop_sequences=["END"])
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "END")
    assert made(body)["stop_reason"] == "end_turn"


def test_no_content_is_an_empty_list():
    assert made(whole(content=None))["content"] == []
