"""Tools, the choice among them, and their names."""

import pytest

from tests.messages import WEATHER, assistant, call, result, use, user
from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.endpoints.bridges.messages_to_chat.request import build_body
from tornado_router.endpoints.bridges.messages_to_chat.tools import is_strict, safe_names
from tornado_router.errors import ProviderError

VALIDATOR = CHAT_COMPLETIONS.validator("openai")
FUNCTION = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "parameters": WEATHER["input_schema"],
}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}
CLOSED = {**WEATHER["input_schema"], "additionalProperties": False}


def made(*messages, **fields):
    asked = call(*messages, **fields)
    body = build_body(asked)
    VALIDATOR.check(body)
    return body, asked.dropped


@pytest.mark.parametrize("kind", [{}, {"type": "custom"}, {"type": None}])
def test_a_tool_is_a_function(kind):
    body, dropped = made(tools=[{**WEATHER, **kind}])
    assert body["tools"] == [{"type": "function", "function": FUNCTION}]
    assert dropped == []


def test_a_description_of_forty_thousand_characters_passes():
    body, _ = made(tools=[{**WEATHER, "description": "x" * 40_000}])
    assert len(body["tools"][0]["function"]["description"]) == 40_000


def test_what_a_function_has_no_place_for_is_told():
    extra = {
        "cache_control": {"type": "ephemeral"},
        "eager_input_streaming": True,
        "input_examples": [{"city": "Rome"}],
    }
    _, dropped = made(tools=[{**WEATHER, **extra}, {**WEATHER, "name": "g", **extra}])
    assert dropped == ["cache_control", "tools.eager_input_streaming", "tools.input_examples"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        (
            {"type": "tool", "name": "get_weather"},
            {"type": "function", "function": {"name": "get_weather"}},
        ),
    ],
)
def test_the_choice_among_tools(choice, expected):
    body, dropped = made(tools=[WEATHER], tool_choice=choice)
    assert (body["tool_choice"], dropped) == (expected, [])
    assert "parallel_tool_calls" not in body
    body, _ = made(tools=[WEATHER], tool_choice={**choice, "disable_parallel_tool_use": True})
    assert (body["tool_choice"], body["parallel_tool_calls"]) == (expected, False)


def test_a_tool_that_only_anthropic_runs_is_left_out_and_told():
    body, dropped = made(
        tools=[SEARCH, WEATHER], tool_choice={"type": "tool", "name": "web_search"}
    )
    assert [tool["function"]["name"] for tool in body["tools"]] == ["get_weather"]
    assert "tool_choice" not in body
    assert dropped == ["tools[0]", "tool_choice"]
    with pytest.raises(ProviderError) as refused:
        made(tools=[WEATHER, SEARCH], unsupported="reject")
    assert refused.value.param == "tools[1]"


@pytest.mark.parametrize("tools", [[SEARCH], [{"type": "advisor_20260301", "name": "x"}], []])
def test_without_a_tool_that_is_left_there_is_no_choice(tools):
    body, dropped = made(tools=tools, tool_choice={"type": "auto"})
    assert body.keys() == {"model", "messages", "max_completion_tokens"}
    assert dropped[-1] == "tool_choice"


def test_a_name_that_is_too_long_is_another_one_everywhere():
    name = "mcp__server__" + "x" * 100
    tool = {**WEATHER, "name": name}
    turns = [user("x"), assistant(use(name=name)), user([result()])]
    body, dropped = made(*turns, tools=[tool], tool_choice={"type": "tool", "name": name})
    safe = body["tools"][0]["function"]["name"]
    assert len(safe) <= 64
    assert body["messages"][1]["tool_calls"][0]["function"]["name"] == safe
    assert body["tool_choice"]["function"]["name"] == safe
    assert dropped == ["tools[0].name"]
    assert safe_names({"tools": [tool]}).original(safe) == name


def test_strict_is_promised_where_the_schema_is_closed():
    body, dropped = made(tools=[{**WEATHER, "strict": True, "input_schema": CLOSED}])
    assert (body["tools"][0]["function"]["strict"], dropped) == (True, [])
    body, dropped = made(tools=[{**WEATHER, "strict": True}])
    assert "strict" not in body["tools"][0]["function"]
    assert dropped == ["tools[0].strict"]


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        (CLOSED, True),
        ({**CLOSED, "required": []}, False),
        ({"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]}, False),
        ({"type": "object", "additionalProperties": False}, True),
        ({"type": "array", "items": CLOSED}, True),
        ({"type": "array", "items": {"type": "object"}}, False),
        ({"anyOf": [CLOSED, {"type": "null"}]}, True),
        ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {}}}}, False),
        (True, True),
        ({**CLOSED, "required": 5}, False),
        ({**CLOSED, "required": [{}]}, False),
        ({**CLOSED, "properties": [[]]}, False),
    ],
)
def test_which_schemas_can_be_promised(schema, strict):
    assert is_strict(schema) is strict


def test_a_tool_without_a_name_is_left_out():
    body, dropped = made(tools=[{"type": None}, WEATHER])
    assert len(body["tools"]) == 1
    assert dropped == ["tools[0]"]
