"""A conversation from the official openai SDK through the whole router to an imitation API.

The imitation refuses what the real one does: a wrong key, and a call without its signature.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tornado_router.testing import running_router, running_vendor
from tornado_router.testing.vendors import json_response

KEY = "google-key-0123456789"
MODEL = "gemini-3-flash-preview"
RECORDINGS = Path(__file__).parent / "recordings" / "chat.completions"
ROUTER_TOML = """
[providers.gemini]
type = "google"
api_key = "{key}"
base_url = "{url}/v1beta"
models = ["*"]
"""
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


def recorded(name):
    """The body of a recorded response."""
    return (RECORDINGS / name).read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")[2]


def respond(request):
    """`generateContent` and `streamGenerateContent`, as the recordings have them."""
    body = request.json
    fault = fault_of(request.headers, body)
    if fault:
        error = {"code": 400, "message": fault, "status": "INVALID_ARGUMENT"}
        return json_response({"error": error}, 400)
    last = body["contents"][-1]["parts"][-1]
    name = "hello" if "functionResponse" in last else "weather"
    if "both" in last.get("text", ""):
        name = "weather_of_two"
    is_stream = f"/v1beta/models/{MODEL}:streamGenerateContent" in request.path
    return RECORDINGS / (f"{name}.stream.http" if is_stream else f"{name}.http")


def fault_of(headers, body):
    if headers.get("x-goog-api-key") != KEY:
        return "API key not valid."
    for turn in body["contents"]:
        calls = [part for part in turn["parts"] if "functionCall" in part]
        if calls and calls[0].get("thoughtSignature") != signature():
            return "Function call is missing a thought_signature."
    return None


def signature():
    part = orjson.loads(recorded("weather.http"))["candidates"][0]["content"]["parts"][0]
    return part["thoughtSignature"]


@pytest.fixture(scope="module")
def vendor():
    with running_vendor(respond) as vendor:
        yield vendor


def ask(folder, vendor, items, stream):
    """One turn, by a router that remembers nothing of those before."""
    asked = {
        "model": f"gemini/{MODEL}",
        "input": items,
        "tools": [TOOL],
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "low"},
        "parallel_tool_calls": False,
        "text": {"verbosity": "low"},
    }
    with running_router(ROUTER_TOML.format(key=KEY, url=vendor.url), folder) as router:
        client = router.openai()
        if not stream:
            return client.responses.create(**asked)
        with client.responses.stream(**asked) as events:
            return events.get_final_response()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("text", "count"), [("Weather?", 1), ("Weather of both?", 2)])
def test_signatures_survive_without_the_routers_memory(tmp_path, vendor, text, count, stream):
    vendor.requests.clear()
    items = [{"role": "user", "content": text}]
    response = ask(tmp_path / "1", vendor, items, stream)
    calls = [item for item in response.output if item.type == "function_call"]
    assert len({call.call_id for call in calls}) == count
    assert response.usage.output_tokens_details.reasoning_tokens > 0
    items += [item.model_dump(exclude_none=True) for item in response.output]
    items += [
        {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        for call in calls
    ]
    assert ask(tmp_path / "2", vendor, items, stream).output_text
    parts = vendor.requests[1].json["contents"][1]["parts"]
    assert [part["thoughtSignature"] for part in parts if "thoughtSignature" in part] == [
        signature()
    ]


@pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
def test_signatures_survive_in_a_websocket(tmp_path, vendor):
    vendor.requests.clear()
    asked = {"model": f"gemini/{MODEL}", "tools": [TOOL], "store": False}
    with (
        running_router(ROUTER_TOML.format(key=KEY, url=vendor.url), tmp_path) as router,
        router.openai().responses.connect() as connection,
    ):
        connection.response.create(input="Weather?", **asked)
        called = next(it.response for it in connection if it.type == "response.completed")
        (call,) = [item for item in called.output if item.type == "function_call"]
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
        connection.response.create(input=[output], previous_response_id=called.id, **asked)
        said = next(it.response for it in connection if it.type == "response.completed")
    assert said.output_text
    assert signature() in vendor.requests[1].body.decode()
