"""Two accounts of a vendor, each of which refuses what the other encrypted."""

import json

import openai
import pytest

from tornado_router.provider import UpstreamResponse
from tornado_router.testing.vendors import json_response

ROUTER_TOML = """
[providers.one]
type = "openai"
api_key = "sk-up"
base_url = "{url}/one/v1"
responses = true
[providers.two]
type = "openai"
api_key = "sk-up"
base_url = "{url}/two/v1"
responses = true
[providers.echo]
type = "echo"
models = ["echo"]
[routes.both]
targets = ["one/m", "two/m"]
[routes.second]
targets = ["two/m"]
[routes.chat]
targets = ["echo/echo"]
[routes.moved]
targets = ["two/m", "one/m"]
[routes.down]
targets = ["one/down", "two/m"]
[routing]
retries = 0
"""
ASKED = {"store": False, "include": ["reasoning.encrypted_content"]}


def account_of(request):
    return request.path.split("/")[1]


def respond(request):
    """A model that thinks: its account reads only what begins with its own name."""
    account, asked = account_of(request), request.json
    if asked["model"] == "down":
        return json_response({"error": {"message": "It is down."}}, 500)
    items = asked["input"] if isinstance(asked["input"], list) else []
    for item in items:
        if not item.get("encrypted_content", account).startswith(account):
            error = {"message": "It cannot be read.", "code": "invalid_encrypted_content"}
            return json_response({"error": error}, 400)
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": f"{account}="}
    if request.path.endswith("/compact"):
        thought["type"] = "compaction"
    part = {"type": "output_text", "text": account, "annotations": []}
    said = {"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}
    body = {"id": "resp_1", "object": "response", "status": "completed", "output": [thought, said]}
    if request.path.endswith("/input_tokens"):
        body = {"object": "response.input_tokens", "input_tokens": 7}
    if not asked.get("stream"):
        return json_response(body)
    events = [
        {"type": "response.created", "response": {**body, "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**thought}},
        {"type": "response.output_item.done", "output_index": 0, "item": thought},
        {"type": "response.output_text.delta", "output_index": 1, "delta": account},
        {"type": "response.output_item.done", "output_index": 1, "item": said},
        {"type": "response.completed", "response": body},
    ]
    data = b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
    return UpstreamResponse(200, {"Content-Type": "text/event-stream"}, data)


def turn(client, model, items, *, stream=False):
    """The items of a turn, and what was left out of its request."""
    made = client.responses.with_raw_response.create(
        model=model, input=[*items, {"role": "user", "content": "And?"}], stream=stream, **ASKED
    )
    response = made.parse()
    if stream:
        response = list(response)[-1].response
    output = [item.to_dict() for item in response.output]
    return [*items, *output], made.headers.get("x-router-dropped-params")


def texts(items):
    return [item["content"][0]["text"] for item in items if item["type"] == "message"]


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_lead_back_to_the_account_that_made_them(client, vendor, stream):
    items, _ = turn(client, "second", [], stream=stream)
    assert items[0]["encrypted_content"] != "two=", "it says whose it is"
    items, left_out = turn(client, "both", items, stream=stream)
    assert (texts(items), left_out) == (["two", "two"], None)
    got = vendor.requests[-1].json["input"]
    assert [item.get("encrypted_content") for item in got] == ["two=", None, None]


@pytest.mark.parametrize("stream", [False, True])
def test_where_another_account_serves_the_call_they_are_left_out(client, vendor, stream):
    items, _ = turn(client, "both", [], stream=stream)
    assert texts(items) == ["one"]
    items, left_out = turn(client, "down", items, stream=stream)
    assert (texts(items), left_out) == (["one", "two"], "input[0]")
    items, left_out = turn(client, "both", items, stream=stream)
    assert (texts(items)[-1], left_out) == ("two", "input[0]"), "the newest thought leads"
    _, left_out = turn(client, "chat", items)
    assert "input[0]" in left_out, "a vendor of another API is sent none of it, either"


def test_a_conversation_that_was_compacted_goes_to_its_maker_alone(client):
    made = client.responses.compact(model="both", input="A long story")
    items = [item.to_dict() for item in made.output if item.type == "compaction"]
    again, _ = turn(client, "moved", items)
    assert texts(again) == ["one"], "whatever the route prefers"
    with pytest.raises(openai.BadRequestError) as caught:
        turn(client, "second", items)
    assert (caught.value.code, caught.value.param) == ("invalid_encrypted_content", "input")


def test_the_tokens_of_what_the_vendor_made_are_counted_there(client, vendor):
    items, _ = turn(client, "both", [])
    assert client.responses.input_tokens.count(model="both", input=items).input_tokens == 7
    assert vendor.requests[-1].json["input"][0]["encrypted_content"] == "one="
