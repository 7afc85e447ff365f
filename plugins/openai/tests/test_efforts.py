"""Which effort of reasoning a model of OpenAI's is asked for."""

import json

import pytest

from tornado_router.provider import Call
from tornado_router_openai import register_providers
from tornado_router_openai.efforts import nearest_effort

AZURE = {"api_key": "k", "base_url": "https://x.openai.azure.com/openai/v1"}


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("gpt-4o", "high", None),
        ("gpt-4.1-mini", "none", None),
        ("gpt-5-chat-latest", "low", None),
        ("o1-mini", "low", None),
        ("o3", "high", "high"),
        ("o4-mini", "max", "high"),
        ("o3", "none", "low"),
        ("gpt-5", "minimal", "minimal"),
        ("gpt-5-mini", "xhigh", "high"),
        ("gpt-5-nano-2025-08-07", "none", "minimal"),
        ("gpt-5-pro", "low", "high"),
        ("gpt-5.1", "none", "none"),
        ("gpt-5.1", "minimal", "low"),
        ("gpt-5.1", "max", "high"),
        ("gpt-5.1-codex-max", "max", "xhigh"),
        ("gpt-5.2-chat-latest", "high", "medium"),
        ("gpt-5.2-pro", "low", "medium"),
        ("gpt-5.5", "max", "xhigh"),
        ("gpt-5.6-sol", "max", "max"),
        ("gpt-5.6-sol", "minimal", "low"),
        ("gpt-5.6-sol", "ultra", "ultra"),
        ("gpt-6.2", "max", "max"),
        ("my-deployment", "max", "max"),
    ],
)
def test_the_nearest_effort(model, effort, expected):
    assert nearest_effort(model, effort) == expected


def sent(name, model, effort, options=None, unsupported="adapt"):
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    body["reasoning_effort"] = effort
    raw = json.dumps(body).encode()
    call = Call("id", "chat.completions", model, body, raw, False, unsupported)
    provider = register_providers()[name]("it", options or {"api_key": "k"})
    request = provider.endpoints["chat.completions"].build_request(call)
    return json.loads(request.body).get("reasoning_effort"), call.dropped


@pytest.mark.parametrize(("name", "options"), [("openai", None), ("azure", AZURE)])
def test_a_model_gets_an_effort_that_it_takes(name, options):
    assert sent(name, "gpt-5.1", "high", options) == ("high", [])
    assert sent(name, "gpt-5.1", "max", options) == ("high", ["reasoning_effort"])
    assert sent(name, "gpt-4o", "high", options) == (None, ["reasoning_effort"])


def test_where_nothing_is_approximated_the_vendor_refuses():
    assert sent("openai", "gpt-4o", "high", unsupported="reject") == ("high", [])


def test_not_to_think_is_what_a_model_without_reasoning_does_anyway():
    assert sent("openai", "gpt-4o", "none", unsupported="reject") == (None, [])


def test_another_vendor_may_have_other_models_of_the_same_name():
    options = {"base_url": "https://x.test/v1"}
    assert sent("openai", "gpt-4o", "max", options) == ("max", [])


def test_null_is_left_to_the_vendor():
    assert sent("openai", "gpt-4o", None) == (None, [])
