"""Whole conversations, as the core and an unmodified OpenAI SDK hold them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tornado_router.provider import UpstreamResponse

from .support import FakeHTTP, answer, delta_text, finishes, fragments, tool, user

MODEL = "gemini-3-flash-preview"
SIGNATURES = ["c2lnbmF0dXJlIG9uZQ==", "c2lnbmF0dXJlIHR3bw=="]


class Core:
    """What the core does between the turns: it keeps, and recalls by the ids in a request."""

    def __init__(self, google: Any, *answers: dict[str, Any]) -> None:
        self.google = google
        self.http = FakeHTTP([])
        self.answers = list(answers)
        self.memory: dict[str, bytes] = {}

    def serve(self, messages: list[dict[str, Any]], *, stream: bool) -> Any:
        ids = [
            tool_call["id"] for message in messages for tool_call in message.get("tool_calls") or ()
        ]
        recalled = {key: orjson.loads(self.memory[key]) for key in ids if key in self.memory}
        body = {"messages": messages, "tools": [tool("get_weather"), tool("book")]}
        call = self.google.call(body, model=MODEL, stream=stream, memory=recalled)
        data = orjson.dumps(self.answers.pop(0))
        self.http.answers.append(
            UpstreamResponse(200, {}, b"data: %s\r\n\r\n" % data if stream else data)
        )
        served = self.google.send(self.http, call)
        self.memory |= {key: orjson.dumps(value) for key, value in call.kept.items()}
        return served


def whole_message(body: dict[str, Any]) -> dict[str, Any]:
    """The message as the SDK reads it, and as it sends it back."""
    completion = ChatCompletion.model_validate_json(orjson.dumps(body))
    return completion.choices[0].message.model_dump(mode="json", exclude_unset=True)


def streamed_message(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The message as clients put it together from a stream."""
    calls: list[dict[str, Any]] = []
    for chunk in chunks:
        read = ChatCompletionChunk.model_validate_json(orjson.dumps(chunk))
        for choice in read.choices:
            for fragment in choice.delta.tool_calls or ():
                if fragment.index == len(calls):
                    function = {"name": fragment.function.name, "arguments": ""}
                    calls.append({"id": fragment.id, "type": "function", "function": function})
                calls[fragment.index]["function"]["arguments"] += fragment.function.arguments
    return {"role": "assistant", "content": delta_text(chunks) or None, "tool_calls": calls}


def call_part(name: str, signature: str | None = None, **more: Any) -> dict[str, Any]:
    part = {"functionCall": {"name": name, "args": {"city": "Paris"}, **more}}
    return {**part, "thoughtSignature": signature} if signature else part


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("ids", [{}, {"id": "v1"}])
def test_signatures_survive_a_conversation_with_tools(google, stream, ids):
    core = Core(
        google,
        answer(
            call_part("get_weather", SIGNATURES[0], **ids), call_part("get_weather"), responseId="1"
        ),
        {**answer(call_part("book", SIGNATURES[1])), "responseId": "r2"},
        answer({"text": "Booked."}),
    )
    messages = [user("Book a sunny day.")]
    for _ in range(2):
        served = core.serve(messages, stream=stream)
        message = streamed_message(served) if stream else whole_message(served)
        messages.append(message)
        for tool_call in reversed(message["tool_calls"]):
            messages.append({"role": "tool", "tool_call_id": tool_call["id"], "content": "ok"})
    served = core.serve(messages, stream=stream)
    assert ("Booked." in delta_text(served)) if stream else served["choices"]

    contents = core.http.bodies[-1]["contents"]
    assert [turn["role"] for turn in contents] == ["user", "model", "user", "model", "user"]
    first, second = contents[1]["parts"]
    assert first["thoughtSignature"] == SIGNATURES[0]
    assert "thoughtSignature" not in second
    assert contents[3]["parts"][0]["thoughtSignature"] == SIGNATURES[1]
    for model_turn, user_turn in ((1, 2), (3, 4)):
        calls = [part["functionCall"]["id"] for part in contents[model_turn]["parts"]]
        results = [part["functionResponse"]["id"] for part in contents[user_turn]["parts"]]
        assert calls == results
        assert len(set(calls)) == len(calls)


def test_nothing_is_kept_of_calls_without_signatures(google):
    call = google.call()
    google.whole(answer(call_part("f")), call)
    assert call.kept == {}


def test_a_signature_is_kept_before_the_chunk_is_out(google):
    """The client may answer at once, so the core keeps what is in `kept` before it yields."""
    call = google.call(stream=True)
    parser = google.provider.endpoints["chat.completions"].parse_stream(call)
    from tornado_router.provider import Event

    chunks = list(parser.feed(Event(orjson.dumps(answer(call_part("f", "c2ln"), finish=None)))))
    assert call.kept == {fragments(chunks)[0]["id"]: {"thoughtSignature": "c2ln"}}
    assert finishes(chunks) == []
