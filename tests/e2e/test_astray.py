"""Requests for responses at the door of chat completions, as Cursor sends them."""

import json

import openai
import pytest

from ..upstream import TEXT

pytestmark = pytest.mark.sqlite_suffices

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}


def ask(client, **fields):
    """The completion of a body that has no `messages`."""
    body = {"model": "ok", "input": [{"role": "user", "content": "hello"}], "tools": [TOOL]}
    return client.post(
        "/chat/completions",
        body={**body, "instructions": "Be brief.", "include": ["x"], **fields},
        cast_to=openai.types.chat.ChatCompletion,
    )


def test_a_whole_response_is_a_chat_completion(client):
    made = ask(client)
    assert (made.object, made.choices[0].message.content) == ("chat.completion", TEXT)


def test_a_stream_has_chunks(client):
    stream = client.post(
        "/chat/completions",
        body={"model": "ok", "input": "hello", "stream": True},
        cast_to=openai.types.chat.ChatCompletionChunk,
        stream=True,
        stream_cls=openai.Stream[openai.types.chat.ChatCompletionChunk],
    )
    chunks = list(stream)
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    said = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    assert said == TEXT


def test_it_is_checked_as_what_it_is(client):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, input=[{"role": "nobody", "content": "x"}])
    assert caught.value.param == "input[0].role"
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body={"model": "ok"}, cast_to=object)
    assert caught.value.param == "messages"


def test_what_was_left_out_is_told(client):
    raw = client.chat.completions.with_raw_response.create(
        model="ok", messages=openai.omit, extra_body={"input": "hello", "truncation": "auto"}
    )
    assert raw.headers["x-router-dropped-params"] == "truncation"
    assert json.loads(raw.content)["object"] == "chat.completion"
