"""Conversations from the official openai SDK through the whole router to imitation vendors.

The imitations refuse what the real ones do.
"""

import re

import orjson
import pytest

from tornado_router.provider import UpstreamResponse
from tornado_router.testing.vendors import json_response

ROUTER_TOML = """
[providers.deepseek]
type = "deepseek"
api_key = "${{KEY}}"
base_url = "{url}/v1"
models = ["thinker"]
[providers.mistral]
type = "mistral"
api_key = "${{KEY}}"
base_url = "{url}/v1"
models = ["strict"]
[providers.ollama]
type = "ollama"
base_url = "{url}/v1"
models = ["floats", "empty"]
[routes.embedder]
targets = ["ollama/empty", "ollama/floats"]
"""

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}
CALL = {
    "id": "call_00_jc0bB3kWqQ7mN1pT",
    "type": "function",
    "function": {"name": "get_weather", "arguments": "{}"},
}
THOUGHT = "I call the tool."
STRICT = {"role", "content", "tool_calls", "tool_call_id", "prefix", "name"}


def respond(request):
    """One vendor that thinks, one that is strict, and one that makes embeddings."""
    body = request.json
    if request.path == "/v1/embeddings":
        vector = None if body["model"] == "empty" else [0.5, -1.0]
        data = [{"object": "embedding", "index": 0, "embedding": vector}]
        return json_response({"object": "list", "data": data, "model": body["model"]})
    fault = fault_of(body)
    if request.headers.get("Authorization") != "Bearer up":
        fault = "wrong key"
    if fault:
        error = {"message": fault, "type": "invalid_request_error"}
        return json_response({"error": error}, 400)
    if body.get("stream"):
        headers = {"Content-Type": "text/event-stream"}
        return UpstreamResponse(200, headers, b"".join(events_of(body)))
    choice = {"index": 0, "message": message_of(body), "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return json_response({"id": "1", "model": "m", "choices": [choice], "usage": usage})


def fault_of(body):
    for message in body["messages"]:
        calls = message.get("tool_calls") or ()
        if body["model"] == "thinker" and calls and message.get("reasoning_content") != THOUGHT:
            return "The `reasoning_content` in the thinking mode must be passed back to the API."
        if body["model"] == "strict":
            ids = [*(call["id"] for call in calls), message.get("tool_call_id", "123456789")]
            if not all(re.fullmatch("[a-zA-Z0-9]{9}", name) for name in ids):
                return "Tool call id must be a-z, A-Z, 0-9, with a length of 9."
            if not message.keys() <= STRICT or message["role"] == "developer":
                return "Extra inputs are not permitted"
    return None


def message_of(body):
    if body["model"] == "thinker" and body["messages"][-1]["role"] == "user":
        fields = {"reasoning_content": THOUGHT, "tool_calls": [CALL]}
        return {"role": "assistant", "content": None, **fields}
    return {"role": "assistant", "content": "Sunny."}


def events_of(body):
    message = message_of(body)
    for call in message.get("tool_calls", ()):
        call["index"] = 0
    for name, value in message.items():
        choice = {"index": 0, "delta": {name: value}, "finish_reason": None}
        yield b"data: %b\n\n" % orjson.dumps({"id": "1", "choices": [choice]})
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    yield b"data: %b\n\ndata: [DONE]\n\n" % orjson.dumps({"id": "1", "choices": [last]})


USER = {"role": "user", "content": "Weather?"}


def first_turn(client, stream):
    """The message of a tool call, as a client keeps it: with OpenAI's own fields."""
    asked = {"model": "thinker", "messages": [USER], "tools": [WEATHER]}
    if not stream:
        answer = client.chat.completions.create(**asked)
        found = [call.id for call in answer.choices[0].message.tool_calls]
    else:
        found = [
            call.id
            for chunk in client.chat.completions.create(**asked, stream=True)
            for choice in chunk.choices
            for call in choice.delta.tool_calls or ()
        ]
    calls = [{"id": name, "type": "function", "function": CALL["function"]} for name in found]
    return {"role": "assistant", "content": None, "refusal": None, "tool_calls": calls}


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_with_its_reasoning_and_at_another_vendor(client, stream):
    message = first_turn(client, stream)
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "sun"}
    messages = [{"role": "developer", "content": "Be brief."}, USER, message, result]
    for model in ("thinker", "strict"):
        answer = client.chat.completions.create(
            model=model, messages=messages, tools=[WEATHER], seed=None, logprobs=False
        )
        assert answer.choices[0].message.content == "Sunny."


def test_embeddings_come_as_asked_from_the_target_that_has_them(client):
    for encoding_format in ("base64", "float"):
        raw = client.embeddings.with_raw_response.create(
            model="embedder", input="x", encoding_format=encoding_format
        )
        assert raw.headers["x-router-target"] == "ollama/floats"
        found = orjson.loads(raw.content)["data"][0]["embedding"]
        assert found == {"base64": "AAAAPwAAgL8=", "float": [0.5, -1.0]}[encoding_format]
