"""Tools, which of them to call, and the form of a text: what both APIs have, written otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.provider import Params

_NO_PARAMETERS = {"type": "object", "properties": {}}
_ANY_OBJECT = {"type": "object"}


def read_tools(params: Params) -> list[dict[str, Any]] | None:
    """The definitions, if any. What is neither a function nor custom is the vendor's, as it is."""
    tools = params.take("tools")
    return None if tools is None else [_tool(tool) for tool in tools]


def read_choice(params: Params) -> Any:
    """`tool_choice`; None for none."""
    choice = params.take("tool_choice")
    if not isinstance(choice, Mapping):
        return choice
    if choice["type"] == "allowed_tools":
        allowed = choice["allowed_tools"]
        tools = [_named(tool) for tool in allowed["tools"]]
        return {"type": "allowed_tools", "mode": allowed["mode"], "tools": tools}
    return _named(choice)


def read_format(params: Params) -> dict[str, Any] | None:
    """`text.format`; None for plain text.

    Raises:
        ProviderError: there is no such format.
    """
    wanted = params.take("response_format") or {}
    kind = wanted.get("type", "text")
    if kind == "json_schema":
        found = wanted["json_schema"]
        names = ("name", "description", "strict")
        known = {name: found[name] for name in names if found.get(name) is not None}
        return {"type": kind, **known, "schema": found.get("schema") or _ANY_OBJECT}
    if kind == "json_object":
        return {"type": kind}
    if kind != "text":
        params.unsupported("response_format")
    return None


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    kind = tool["type"]
    if kind == "function":
        # Where nothing is said, this API is strict, and chat completions are not.
        function = tool["function"]
        strict = function.get("strict") or False
        made = {
            "type": kind,
            "name": function["name"],
            "parameters": function.get("parameters") or _NO_PARAMETERS,
            "strict": strict,
        }
        return _described(made, function)
    if kind == "custom":
        custom = tool["custom"]
        made = _described({"type": kind, "name": custom["name"]}, custom)
        form = custom.get("format")
        if form is not None:
            made["format"] = {"type": form["type"], **(form.get("grammar") or {})}
        return made
    return dict(tool)


def _described(made: dict[str, Any], definition: Mapping[str, Any]) -> dict[str, Any]:
    if definition.get("description") is not None:
        made["description"] = definition["description"]
    return made


def _named(choice: Mapping[str, Any]) -> dict[str, Any]:
    """One tool by its name: `{"type": "function", "name": ...}`."""
    kind = choice.get("type")
    inner = choice.get(kind) if isinstance(kind, str) else None
    if isinstance(inner, Mapping) and "name" in inner:
        return {"type": kind, "name": inner["name"]}
    return dict(choice)
