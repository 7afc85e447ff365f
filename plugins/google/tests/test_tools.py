from __future__ import annotations

import json

import pytest

from .support import answer, called, fragments, result, tool, user

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
        (
            {"tools": TOOLS, "tool_choice": allow("auto", {"function": 5})},
            "tool_choice.allowed_tools.tools[0]",
        ),
        (
            {"tools": TOOLS, "tool_choice": allow("auto", {"function": {"name": {}}})},
            "tool_choice.allowed_tools.tools[0]",
        ),
    ],
)
def test_what_google_cannot_do_is_refused(google, refused, fields, param):
    assert refused(google, fields).param == param


def test_calls_one_at_a_time_are_hoped_for(google):
    call = google.call({"tools": TOOLS, "parallel_tool_calls": False}, unsupported="adapt")
    google.request(call)
    assert call.dropped == ["parallel_tool_calls"]


def test_what_is_dropped_is_left_out(google):
    fields = {"tools": [{"type": "web_search"}, tool("f")], "parallel_tool_calls": False}
    call = google.call(fields, unsupported="drop")
    body = google.build(fields, unsupported="drop")
    google.request(call)
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert call.dropped == ["tools[0]", "parallel_tool_calls"]


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


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("fs.read", "fs.read"),
        ("a:b-c_1", "a:b-c_1"),
        ("1st", "_1st"),
        ("fs/read", "fs_read"),
        ("n" * 100, "n" * 64),
        ("-x", "_-x"),
    ],
)
def test_names_are_those_that_google_takes_and_come_back(google, name, expected):
    call = google.call(
        {
            "messages": [user(), called(("a", name, "{}")), result("a")],
            "tools": [tool(name)],
            "tool_choice": {"type": "function", "function": {"name": name}},
        }
    )
    body = json.loads(google.request(call).body)
    config = body["toolConfig"]["functionCallingConfig"]
    part = {"functionCall": {"name": expected, "args": {}}}
    assert body["tools"][0]["functionDeclarations"][0]["name"] == expected
    assert config["allowedFunctionNames"] == [expected]
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == expected
    assert body["contents"][2]["parts"][0]["functionResponse"]["name"] == expected
    assert call.dropped == ([] if name == expected else ["tools[0].function.name"])
    made = google.whole(answer(part), call)["choices"][0]["message"]["tool_calls"][0]
    assert made["function"]["name"] == name
    chunks = google.stream(answer(part), call=call)
    assert fragments(chunks)[0]["function"]["name"] == name


@pytest.mark.parametrize("kind", [{}, {"type": None}, {"type": ["object", "null"]}])
def test_parameters_are_an_object(google, kind):
    schema = {**kind, "properties": {"$filter": {"type": "string"}}}
    body = google.build({"tools": [tool(parameters=schema)]})
    declared = body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]
    assert declared == {"type": "object", "properties": {"$filter": {"type": "string"}}}


@pytest.mark.parametrize("description", ["", None])
def test_an_empty_description_is_left_out(google, description):
    body = google.build({"tools": [tool("f", description=description)]})
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
