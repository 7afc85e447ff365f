"""The echo as a provider: its bodies and chunks are OpenAI's, and say the same either way."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator

from tornado_router.provider import PLUGIN_API_VERSION, Call, CallFile
from tornado_router.validation import Validator, load_schema
from tornado_router_echo import TORNADO_ROUTER_API, EchoProvider, register_providers

REQUEST = Validator.load("chat.completions.request", "openai")
WHOLE = Draft202012Validator(load_schema("chat.completions.response", "openai"))
CHUNK = Draft202012Validator(load_schema("chat.completions.chunk", "openai"))
ECHO = EchoProvider("echo", {})


def call(body):
    body = {"model": "asked", **body}
    return Call("r1", "chat.completions", "echo", body, json.dumps(body).encode(), False)


def whole(body):
    answer = asyncio.run(ECHO.send(call(body), None))
    WHOLE.validate(answer)
    return answer


def chunks(body):
    async def main():
        return [chunk async for batch in ECHO.stream(call(body), None) for chunk in batch]

    found = asyncio.run(main())
    for chunk in found:
        CHUNK.validate(chunk)
    return found


def joined(found):
    """The message of each choice, put together as a client does."""
    messages = {}
    for chunk in found:
        for choice in chunk["choices"]:
            message = messages.setdefault(choice["index"], {"content": None, "calls": {}})
            delta = choice["delta"]
            if delta.get("content") is not None:
                message["content"] = (message["content"] or "") + delta["content"]
            for piece in delta.get("tool_calls") or ():
                made = message["calls"].setdefault(piece["index"], ["", ""])
                made[0] += piece["function"].get("name", "")
                made[1] += piece["function"].get("arguments", "")
            if choice["finish_reason"]:
                message["finish_reason"] = choice["finish_reason"]
    return [messages[index] for index in sorted(messages)]


def told(answer):
    """The same of a whole answer."""
    return [
        {
            "content": choice["message"]["content"],
            "calls": {
                index: [made["function"]["name"], made["function"]["arguments"]]
                for index, made in enumerate(choice["message"].get("tool_calls", ()))
            },
            "finish_reason": choice["finish_reason"],
        }
        for choice in answer["choices"]
    ]


# Bodies as clients may write them: any mix of fields, each as OpenAI documents it.
texts = st.text(max_size=20) | st.sampled_from(["call f", "call f and call g", " ", "\u2028"])
parts = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, texts)
    | st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}),
    min_size=1,
    max_size=3,
)
messages = st.one_of(
    st.builds(
        lambda role, text: {"role": role, "content": text}, st.sampled_from(["system"]), texts
    ),
    st.builds(lambda content: {"role": "user", "content": content}, texts | parts),
    st.builds(lambda text: {"role": "assistant", "content": text}, texts),
    st.just(
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
            ],
        }
    ),
    st.builds(lambda text: {"role": "tool", "tool_call_id": "c", "content": text}, texts),
)
schemas = st.recursive(
    st.sampled_from([{}, {"type": "string"}, {"type": "integer"}, {"enum": ["x"]}]),
    lambda inner: (
        st.builds(lambda items: {"type": "array", "items": items, "minItems": 1}, inner)
        | st.builds(
            lambda one: {"type": "object", "properties": {"a": one}, "required": ["a"]}, inner
        )
    ),
    max_leaves=4,
)
tools = st.builds(
    lambda names, schema: [
        {"type": "function", "function": {"name": name, "parameters": schema}} for name in names
    ],
    st.lists(st.sampled_from("fgh"), unique=True, min_size=1),
    schemas,
)
limits = st.none() | st.integers(1, 9)


@st.composite
def bodies(draw):
    body = {"model": "asked", "messages": draw(st.lists(messages, min_size=1, max_size=4))}
    optional = {
        "n": st.none() | st.integers(1, 3),
        "stop": st.none()
        | texts.filter(bool)
        | st.lists(st.text(max_size=2), min_size=1, max_size=4),
        "max_tokens": limits,
        "max_completion_tokens": limits,
        "logprobs": st.none() | st.booleans(),
        "temperature": st.none() | st.floats(0, 2),
        "seed": st.none() | st.integers(-(2**63), 2**63 - 1),
        "parallel_tool_calls": st.booleans(),
        "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}])
        | st.builds(
            lambda schema: {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
            schemas,
        ),
        "user": st.text(max_size=5),
        "metadata": st.none() | st.just({"a": "b"}),
    }
    body |= draw(st.fixed_dictionaries({}, optional=optional))
    if draw(st.booleans()):
        body["tools"] = draw(tools)
        body["tool_choice"] = draw(st.sampled_from(["auto", "none", "required"]))
    return body


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bodies())
def test_every_valid_request_is_answered_the_same_whole_and_in_chunks(body):
    REQUEST.check(body)
    answer, found = whole(body), chunks(body)
    assert len(answer["choices"]) == (body.get("n") or 1)
    assert joined(found) == told(answer)
    assert found[-1]["choices"] == []
    assert found[-1]["usage"] == answer["usage"]
    assert not any("usage" in chunk for chunk in found[:-1])
    assert {chunk["id"] for chunk in found} == {answer["id"]}


HELLO = {"messages": [{"role": "user", "content": "Hello out there"}]}


def test_a_whole_answer():
    answer = whole({**HELLO, "n": 2})
    assert answer["model"] == "echo"
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["Hello out there"] * 2
    assert answer["usage"]["total_tokens"] == 9


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_a_whole_number_may_be_written_with_a_point(name):
    body = {**HELLO, "n": 2.0, name: 1.0}
    assert told(whole(body)) == told(whole({**HELLO, "n": 2, name: 1}))
    assert joined(chunks(body)) == told(whole(body))


def test_a_chunk_for_each_word():
    first, *words, last, usage = chunks(HELLO)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [chunk["choices"][0]["delta"]["content"] for chunk in words] == [
        "Hello",
        " out",
        " there",
    ]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["usage"]["completion_tokens"] == 3


def test_logprobs_whole_and_in_chunks():
    body = {**HELLO, "logprobs": True}
    tokens = whole(body)["choices"][0]["logprobs"]["content"]
    streamed = [
        token
        for chunk in chunks(body)
        for choice in chunk["choices"]
        if choice["logprobs"]
        for token in choice["logprobs"]["content"]
    ]
    assert streamed == tokens
    assert [token["token"] for token in tokens] == ["Hello", " out", " there"]


@pytest.mark.parametrize("delay", [0, 1])
def test_the_delay_changes_nothing_about_the_answer(delay):
    slow = EchoProvider("echo", {"delay_ms": delay})
    answer = asyncio.run(slow.send(call(HELLO), None))
    assert answer["choices"] == whole(HELLO)["choices"]


def test_it_serves_embeddings_too():
    asked = Call("1", "embeddings", "echo", {"model": "echo", "input": "x"}, b"", stream=False)
    answer = asyncio.run(ECHO.send(asked, None))
    assert (answer["object"], len(answer["data"])) == ("list", 1)


def test_it_is_a_plugin():
    assert TORNADO_ROUTER_API == PLUGIN_API_VERSION
    assert register_providers() == {"echo": EchoProvider}


def test_speech_is_bytes_whole_and_streamed():
    body = {"model": "asked", "input": "hello there"}
    asked = Call("r1", "audio.speech", "echo", body, b"", False)

    async def main():
        pieces = [piece async for batch in ECHO.stream(asked, None) for piece in batch]
        return await ECHO.send(asked, None), pieces

    whole, pieces = asyncio.run(main())
    assert (whole.content_type, whole.usage["prompt_tokens"]) == ("audio/wav", 2)
    assert b"".join(piece.data for piece in pieces) == whole.data
    assert {piece.content_type for piece in pieces} == {"audio/wav"}
    assert [piece.usage for piece in pieces] == [None, None, None, whole.usage]


def test_a_transcription_says_what_it_got():
    file = CallFile("file", "a.mp3", "audio/mpeg")
    file.write(b"x" * 10)
    asked = Call("r1", "audio.transcriptions", "echo", {}, b"", False, files=[file])
    answer = asyncio.run(ECHO.send(asked, None))
    assert answer["text"] == "a.mp3 is audio/mpeg of 10 bytes."
    assert answer["usage"]["output_tokens"] == 6
