from __future__ import annotations

import pytest

from .support import tool, user

TOOLS = [tool("f"), tool("g", description="G.", parameters={"type": "object"})]
F = {"type": "function", "function": {"name": "f"}}


def allow(mode, *tools):
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}


def test_declarations(google):
    assert google.build({"tools": TOOLS})["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f"},
                {"name": "g", "description": "G.", "parametersJsonSchema": {"type": "object"}},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (F, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (allow("required", F), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (allow("auto", F), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)
def test_choices(google, choice, expected):
    body = google.build({"tools": TOOLS, "tool_choice": choice})
    assert body.get("toolConfig", {}).get("functionCallingConfig") == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [*TOOLS, {"type": "custom", "custom": {"name": "sh"}}]}, "tools[2]"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [tool("1st")]}, "tools[0].function.name"),
        ({"tools": TOOLS, "parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice"),
        (
            {"tools": TOOLS, "tool_choice": {"type": "custom", "custom": {"name": "sh"}}},
            "tool_choice",
        ),
        ({"tools": TOOLS, "tool_choice": allow("sometimes", F)}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": allow("auto")}, "tool_choice"),
        (
            {"tools": TOOLS, "tool_choice": allow("auto", F, tool("h"))},
            "tool_choice.allowed_tools.tools[1]",
        ),
    ],
)
def test_what_google_cannot_do_is_refused(google, refused, fields, param):
    assert refused(google, fields).param == param


def test_what_is_dropped_is_left_out(google):
    fields = {"tools": [tool("1st"), tool("f")], "parallel_tool_calls": False}
    call = google.call(fields, unsupported="drop")
    body = google.build(fields, unsupported="drop")
    google.request(call)
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert call.dropped == ["tools[0].function.name", "parallel_tool_calls"]


def test_no_tools_make_no_choice(google):
    fields = {"tools": [], "tool_choice": "none", "parallel_tool_calls": False}
    assert google.build(fields).keys() == {"contents"}


def test_strict_functions_are_kept_to(google):
    body = google.build({"tools": [tool("f", strict=True)]})
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    body = google.build({"tools": [tool("f", strict=True)], "tool_choice": "required"})
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


def test_legacy_functions(google):
    functions = [{"name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}]
    body = google.build({"functions": functions, "function_call": {"name": "f"}})
    assert body["tools"][0]["functionDeclarations"] == [
        {
            "name": "f",
            "parametersJsonSchema": {"type": "object", "properties": {"a": {"type": "string"}}},
        }
    ]
    assert body["toolConfig"]["functionCallingConfig"] == {
        "mode": "ANY",
        "allowedFunctionNames": ["f"],
    }


def test_a_schema_that_is_nested_too_deeply_is_refused(google, refused):
    schema = {"type": "object"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}}
    error = refused(google, {"tools": [tool("f", parameters=schema)], "messages": [user()]})
    assert error.param == "tools[0].function.parameters"


def test_a_choice_that_is_dropped_leaves_it_to_the_model(google):
    for choice in ("sometimes", allow("auto", tool("h"))):
        body = google.build({"tools": TOOLS, "tool_choice": choice}, unsupported="drop")
        assert "toolConfig" not in body
