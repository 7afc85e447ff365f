"""Anthropic's own tools that the client runs: to other models, functions with a schema.

Claude knows their input by heart, so requests do not have it. It is as in
https://platform.claude.com/docs/en/agents-and-tools/tool-use/bash-tool,
https://platform.claude.com/docs/en/agents-and-tools/tool-use/text-editor-tool and
https://platform.claude.com/docs/en/agents-and-tools/tool-use/memory-tool.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


_RANGE = {
    "type": "array",
    "items": {"type": "integer"},
    "description": "Of `view`, for a file: the first and the last line, from 1; -1 is the end.",
}
_LINE = {"type": "integer", "description": "Of `insert`: the line behind which it goes, or 0."}

_BASH = (
    "Runs a command in a bash session that lasts: variables and the working directory stay.",
    _object(
        [],
        command=_text("The command to run; required unless the session is restarted."),
        restart={"type": "boolean", "description": "Restarts the session."},
    ),
)

_EDITS: dict[str, Any] = {
    "file_text": _text("Of `create`: the text of the file."),
    "old_str": _text("Of `str_replace`: the text to replace, which is there once, exactly so."),
    "new_str": _text("Of `str_replace`: the text in its place."),
    "insert_line": _LINE,
    "view_range": _RANGE,
}


def _editor(*commands: str) -> tuple[str, dict[str, Any]]:
    schema = _object(
        ["command", "path"],
        command={"type": "string", "enum": list(commands)},
        path=_text("Of the file or folder."),
        **_EDITS,
        insert_text=_text("Of `insert`: the text."),
    )
    return "Views, creates and edits text files.", schema


_EDITOR = _editor("view", "create", "str_replace", "insert")
_OLD_EDITOR = _editor("view", "create", "str_replace", "insert", "undo_edit")
_OLD_EDITOR[1]["properties"]["new_str"] = _text("Of `str_replace` and `insert`: the new text.")
del _OLD_EDITOR[1]["properties"]["insert_text"]

_MEMORY = (
    "Keeps notes in files below /memories, which outlast the conversation. View them before "
    "you begin, and write down what will be of use later.",
    _object(
        ["command"],
        command={
            "type": "string",
            "enum": ["view", "create", "str_replace", "insert", "delete", "rename"],
        },
        path=_text("Of the file or folder; not of `rename`."),
        **_EDITS,
        insert_text=_text("Of `insert`: the text."),
        old_path=_text("Of `rename`."),
        new_path=_text("Of `rename`."),
    ),
)

_TOOLS = {
    "bash_20241022": _BASH,
    "bash_20250124": _BASH,
    "text_editor_20241022": _OLD_EDITOR,
    "text_editor_20250124": _OLD_EDITOR,
    "text_editor_20250429": _EDITOR,
    "text_editor_20250728": _EDITOR,
    "memory_20250818": _MEMORY,
}


def client_tool(kind: object, tool: Mapping[str, Any]) -> dict[str, Any] | None:
    """The function that a tool of Anthropic's is to another model; None if it cannot be one.

    Args:
        kind: the tool's type; one of another date is another tool.
        tool: as the client defines it.
    """
    known = _TOOLS.get(kind) if isinstance(kind, str) else None
    if known is None or not isinstance(tool.get("name"), str):
        return None
    description, schema = known
    return {"name": tool["name"], "description": description, "parameters": schema}
