from __future__ import annotations

import pytest

from tornado_router.provider import ProviderError

from .support import ADAPTIVE, BUDGET, NEWEST, make_call, tool, user


def test_a_tool(claude):
    body = claude.body(user("x"), tools=[tool(description="Weather")])
    assert body["tools"] == [
        {
            "name": "get_weather",
            "description": "Weather",
            "input_schema": tool()["function"]["parameters"],
        }
    ]


@pytest.mark.parametrize("parameters", [None, {}])
def test_a_tool_without_parameters(claude, parameters):
    made = claude.body(user("x"), tools=[tool(parameters=parameters)])["tools"][0]
    assert made["input_schema"] == {"type": "object", "properties": {}}


def test_parameters_without_a_type_are_an_object(claude):
    made = claude.body(user("x"), tools=[tool(parameters={"properties": {"a": {}}})])["tools"][0]
    assert made["input_schema"] == {"type": "object", "properties": {"a": {}}}


def test_a_strict_tool_is_one_with_a_closed_schema(claude):
    made = claude.body(user("x"), tools=[tool(strict=True)])["tools"][0]
    assert made["strict"] is True
    assert made["input_schema"]["additionalProperties"] is False


def test_a_strict_tool_where_the_model_knows_none(claude):
    asked = {"tools": [tool(strict=True)], "model": "claude-opus-4-1"}
    with pytest.raises(ProviderError) as refused:
        claude.body(user("x"), **asked)
    assert refused.value.param == "tools[0].function.strict"
    assert "strict" not in claude.body(user("x"), **asked, unsupported="drop")["tools"][0]


def test_custom_tools_are_refused(claude):
    custom = {"type": "custom", "custom": {"name": "sh"}}
    with pytest.raises(ProviderError) as refused:
        claude.body(user("x"), tools=[tool(), custom])
    assert refused.value.param == "tools[1]"
    call = make_call(
        user("x"),
        tools=[tool(), custom],
        tool_choice={"type": "custom", "custom": {"name": "sh"}},
        unsupported="drop",
    )
    body = claude.body(call=call)
    assert [item["name"] for item in body["tools"]] == ["get_weather"]
    assert call.dropped == ["tools[1]", "tool_choice"]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "f"}}])
def test_a_choice_that_the_newest_models_do_not_take(claude, choice):
    asked = {"tools": [tool("f")], "tool_choice": choice, "model": NEWEST}
    with pytest.raises(ProviderError) as refused:
        claude.body(user("x"), **asked)
    assert refused.value.param == "tool_choice"
    assert "tool_choice" not in claude.body(user("x"), **asked, unsupported="drop")


@pytest.mark.parametrize("model", [BUDGET, ADAPTIVE, "claude-opus-5", "claude-haiku-5-5"])
def test_a_forced_tool_without_a_budget_to_think(claude, model):
    body = claude.body(user("x"), tools=[tool()], tool_choice="required", model=model)
    assert body["tool_choice"] == {"type": "any"}
    assert "thinking" not in body


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", {"type": "none"}),
        ("auto", {"type": "auto", "disable_parallel_tool_use": True}),
        ({"name": "f"}, {"type": "tool", "name": "f", "disable_parallel_tool_use": True}),
    ],
)
def test_function_call(claude, choice, expected):
    body = claude.body(user("x"), functions=[{"name": "f"}], function_call=choice)
    assert body["tool_choice"] == expected


def test_a_choice_of_nothing_is_none(claude):
    assert "tool_choice" not in claude.body(user("x"), tools=[], function_call="auto")


@pytest.mark.parametrize("description", ["", None])
def test_an_empty_description_is_left_out(claude, description):
    made = claude.body(user("x"), tools=[tool(description=description)])["tools"][0]
    assert "description" not in made
