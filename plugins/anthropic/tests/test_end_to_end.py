"""A conversation from the official openai SDK through the whole router to an imitation API.

The imitation refuses what the real one does: a wrong key, a turn of tool calls without its
thoughts, and a request that its own SDK does not know.
"""

from __future__ import annotations

from base64 import b64encode
from typing import ClassVar

import openai
import orjson
import pytest

from tornado_router.testing import running_router, running_vendor
from tornado_router.testing.vendors import json_response

from . import vendor_types
from .support import KEY, recording

ROUTER_TOML = """
[providers.claude]
type = "anthropic"
api_key = "{key}"
base_url = "{url}"
models = ["claude-opus-5-5", "claude-sonnet-4-5"]
"""

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}


def respond(request):
    """`POST /v1/messages`, as the recordings have it."""
    body = request.json
    fault = fault_of(request.headers, body)
    if fault:
        error = {"type": "invalid_request_error", "message": fault}
        return json_response({"type": "error", "error": error}, 400)
    last = body["messages"][-1]["content"]
    if last == "Overload":
        return recording("error_overloaded", streamed=True)
    return recording("thinking_tools" if last == "Weather?" else "text", bool(body.get("stream")))


def fault_of(headers, body):
    if headers.get("x-api-key") != KEY:
        return "invalid x-api-key"
    faults = vendor_types.faults(body)
    if faults:
        return faults[0]
    vendors = orjson.loads(recording("thinking_tools").body)["content"]
    for index, turn in enumerate(body["messages"]):
        calls = turn["role"] == "assistant" and any("input" in b for b in turn["content"])
        if calls and turn["content"] != vendors:
            return f"messages.{index}.content: thinking blocks cannot be modified"
    return None


@pytest.fixture(scope="module")
def serving():
    with running_vendor(respond) as vendor:
        yield vendor


@pytest.fixture
def vendor(serving):
    serving.requests.clear()
    return serving


def toml_of(vendor):
    return ROUTER_TOML.format(key=KEY, url=vendor.url)


@pytest.fixture(scope="module")
def router(serving, tmp_path_factory):
    """For what leaves nothing behind: signatures that are kept have a router of their own."""
    with running_router(toml_of(serving), tmp_path_factory.mktemp("router")) as router:
        yield router


@pytest.fixture
def client(router):
    return router.openai()


def ask(client, messages, stream):
    asked = {"model": "claude/claude-opus-5-5", "messages": messages, "tools": [WEATHER]}
    if not stream:
        return client.chat.completions.create(**asked).choices[0].message
    with client.chat.completions.stream(**asked) as events:
        return events.get_final_completion().choices[0].message


@pytest.mark.parametrize("stream", [False, True])
def test_signatures_survive_a_conversation_of_several_turns(tmp_path, vendor, stream):
    messages = [{"role": "user", "content": "Weather?"}]
    with running_router(toml_of(vendor), tmp_path) as router:
        client = router.openai()
        reply = ask(client, messages, stream)
        # As any OpenAI client does: the message back as it came, then the results.
        messages.append(reply.model_dump())
        for call in reply.tool_calls:
            messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
        answer = ask(client, messages, stream)
        messages += [answer.model_dump(), {"role": "user", "content": "Thanks"}]
        ask(client, messages, stream)
    assert answer.content.startswith("Grüße")
    signature = orjson.loads(recording("thinking_tools").body)["content"][0]["signature"]
    sent = [signature in request.body.decode() for request in vendor.requests]
    assert sent == [False, True, True]


def test_an_overload_behind_a_status_200_is_a_failure(client):
    messages = [{"role": "user", "content": "Overload"}]
    asked = {"model": "claude/claude-sonnet-4-5", "messages": messages, "stream": True}
    with pytest.raises(openai.APIError, match="overloaded"):
        list(client.chat.completions.create(**asked))


def test_what_was_dropped_is_told(client):
    raw = client.chat.completions.with_raw_response.create(
        model="claude/claude-sonnet-4-5",
        messages=[{"role": "user", "content": "Hello"}],
        metadata={"a": "b"},
    )
    assert raw.headers["x-router-dropped-params"] == "metadata"
    assert raw.parse().usage.prompt_tokens == 21


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices_are_asked_for_one_by_one(client, vendor, stream):
    messages = [{"role": "user", "content": "Hello"}]
    asked = {"model": "claude/claude-sonnet-4-5", "n": 3, "messages": messages}
    if stream:
        options = {"include_usage": True}
        with client.chat.completions.stream(stream_options=options, **asked) as events:
            made = events.get_final_completion()
    else:
        made = client.chat.completions.create(**asked)
    assert [choice.index for choice in made.choices] == [0, 1, 2]
    assert {choice.message.content[:5] for choice in made.choices} == {"Grüße"}
    assert (len(vendor.requests), made.usage.prompt_tokens) == (3, 3 * 21)


@pytest.mark.parametrize("stream", [False, True])
def test_completions_are_served_by_messages(client, vendor, stream):
    made = client.completions.create(
        model="claude/claude-sonnet-4-5", prompt="Hello", max_tokens=9, stream=stream
    )
    choices = [choice for chunk in (made if stream else [made]) for choice in chunk.choices]
    assert "".join(choice.text for choice in choices)
    assert choices[-1].finish_reason in ("stop", "length")
    (request,) = vendor.requests
    assert request.json["messages"][0]["role"] == "user"
    assert request.json["max_tokens"] == 9


def test_what_a_completion_cannot_ask_of_it_has_the_name_that_the_client_sent(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.completions.create(
            model="claude/claude-sonnet-4-5", prompt="Hello", logit_bias={"5": 1}
        )
    assert refused.value.param == "logit_bias"


class TestResponses:
    """The same by `client.responses`: state goes through the client's hands alone."""

    TOOL: ClassVar = {
        "type": "function",
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {}},
        "strict": False,
    }

    def ask(self, folder, vendor, items, stream):
        """One turn, by a router that remembers nothing of those before."""
        asked = {
            "model": "claude/claude-opus-5-5",
            "input": items,
            "tools": [self.TOOL],
            "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "medium"},
        }
        with running_router(toml_of(vendor), folder) as router:
            if not stream:
                return router.openai().responses.create(**asked)
            with router.openai().responses.stream(**asked) as events:
                return events.get_final_response()

    @pytest.mark.parametrize("stream", [False, True])
    def test_signatures_survive_without_the_routers_memory(self, tmp_path, vendor, stream):
        items = [{"role": "user", "content": "Weather?"}]
        response = self.ask(tmp_path / "1", vendor, items, stream)
        calls = [item for item in response.output if item.type == "function_call"]
        assert len(calls) > 1
        items += [item.model_dump(exclude_none=True) for item in response.output]
        items += [
            {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
            for call in calls
        ]
        assert self.ask(tmp_path / "2", vendor, items, stream).output_text.startswith("Grüße")
        thoughts = orjson.loads(recording("thinking_tools").body)["content"][0]
        assert thoughts in vendor.requests[1].json["messages"][1]["content"]

    def test_what_a_client_made_up_of_it_is_no_fault_of_the_provider(self, tmp_path, vendor):
        state = {"model": "claude-opus-5-5", "kept": {"c1": {"model": "claude-opus-5-5"}}}
        for number, layout in enumerate((5, [None], [{"type": "text"}])):
            state["kept"]["c1"]["layout"] = layout
            sealed = "tornado-router." + b64encode(orjson.dumps(state)).decode()
            items = [
                {"role": "user", "content": "Hello"},
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed},
                {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "x"},
            ]
            with pytest.raises(openai.BadRequestError, match="cannot be modified"):
                self.ask(tmp_path / str(number), vendor, items, stream=False)

    @pytest.mark.filterwarnings("ignore:connect:DeprecationWarning")
    def test_signatures_survive_in_a_websocket(self, tmp_path, vendor):
        asked = {
            "model": "claude/claude-opus-5-5",
            "tools": [self.TOOL],
            "store": False,
            "reasoning": {"effort": "medium"},
        }
        with (
            running_router(toml_of(vendor), tmp_path) as router,
            router.openai().responses.connect() as connection,
        ):
            connection.response.create(input="Weather?", **asked)
            called = next(it.response for it in connection if it.type == "response.completed")
            calls = [item for item in called.output if item.type == "function_call"]
            outputs = [
                {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
                for call in calls
            ]
            connection.response.create(input=outputs, previous_response_id=called.id, **asked)
            said = next(it.response for it in connection if it.type == "response.completed")
        assert said.output_text.startswith("Grüße")
        signature = orjson.loads(recording("thinking_tools").body)["content"][0]["signature"]
        assert signature in vendor.requests[1].body.decode()
