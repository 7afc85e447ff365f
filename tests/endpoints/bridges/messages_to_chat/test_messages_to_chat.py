"""The bridge as a whole: a pure function of calls, and the names of fields."""

import copy

import orjson
import pytest

from tests.messages import WEATHER, assistant, call, chunk, result, text, use, user, whole
from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.endpoints.bridges.messages_to_chat import MessagesToChat
from tornado_router.errors import ProviderError
from tornado_router.provider import Relayed

BRIDGE = MessagesToChat()


@pytest.mark.parametrize("stream", [False, True])
def test_the_call_is_one_of_chat_completions(stream):
    asked = call(
        user("x"),
        assistant(text("a"), use(city="Paris")),
        user([result()]),
        stream=stream,
        tools=[WEATHER],
    )
    before = copy.deepcopy(asked.body)
    first, second = BRIDGE.call(asked), BRIDGE.call(asked)
    assert (first.body, first.raw) == (second.body, second.raw)
    assert asked.body == before
    assert (first.id, first.endpoint, first.model) == (asked.id, CHAT_COMPLETIONS.name, "m")
    assert (first.stream, first.unsupported) == (stream, "adapt")
    assert orjson.loads(first.raw) == first.body
    assert CHAT_COMPLETIONS.tool_call_ids(first) == ["toolu_1"], "ids stay: state is kept by them"


def test_a_response_and_a_stream_are_translated():
    asked = call()
    body = whole(content="Hi.")
    assert BRIDGE.response(asked, Relayed(body, b"")) == BRIDGE.response(asked, body)
    assert BRIDGE.response(asked, body)["content"] == [text("Hi.")]
    assert BRIDGE.stream(asked).feed(chunk(content="Hi."))[0]["type"] == "message_start"


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": [{}]}, {"choices": 5}])
def test_what_is_no_response_is_a_fault_of_the_provider(body):
    with pytest.raises(ProviderError) as failed:
        BRIDGE.response(call(), body)
    assert failed.value.status == 502


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("messages[3].content", "messages"),
        ("tools[0].function.parameters", "tools"),
        ("max_completion_tokens", "max_tokens"),
        ("stop", "stop_sequences"),
        ("reasoning_effort", "thinking"),
        ("temperature", "temperature"),
    ],
)
def test_fields_of_the_chat_get_the_clients_names(path, param):
    assert BRIDGE.param(path) == param
