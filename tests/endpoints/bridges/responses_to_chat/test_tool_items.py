"""Calls and outputs of every kind: there as functions and their results, and back."""

import orjson
import pytest

from .exchange import call, completion, messages, response, tool_call

SHELL_OUTPUT = [
    {"stdout": "a\n", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}},
]
KINDS = {
    "custom_tool_call": (
        {"type": "custom", "name": "exec"},
        {"name": "exec", "input": 'a "b"\n'},
        {"input": 'a "b"\n'},
    ),
    "tool_search_call": (
        {"type": "tool_search", "execution": "client", "parameters": {"type": "object"}},
        {"execution": "client", "arguments": {"query": "x"}},
        {"query": "x"},
    ),
    "local_shell_call": (
        {"type": "local_shell"},
        {"action": {"type": "exec", "command": ["ls"], "env": {}, "working_directory": "/"}},
        {"command": ["ls"], "env": {}, "working_directory": "/"},
    ),
    "shell_call": (
        {"type": "shell"},
        {"action": {"commands": ["ls"], "timeout_ms": 5}},
        {"commands": ["ls"], "timeout_ms": 5},
    ),
    "apply_patch_call": (
        {"type": "apply_patch"},
        {"operation": {"type": "update_file", "path": "a", "diff": "@@"}},
        {"operation": {"type": "update_file", "path": "a", "diff": "@@"}},
    ),
}
"""By type of the item: the tool, what is special of the item, and the function's arguments."""

OUTPUTS = {
    "custom_tool_call": ({"output": "done"}, "done"),
    "tool_search_call": (
        {
            "tools": [
                {
                    "type": "namespace",
                    "name": "crm",
                    "description": "d",
                    "tools": [{"type": "function", "name": "f"}],
                },
                {"type": "function", "name": "g", "parameters": None, "strict": None},
            ]
        },
        '{"loaded":["f","g"]}',
    ),
    "local_shell_call": ({"output": "done"}, "done"),
    "shell_call": (
        {"output": SHELL_OUTPUT},
        orjson.dumps({"output": SHELL_OUTPUT}).decode(),
    ),
    "apply_patch_call": ({"output": "ok", "status": "failed"}, "failed\nok"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_of_a_kind_is_answered_as_that_kind(kind):
    tool, special, arguments = KINDS[kind]
    name = tool.get("name", tool["type"])
    calls = [tool_call("c1", name, orjson.dumps(arguments).decode())]
    body = completion("tool_calls", tool_calls=calls)
    (item,) = response(call(tools=[tool]), body)["output"]
    assert item.items() >= {"type": kind, "call_id": "c1", "status": "completed"}.items()
    assert {field: item[field] for field in special} == special
    assert item["id"].split("_")[0] in ("ctc", "tsc", "lsh", "sh", "apc")


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_comes_back_with_its_output(kind):
    tool, special, arguments = KINDS[kind]
    fields, text = OUTPUTS[kind]
    result = {
        "type": "tool_search_output" if kind == "tool_search_call" else f"{kind}_output",
        "call_id": "c1",
        **fields,
    }
    if kind == "local_shell_call":
        result["id"] = result.pop("call_id")
    item = {"type": kind, "id": "x_1", "call_id": "c1", "status": "completed", **special}
    found = messages(item, result, tools=[tool])
    function = found[0]["tool_calls"][0]["function"]
    assert function["name"] == tool.get("name", tool["type"])
    assert orjson.loads(function["arguments"]) == arguments
    assert found[1] == {"role": "tool", "tool_call_id": "c1", "content": text}


def test_tools_that_a_search_found_may_be_called():
    item = {"type": "tool_search_call", "call_id": "c1", **KINDS["tool_search_call"][1]}
    result = {"type": "tool_search_output", "call_id": "c1", **OUTPUTS["tool_search_call"][0]}
    from .exchange import made

    found = made([item, result], tools=[KINDS["tool_search_call"][0]])["tools"]
    assert [tool["function"]["name"] for tool in found] == ["tool_search", "crm__f", "g"]


def test_a_search_that_the_vendor_made_is_left_out():
    found = messages(
        {"type": "tool_search_call", "arguments": {}, "execution": "server"},
        {"type": "tool_search_output", "tools": [], "execution": "server"},
        {"role": "user", "content": "x"},
    )
    assert [message["role"] for message in found] == ["user"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"input": "x"}', "x"),
        ('{"patch": "x"}', "x"),
        ("*** Begin Patch", "*** Begin Patch"),
        ('{"a": 1, "b": 2}', '{"a": 1, "b": 2}'),
        ('{"input": 5}', '{"input": 5}'),
        ("", ""),
    ],
)
def test_a_custom_tool_gets_its_text_whatever_the_model_makes_of_it(arguments, text):
    body = completion("tool_calls", tool_calls=[tool_call("c", "exec", arguments)])
    (item,) = response(call(tools=[{"type": "custom", "name": "exec"}]), body)["output"]
    assert item["input"] == text


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("local_shell", '{"command": "ls"}'),
        ("shell", '{"commands": [1]}'),
        ("shell", "{"),
        ("apply_patch", '{"operation": {"type": "update_file", "path": "a"}}'),
        ("apply_patch", '{"operation": {"type": "chmod", "path": "a", "diff": ""}}'),
        ("apply_patch", "[]"),
    ],
)
def test_what_does_not_fit_the_tool_runs_nothing(name, arguments):
    body = completion("tool_calls", tool_calls=[tool_call("c", name, arguments)])
    (item,) = response(call(tools=[{"type": name}]), body)["output"]
    assert (item["type"], item["name"], item["arguments"]) == ("function_call", name, arguments)
