"""Calls of tools and their outputs: items of a response, and what a chat completion has of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tornado_router.endpoints.bridges.responses_to_chat.tools import (
    APPLY_PATCH,
    CUSTOM,
    FUNCTION,
    LOCAL_SHELL,
    SEARCH,
    SHELL,
    Tool,
)
from tornado_router.provider import load_arguments, write_json

CALLS = frozenset((FUNCTION, CUSTOM, SEARCH, LOCAL_SHELL, SHELL, APPLY_PATCH))
"""Types of items that are calls of the client's own tools."""

OUTPUTS = frozenset(
    (
        "function_call_output",
        "custom_tool_call_output",
        "tool_search_output",
        "local_shell_call_output",
        "shell_call_output",
        "apply_patch_call_output",
    )
)
"""Types of items that are their outputs."""

PREFIXES: Mapping[str, str] = {
    FUNCTION: "fc",
    CUSTOM: "ctc",
    SEARCH: "tsc",
    LOCAL_SHELL: "lsh",
    SHELL: "sh",
    APPLY_PATCH: "apc",
    "message": "msg",
    "reasoning": "rs",
}
"""Of the ids of items; the vendor refuses others:
https://github.com/Alishahryar1/free-claude-code/issues/1826."""

_PATCHES = ("create_file", "update_file", "delete_file")


def called(item: Mapping[str, Any]) -> tuple[Tool, str]:
    """The tool that an item of `CALLS` calls, and its arguments as JSON text."""
    kind = item["type"]
    if kind == FUNCTION:
        return Tool(kind, item["name"], item.get("namespace")), item["arguments"]
    if kind == CUSTOM:
        return Tool(kind, item["name"], item.get("namespace")), _json({"input": item["input"]})
    if kind == SEARCH:
        return Tool(kind, "tool_search"), _json(item.get("arguments"))
    if kind == APPLY_PATCH:
        return Tool(kind, "apply_patch"), _json({"operation": item.get("operation")})
    action = item.get("action")
    fields = action.items() if isinstance(action, Mapping) else ()
    arguments = {name: value for name, value in fields if value is not None and name != "type"}
    return Tool(kind, kind.removesuffix("_call")), _json(arguments)


def call_item(
    tool: Tool, call_id: str, arguments: str, item_id: Callable[[str], str], status: str
) -> dict[str, Any]:
    """The item of a call that a model made.

    What does not fit the tool becomes the call of a function of its name, which no client runs.

    Args:
        tool: that it calls.
        call_id: of the call.
        arguments: JSON text, if the model did as it was asked.
        item_id: makes the item's id of the prefix of its kind.
        status: of the item.
    """
    kind = tool.kind
    made: dict[str, Any] | None = None
    if kind == CUSTOM:
        made = {"name": tool.name, "input": input_text(arguments)}
    elif kind != FUNCTION:
        read = load_arguments(arguments)
        made = _action(kind, read) if read is not None else None
    if made is None:
        kind, made = FUNCTION, {"name": tool.name, "arguments": arguments}
    item = {"id": item_id(PREFIXES[kind]), "type": kind, "call_id": call_id, "status": status}
    if tool.namespace:
        made["namespace"] = tool.namespace
    return item | made


def input_text(arguments: str) -> str:
    """The text for a custom tool; what is not in its place is taken for the text itself."""
    read = load_arguments(arguments) or {}
    text = next(iter(read.values())) if len(read) == 1 else read.get("input")
    return text if isinstance(text, str) else arguments


def output_parts(item: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The text of an item of `OUTPUTS`, and the parts of it that are none, each with its index."""
    kind = item["type"]
    if kind == "tool_search_output":
        return _json({"loaded": [name for tool in item["tools"] for name in _names(tool)]}), []
    output = item.get("output")
    if kind == "apply_patch_call_output":
        return f"{item.get('status')}\n{output or ''}".strip(), []
    if kind == "shell_call_output":
        return _json({"output": output}), []
    if not isinstance(output, list):
        return output if isinstance(output, str) else "", []
    texts, others = [], []
    for index, part in enumerate(output):
        if part.get("type") == "input_text":
            texts.append(part["text"])
        else:
            others.append((index, part))
    return "\n".join(texts), others


def _action(kind: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """What an item of a kind says; None if the arguments are others."""
    if kind == SEARCH:
        return {"execution": "client", "arguments": arguments}
    if kind == APPLY_PATCH:
        operation = arguments.get("operation")
        return {"operation": operation} if _is_patch(operation) else None
    commands = arguments.get("command" if kind == LOCAL_SHELL else "commands")
    if not isinstance(commands, list) or not all(isinstance(word, str) for word in commands):
        return None
    if kind == LOCAL_SHELL:
        return {"action": {"type": "exec", "env": {}, **arguments}}
    return {"action": dict(arguments)}


def _is_patch(operation: object) -> bool:
    if not isinstance(operation, Mapping) or not isinstance(operation.get("path"), str):
        return False
    kind = operation.get("type")
    return kind == "delete_file" or (kind in _PATCHES and isinstance(operation.get("diff"), str))


def _names(tool: Mapping[str, Any]) -> list[Any]:
    inner = tool.get("tools")
    if isinstance(inner, list):
        return [one.get("name") for one in inner]
    return [tool.get("name") or tool.get("type")]


def _json(value: object) -> str:
    return write_json(value).decode()
