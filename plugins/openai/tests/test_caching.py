"""Marks of cached prefixes: what each vendor gets of Claude's and of OpenAI's."""

import orjson
import pytest

from tornado_router.endpoints.bridges.messages_to_chat import MessagesToChat
from tornado_router.provider import Call
from tornado_router_openai.caching import has_breakpoints
from tornado_router_openai.presets import PRESETS
from tornado_router_openai.provider import OpenAI

MARK = {"cache_control": {"type": "ephemeral"}}
BREAK = {"prompt_cache_breakpoint": {"mode": "explicit"}}
TEXT = {"type": "text", "text": "x"}
CALLED = {"name": "f", "arguments": "{}"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def sent(kind, model, *messages, options=None, **fields):
    """What the vendor gets, whether that is the client's bytes, and what was told."""
    body = {"model": model, "messages": list(messages), **fields}
    call = Call("id", "chat.completions", model, body, orjson.dumps(body), False, "adapt")
    provider = {**PRESETS, "openai": OpenAI}[kind](kind, {"api_key": "k", **(options or {})})
    made = provider.endpoints["chat.completions"].build_request(call)
    return orjson.loads(made.body), made.body == call.raw, call.dropped


@pytest.mark.parametrize(
    ("model", "takes"),
    [
        ("gpt-5.6", True),
        ("gpt-5.6-sol-2026-07-01", True),
        ("gpt-5.10", True),
        ("gpt-6", True),
        ("gpt-5.5", False),
        ("gpt-5", False),
        ("gpt-4o", False),
        ("o3", False),
    ],
)
def test_models_with_breakpoints(model, takes):
    assert has_breakpoints(model) is takes


def test_a_mark_is_openais_breakpoint():
    messages = [
        {"role": "system", "content": "Be brief.", **MARK},
        {"role": "user", "content": [{**TEXT, **MARK}, TEXT]},
        {"role": "user", "content": [TEXT, TEXT], **MARK},
    ]
    body, _, dropped = sent("openai", "gpt-5.6-sol", *messages, tools=[{**TOOL, **MARK}])
    assert body["messages"] == [
        {"role": "system", "content": [{"type": "text", "text": "Be brief.", **BREAK}]},
        {"role": "user", "content": [{**TEXT, **BREAK}, TEXT]},
        {"role": "user", "content": [TEXT, {**TEXT, **BREAK}]},
    ]
    assert body["tools"] == [TOOL]
    assert dropped == []


def test_openais_own_breakpoints_pass_as_they_came():
    messages = {"role": "user", "content": [{**TEXT, **BREAK}]}
    options = {"prompt_cache_options": {"mode": "explicit"}}
    _, same, dropped = sent("openai", "gpt-5.6", messages, **options)
    assert (same, dropped) == (True, [])


@pytest.mark.parametrize(
    ("kind", "model"),
    [("openai", "gpt-4o"), ("mistral", "mistral-large"), ("groq", "llama"), ("xai", "grok-5")],
)
def test_strict_vendors_get_none(kind, model):
    messages = [
        {"role": "user", "content": [{**TEXT, **MARK}, {**TEXT, **BREAK}], **MARK},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "a",
                    "type": "function",
                    "function": {"name": "f", "arguments": "{}"},
                    **MARK,
                }
            ],
        },
        {"role": "tool", "tool_call_id": "a", "content": "x"},
    ]
    fields = {"tools": [{**TOOL, "function": {**TOOL["function"], **MARK}}], **MARK}
    body, _, _ = sent(kind, model, *messages, **fields, prompt_cache_options={"mode": "explicit"})
    text = orjson.dumps(body)
    assert b"cache_control" not in text
    assert b"prompt_cache" not in text
    assert body["messages"][0]["content"] == [TEXT, TEXT]
    assert body["tools"] == [TOOL]


@pytest.mark.parametrize(
    ("kind", "options"), [("openrouter", {}), ("openai", {"base_url": "http://litellm:4000/v1"})]
)
def test_gateways_get_them_as_they_came(kind, options):
    message = {"role": "user", "content": [{**TEXT, **MARK}]}
    assert sent(kind, "anthropic/claude-opus-5-5", message, options=options)[1:] == (True, [])


@pytest.mark.parametrize("marks", [{}, MARK])
def test_the_prefix_stays_the_same_from_turn_to_turn(marks):
    turns = [
        {"role": "system", "content": [{**TEXT, **marks}]},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two", "refusal": None, "annotations": []},
        {"role": "user", "content": "three"},
    ]
    for kind in ("openai", "mistral", "groq", "deepseek"):
        first, second = (sent(kind, "gpt-5.6", *turns[:count])[0] for count in (2, 4))
        assert orjson.dumps(second["messages"][:2]) == orjson.dumps(first["messages"])


def by_messages(model, *messages, **fields):
    """What the vendor gets of a request in Anthropic's form, and what was left out of it."""
    provider = OpenAI("openai", {"api_key": "k"})
    body = {"model": model, "max_tokens": 9, "messages": list(messages), **fields}
    call = Call("id", "messages", model, body, orjson.dumps(body), False, "adapt")
    call.takes_cache_marks = provider.takes_cache_marks(model)
    inner = MessagesToChat().call(call)
    made = provider.endpoints["chat.completions"].build_request(inner)
    return orjson.loads(made.body), [*call.dropped, *inner.dropped]


USE = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "sunny"}


def test_marks_of_messages_become_breakpoints():
    body, dropped = by_messages(
        "gpt-5.6",
        {"role": "user", "content": [TEXT, {"type": "text", "text": "y", **MARK}]},
        {"role": "assistant", "content": [{"type": "text", "text": "I look.", **MARK}, USE]},
        {"role": "user", "content": [{**RESULT, **MARK}]},
        system=[{"type": "text", "text": "Be brief.", **MARK}],
    )
    assert [message["content"] for message in body["messages"]] == [
        [{"type": "text", "text": "Be brief.", **BREAK}],
        [TEXT, {"type": "text", "text": "y", **BREAK}],
        [{"type": "text", "text": "I look.", **BREAK}],
        [{"type": "text", "text": "sunny", **BREAK}],
    ]
    assert dropped == []


def test_a_mark_that_moves_on_leaves_the_message_as_it_was():
    """Else the vendor would not find in its cache what it has there."""
    first = {"role": "user", "content": [TEXT, TEXT]}
    marked = {"role": "user", "content": [TEXT, {**TEXT, **MARK}]}
    before, _ = by_messages("gpt-5.6-sol", marked)
    after, _ = by_messages("gpt-5.6-sol", first, {"role": "assistant", "content": "a"}, marked)
    (sent,) = before["messages"]
    del sent["content"][1]["prompt_cache_breakpoint"]
    assert after["messages"][0] == sent


def test_marks_that_a_model_cannot_have_are_reported():
    body, dropped = by_messages("gpt-4.1", {"role": "user", "content": [TEXT, {**TEXT, **MARK}]})
    assert body["messages"] == [{"role": "user", "content": "x\n\nx"}]
    assert dropped == ["cache_control"]
