"""Tools and formats: flat here, nested there; strict here, lax there, where nothing is said."""

import pytest

from tests.endpoints.bridges.chat_to_responses.asked import WEATHER, call, sent
from tornado_router.errors import ProviderError


def test_functions_are_as_strict_as_the_client_means_them():
    strict = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    bare = {"type": "function", "function": {"name": "now"}}
    body = sent(call(tools=[WEATHER, {"type": "function", "function": strict}, bare]))
    assert body["tools"] == [
        {
            "type": "function",
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
        {"type": "function", **strict},
        {
            "type": "function",
            "name": "now",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
    ]


def test_custom_tools_and_those_of_the_vendor():
    grammar = {"syntax": "lark", "definition": "start: /x/"}
    custom = {"name": "sh", "description": "d", "format": {"type": "grammar", "grammar": grammar}}
    body = sent(call(tools=[{"type": "custom", "custom": custom}, {"type": "web_search"}]))
    assert body["tools"] == [
        {
            "type": "custom",
            "name": "sh",
            "description": "d",
            "format": {"type": "grammar", **grammar},
        },
        {"type": "web_search"},
    ]


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ("auto", "auto"),
        ("required", "required"),
        (
            {"type": "function", "function": {"name": "get_weather"}},
            {"type": "function", "name": "get_weather"},
        ),
        ({"type": "custom", "custom": {"name": "sh"}}, {"type": "custom", "name": "sh"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "get_weather"}}],
                },
            },
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "get_weather"}],
            },
        ),
    ],
)
def test_choices(choice, made):
    shell = {"type": "custom", "custom": {"name": "sh"}}
    assert sent(call(tools=[WEATHER, shell], tool_choice=choice))["tool_choice"] == made


def test_formats():
    schema = {"name": "t", "schema": {"type": "object"}, "strict": True}
    asked = {"type": "json_schema", "json_schema": schema}
    assert sent(call(response_format=asked))["text"] == {
        "format": {"type": "json_schema", **schema}
    }
    assert sent(call(response_format={"type": "json_object"}, verbosity="low"))["text"] == {
        "format": {"type": "json_object"},
        "verbosity": "low",
    }
    assert "text" not in sent(call(response_format={"type": "text"}))
    with pytest.raises(ProviderError) as caught:
        sent(call(response_format={"type": "grammar"}))
    assert caught.value.param == "response_format"
