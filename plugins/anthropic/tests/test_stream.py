from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.provider import Event, ProviderError

from .support import (
    Claude,
    argues,
    events,
    joined,
    make_call,
    message,
    says,
    text,
    user,
    uses,
)


def test_a_text(claude):
    first, *middle, last, usage = claude.chunks("text")
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [chunk["choices"][0]["delta"] for chunk in middle] == [
        {"content": "Grüße aus "},
        {"content": "Kyōto: 京都 "},
        {"content": "🌸\u2028."},
    ]
    assert last["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert usage["usage"]["total_tokens"] == 38
    identities = {(c["id"], c["object"], c["created"], c["model"]) for c in (first, last, usage)}
    assert len(identities) == 1
    assert first["object"] == "chat.completion.chunk"


def test_arguments_as_the_vendor_spaces_them(claude):
    found = events(
        [uses("a"), argues(""), argues('{"location":'), argues(' "San Fra'), argues('ncisco"}')],
        stop_reason="tool_use",
    )
    assert joined(claude.chunks(found)).calls[0]["arguments"] == '{"location": "San Francisco"}'


def test_what_is_unknown_is_left_out(claude):
    chunks = claude.chunks("unknown")
    assert joined(chunks).text == "Hi"
    assert joined(chunks).calls == []


def test_a_refusal_says_why(claude):
    chunks = claude.chunks("refusal")
    assert chunks[-2]["choices"][0]["delta"]["refusal"].startswith("This request was declined")
    assert joined(chunks).reason == "content_filter"


def test_pings_are_nothing(claude):
    parser = claude.chat.parse_stream(make_call(user("x"), stream=True))
    assert list(parser.feed(Event(b'{"type":"ping"}', "ping"))) == []


def test_done_comes_with_message_stop(claude):
    parser = claude.chat.parse_stream(make_call(user("x"), stream=True))
    import orjson

    for event in events([text(""), says("x")]):
        assert not parser.done
        parser.feed(Event(orjson.dumps(event)))
    assert parser.done
    assert list(parser.finish()) == []


def test_a_later_count_of_input_corrects_the_first(claude):
    usage = claude.chunks(events([text(""), says("x")], input_tokens=12))[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (12, 5)


def test_reasoning_tokens(claude):
    usage = claude.chunks("thinking_tools")[-1]["usage"]
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 120}


def test_thoughts_are_shown_to_clients_that_want_them_only():
    def shown(claude):
        deltas = [c["choices"][0]["delta"] for c in claude.chunks("thinking_budget_tool")[:-1]]
        return "".join(delta.get("reasoning_content", "") for delta in deltas)

    assert shown(Claude()) == ""
    assert shown(Claude(reasoning_content=True)) == "The user asks for the weather."


def test_a_legacy_client_gets_one_function_call(claude):
    call = make_call(user("x"), functions=[{"name": "get_weather"}], stream=True)
    chunks = claude.chunks("tools_parallel", call)
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:-1]]
    calls = [delta["function_call"] for delta in deltas if delta]
    assert calls[0] == {"name": "get_weather", "arguments": ""}
    assert "".join(item["arguments"] for item in calls) == '{"city":"Paris"}'
    assert joined(chunks).reason == "function_call"


START = {"type": "message_start", "message": {**message(), "stop_reason": None}}
BEGIN = {"type": "content_block_start", "index": 0, "content_block": text("")}


def delta(**fields):
    return {"type": "content_block_delta", "index": 0, "delta": fields}


@pytest.mark.parametrize(
    ("found", "what"),
    [
        ([{"type": "message_start"}], "field 'message'"),
        ([BEGIN], "field 'content_block'"),
        ([START, {**BEGIN, "content_block": None}], "field 'content_block'"),
        ([START, {**BEGIN, "content_block": {"type": "tool_use"}}], "field 'content_block.name'"),
        (
            [START, {**BEGIN, "content_block": {"type": "tool_use", "name": "n"}}],
            "field 'content_block.id'",
        ),
        ([START, BEGIN, {"type": "content_block_delta"}], "field 'delta'"),
        ([START, BEGIN, delta()], "field 'delta.type'"),
        ([START, BEGIN, delta(type="text_delta")], "field 'delta.text'"),
        ([START, BEGIN, delta(type="thinking_delta", thinking=1)], "field 'delta.thinking'"),
        ([START, BEGIN, delta(type="input_json_delta")], "field 'delta.partial_json'"),
        ([delta(type="text_delta", text="x")], "without a beginning"),
        ([START, {"type": "message_stop"}], "field 'stop_reason'"),
        ([START], "breaks off"),
        ([START, "x"], "not a JSON object"),
        ([], "breaks off"),
    ],
)
def test_a_stream_that_the_api_does_not_promise(claude, found, what):
    with pytest.raises(ProviderError) as failed:
        claude.chunks(found)
    assert failed.value.status == 502
    assert failed.value.message.startswith("The provider 'anthropic' sent ")
    assert what in failed.value.message


def test_an_event_that_is_not_json(claude):
    parser = claude.chat.parse_stream(make_call(user("x"), stream=True))
    with pytest.raises(ProviderError) as failed:
        parser.feed(Event(b"<html>secret"))
    assert failed.value.message == "The provider 'anthropic' sent something that is not JSON."


@given(st.lists(st.text(), max_size=8), st.lists(st.text(min_size=1), max_size=4))
def test_what_is_said_arrives(texts, arguments):
    blocks = [[text(""), *map(says, texts)], [uses("a"), *map(argues, arguments)]]
    answer = joined(Claude().chunks(events(*blocks, stop_reason="tool_use")))
    assert answer.text == "".join(texts)
    assert answer.calls[0]["arguments"] == ("".join(arguments) or "{}")
