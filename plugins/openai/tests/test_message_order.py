"""Instructions in the middle, and users who speak behind tools, at vendors that refuse both."""

import json

import pytest

from tornado_router.provider import Call
from tornado_router_openai import register_providers

CALLS = [{"id": "abcdefgh1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def says(role, content, **fields):
    return {"role": role, "content": content, **fields}


CALLED = says("assistant", None, tool_calls=CALLS)
RESULT = says("tool", "15", tool_call_id="abcdefgh1")


def sent(name, *messages):
    body = {"model": "m", "messages": list(messages)}
    call = Call("id", "chat.completions", "m", body, json.dumps(body).encode(), False, "adapt")
    provider = register_providers()[name]("it", {"api_key": "k", "base_url": "https://x.test/v1"})
    request = provider.endpoints["chat.completions"].build_request(call)
    return json.loads(request.body)["messages"]


STRICT = pytest.mark.parametrize("name", ["vllm", "ollama", "llama.cpp", "mistral"])


@STRICT
def test_a_later_instruction_joins_what_the_user_says(name):
    assert sent(
        name,
        says("system", "a"),
        says("user", "b"),
        says("system", "c"),
        says("user", "d"),
        says("assistant", "e"),
        says("user", "f"),
    ) == [
        says("system", "a"),
        says("user", "b\n\n<system>\nc\n</system>\n\nd"),
        says("assistant", "e"),
        says("user", "f"),
    ]


@STRICT
def test_instructions_before_all_others_are_one(name):
    made = sent(name, says("system", "a"), says("developer", "b"), says("user", "c"))
    assert made == [says("system", "a\n\nb"), says("user", "c")]


@STRICT
def test_parts_stay_parts(name):
    text = {"type": "text", "text": "c"}
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    made = sent(name, says("user", [image]), says("system", [text]), says("user", "d"))
    marked = {"type": "text", "text": "<system>\nc\n</system>"}
    assert made == [says("user", [image, marked, {"type": "text", "text": "d"}])]


@STRICT
def test_what_is_in_order_is_left_alone(name):
    messages = [says("system", "a"), says("user", "b"), says("user", "c"), says("assistant", "d")]
    assert sent(name, *messages) == messages


def test_at_mistral_the_assistant_speaks_between_a_tool_and_a_user():
    for behind in (says("user", "x"), says("system", "x")):
        made = sent("mistral", says("user", "a"), CALLED, RESULT, behind)
        assert [message["role"] for message in made] == [
            *("user", "assistant", "tool", "assistant", "user")
        ]
    done = [says("user", "a"), CALLED, RESULT, says("assistant", "b")]
    assert [m["role"] for m in sent("mistral", *done)] == ["user", "assistant", "tool", "assistant"]


@pytest.mark.parametrize("name", ["openai", "openrouter", "deepseek", "groq"])
def test_others_get_the_clients_order(name):
    messages = [says("user", "a"), says("system", "b"), CALLED, RESULT, says("user", "c")]
    assert [message["role"] for message in sent(name, *messages)] == [
        message["role"] for message in messages
    ]


@STRICT
def test_many_instructions_are_joined_in_their_order(name):
    parts = [{"type": "text", "text": "c"}]
    found = sent(name, says("system", "a"), says("system", "b"), says("system", parts))
    texts = [part["text"] for part in found[0]["content"]]
    assert (len(found), "\n\n".join(texts)) == (1, "a\n\nb\n\nc")
