"""Anthropic's tools that the client runs: other models get their schema."""

import jsonschema
import pytest

from tests.messages import call
from tornado_router.endpoints import CHAT_COMPLETIONS
from tornado_router.endpoints.bridges.messages_to_chat.client_tools import client_tool
from tornado_router.endpoints.bridges.messages_to_chat.request import build_body


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("bash_20250124", {"command": "ls"}),
        ("bash_20250124", {"restart": True}),
        (
            "text_editor_20250728",
            {"command": "insert", "path": "/a", "insert_line": 0, "insert_text": "x"},
        ),
        (
            "text_editor_20250124",
            {"command": "insert", "path": "/a", "insert_line": 0, "new_str": "x"},
        ),
        ("text_editor_20250728", {"command": "view", "path": "/a", "view_range": [1, -1]}),
        ("memory_20250818", {"command": "rename", "old_path": "/a", "new_path": "/b"}),
    ],
)
def test_its_schema_takes_what_claude_sends(kind, given):
    function = client_tool(kind, {"type": kind, "name": "t"})
    jsonschema.validate(given, {**function["parameters"], "additionalProperties": False})


def test_each_is_a_function_of_its_name():
    tool = {"type": "bash_20250124", "name": "bash"}
    asked = call(tools=[tool], tool_choice={"type": "tool", "name": "bash"})
    body = build_body(asked)
    CHAT_COMPLETIONS.validator("openai").check(body)
    assert body["tools"][0]["function"]["name"] == "bash"
    assert body["tool_choice"]["function"]["name"] == "bash"
    assert asked.dropped == []


def test_only_the_newest_editor_lacks_an_undo():
    commands = [
        client_tool(kind, {"name": "t"})["parameters"]["properties"]["command"]["enum"]
        for kind in ("text_editor_20250124", "text_editor_20250728")
    ]
    assert commands[0] == [*commands[1], "undo_edit"]


@pytest.mark.parametrize("kind", ["web_search_20260318", "bash_20990101", "computer_20251124", 5])
def test_any_other_is_none(kind):
    assert client_tool(kind, {"type": kind, "name": "t"}) is None
