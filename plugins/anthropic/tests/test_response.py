from __future__ import annotations

import pytest

from tornado_router.provider import ProviderError

from .support import Claude, make_call, message, text, user, uses

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2lnbmF0dXJl"}


def choice(claude, found, call=None):
    return claude.answer(found, call)["choices"][0]


def test_a_text(claude):
    body = claude.answer("text")
    assert isinstance(body.pop("created"), int)
    assert body == {
        "id": "msg_4QpJur2dWWDjF6C758FbBw5vm12BaVipnK",
        "object": "chat.completion",
        "model": "claude-sonnet-4-5-20250929",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "Grüße aus Kyōto: 京都 🌸\u2028.",
                    "refusal": None,
                },
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 21,
            "completion_tokens": 17,
            "total_tokens": 38,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
        "service_tier": "default",
    }


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
        ("a_reason_of_tomorrow", "stop"),
        ("tool_use", "stop"),
    ],
)
def test_finish_reasons(claude, reason, finish):
    assert choice(claude, message(text("x"), stop_reason=reason))["finish_reason"] == finish


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("tool_use", "tool_calls"), ("end_turn", "tool_calls"), ("max_tokens", "length")],
)
def test_finish_reasons_with_calls(claude, reason, finish):
    assert choice(claude, message(uses("a"), stop_reason=reason))["finish_reason"] == finish


def test_a_refusal_says_why(claude):
    found = choice(claude, "refusal")
    assert found["finish_reason"] == "content_filter"
    assert found["message"]["content"] == "Hello.."
    assert found["message"]["refusal"].startswith("This request was declined")


def test_an_empty_answer_is_one(claude):
    assert choice(claude, "empty")["message"]["content"] == ""


def test_the_first_block_is_nothing_special(claude):
    found = claude.answer("thinking_text")
    assert found["choices"][0]["message"]["content"] == "42"
    assert found["usage"]["completion_tokens_details"] == {"reasoning_tokens": 302}


def test_thoughts_are_shown_to_clients_that_want_them_only():
    found = message(THOUGHT, text("x"))
    assert "reasoning_content" not in choice(Claude(), found)["message"]
    assert choice(Claude(reasoning_content=True), found)["message"]["reasoning_content"] == "Hm."


def test_blocks_that_nobody_asked_for_are_left_out(claude):
    found = message({"type": "server_tool_use", "id": "x"}, text("a"), {"type": "new"}, text("b"))
    assert choice(claude, found)["message"]["content"] == "ab"


def test_a_legacy_client_gets_a_function_call(claude):
    call = make_call(user("x"), functions=[{"name": "get_weather"}])
    found = choice(claude, message(THOUGHT, uses("a", city="X"), stop_reason="tool_use"), call)
    assert found["finish_reason"] == "function_call"
    assert found["message"]["function_call"] == {
        "name": "get_weather",
        "arguments": '{"city":"X"}',
    }
    assert "tool_calls" not in found["message"]
    assert not call.kept  # it has no id to ask for it by


@pytest.mark.parametrize(
    ("found", "field"),
    [
        (message(content=None), "content"),
        (message(content="text"), "content"),
        (message(text("x"), stop_reason=None), "stop_reason"),
        (message("x"), "content[0].type"),
        (message({"text": "x"}), "content[0].type"),
        (message(text("a"), {"type": "text"}), "content[1].text"),
        (message({"type": "tool_use", "name": "n", "input": {}}), "content[0].id"),
        (message({"type": "tool_use", "id": "i", "input": {}}), "content[0].name"),
        (message({"type": "tool_use", "id": "i", "name": "n", "input": "{}"}), "content[0].input"),
    ],
)
def test_an_answer_that_the_api_does_not_promise(claude, found, field):
    with pytest.raises(ProviderError) as failed:
        claude.answer(found)
    assert failed.value.status == 502
    assert failed.value.message == (
        f"The provider 'anthropic' sent a response whose field '{field}' is missing or wrong."
    )


@pytest.mark.parametrize("found", [[], "x", 1, None])
def test_an_answer_that_is_no_object(claude, found):
    with pytest.raises(ProviderError) as failed:
        Claude().answer(found if not isinstance(found, str) else [found])
    assert (
        failed.value.message == "The provider 'anthropic' sent something that is not a JSON object."
    )


@pytest.mark.parametrize(
    "usage", [None, 1, {}, {"input_tokens": -1, "output_tokens": 1}, {"input_tokens": "1"}]
)
def test_usage_that_makes_no_sense_is_left_out(claude, usage):
    assert "usage" not in claude.answer(message(text("x"), usage=usage))


def test_odd_details_of_usage_count_for_nothing(claude):
    odd = {
        "input_tokens": 1,
        "output_tokens": 2,
        "cache_read_input_tokens": "x",
        "cache_creation": {"a": None, "b": True},
        "output_tokens_details": {"thinking_tokens": 99},
        "service_tier": [],
    }
    usage = claude.answer(message(text("x"), usage=odd))["usage"]
    assert (usage["prompt_tokens"], usage["total_tokens"]) == (1, 3)
    assert usage["completion_tokens_details"] == {"reasoning_tokens": 2}
