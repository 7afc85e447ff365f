"""A whole response where a stream was asked for becomes the chunks of one."""

import pytest

from tornado_router.provider import Binary, ProviderError, Relayed
from tornado_router.provider.whole_streams import chunks_of


def test_a_chat_completion():
    message = {
        "role": "assistant",
        "content": "Hi",
        "reasoning_content": "Hm",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f"}}],
    }
    body = {
        "id": "x",
        "object": "chat.completion",
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": {"a": 1}},
            {"index": 1, "message": {"content": "Ho"}},
        ],
        "usage": {"total_tokens": 5},
    }
    made = chunks_of(Relayed(body, b""), "v")
    assert {chunk["object"] for chunk in made} == {"chat.completion.chunk"}
    first, end, second, second_end, usage = made
    assert first["choices"][0]["delta"] == {
        **message,
        "tool_calls": [{"index": 0, **message["tool_calls"][0]}],
    }
    assert first["choices"][0]["logprobs"] == {"a": 1}
    assert end["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "tool_calls",
    }
    assert second["choices"][0]["delta"] == {"content": "Ho"}
    assert (second_end["choices"][0]["index"], second_end["choices"][0]["finish_reason"]) == (
        1,
        "stop",
    )
    assert (usage["choices"], usage["usage"]) == ([], {"total_tokens": 5})
    assert "usage" not in first


def test_a_text_completion():
    choice = {"index": 0, "text": "Hi", "finish_reason": "length"}
    first, end = chunks_of({"object": "text_completion", "choices": [choice]}, "v")
    assert (first["object"], first["choices"][0]["text"]) == ("text_completion", "Hi")
    assert end["object"] == "text_completion"
    assert (end["choices"][0]["text"], end["choices"][0]["finish_reason"]) == ("", "length")


def test_a_response_of_a_kind_of_its_own():
    message = {"content": "Hi"}
    named, _ = chunks_of({"object": "reply", "choices": [{"message": message}]}, "v")
    assert (named["object"], named["choices"][0]["delta"]) == ("reply.chunk", message)
    unnamed, _ = chunks_of({"choices": [{"message": message}]}, "v")
    assert "object" not in unnamed


@pytest.mark.parametrize(
    "body",
    [
        {"object": "list", "data": [{"embedding": [0.5]}]},
        {"choices": []},
        {"choices": 5},
        {"object": "chat.completion", "choices": [5]},
        {"choices": [{"text": "Hi"}, 5]},
        {"choices": ["text"]},
        Binary("audio/wav", b""),
    ],
)
def test_what_cannot_be_one(body):
    with pytest.raises(ProviderError, match="'v'") as caught:
        chunks_of(body, "v")
    assert caught.value.status == 502
