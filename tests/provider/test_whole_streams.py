"""A whole response where a stream was asked for becomes the chunks of one."""

import pytest

from tornado_router.provider import Binary, Call, ProviderError, Relayed
from tornado_router.provider.whole_streams import chunks_of


def call(endpoint="chat.completions"):
    return Call("r1", endpoint, "m", {}, b"{}", stream=True)


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
    made = chunks_of(call(), Relayed(body, b""), "v")
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
    body = {"choices": [{"index": 0, "text": "Hi", "finish_reason": "length"}]}
    first, end = chunks_of(call("completions"), body, "v")
    assert (first["object"], first["choices"][0]["text"]) == ("text_completion", "Hi")
    assert (end["choices"][0]["text"], end["choices"][0]["finish_reason"]) == ("", "length")


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("embeddings", {"choices": []}),
        ("chat.completions", {"choices": 5}),
        ("chat.completions", {"choices": [5]}),
        ("chat.completions", Binary("audio/wav", b"")),
    ],
)
def test_what_cannot_be_one(endpoint, body):
    with pytest.raises(ProviderError, match="'v'") as caught:
        chunks_of(call(endpoint), body, "v")
    assert caught.value.status == 502
