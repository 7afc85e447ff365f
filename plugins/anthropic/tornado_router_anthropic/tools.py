"""Tools, the choice among them, and the ids of their calls.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from tornado_router.provider import Call, Params, SafeNames, tool_names
from tornado_router_anthropic.content import add_cache_control
from tornado_router_anthropic.models import Model
from tornado_router_anthropic.schemas import closed
from tornado_router_anthropic.tool_schemas import tool_schema

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
"""https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools."""

_MAX_NAME = 128


@dataclass(slots=True)
class Tools:
    """The tools of a request.

    Attributes:
        definitions: as the vendor has them.
        choice: `tool_choice`, or None for the default.
    """

    definitions: list[dict[str, Any]] = field(default_factory=list)
    choice: dict[str, Any] | None = None

    @property
    def forced(self) -> bool:
        """Whether the model must call a tool."""
        return self.choice is not None and self.choice["type"] in ("any", "tool")


def is_legacy(body: Mapping[str, Any]) -> bool:
    """Whether a client knows `function_call` only, OpenAI's tools of before there were tools."""
    return bool(body.get("functions")) and not body.get("tools")


def safe_names(call: Call) -> SafeNames:
    """The names of a request's tools, as the vendor takes them."""
    return SafeNames(tool_names(call.body), _NAME, _MAX_NAME)


def read_tools(call: Call, params: Params, model: Model) -> Tools:
    """Takes everything about tools from a request."""
    tools = Tools()
    for index, tool in enumerate(params.take("tools", ())):
        path = f"tools[{index}]"
        if tool.get("type") == "function":
            function = tool["function"]
            definition = _definition(function, call, params, model, f"{path}.function")
            add_cache_control(definition, function)
            add_cache_control(definition, tool)
            tools.definitions.append(definition)
        else:
            params.unsupported(path)
    for index, function in enumerate(params.take("functions", ())):
        definition = _definition(function, call, params, model, f"functions[{index}]")
        tools.definitions.append(definition)
    choice = params.take("tool_choice")
    named = params.take("function_call")
    # A client of functions can be given only one call at a time.
    one = params.take("parallel_tool_calls") is False or is_legacy(call.body)
    if tools.definitions:
        tools.choice = _choice(tools, choice if choice is not None else named, params, model)
        if one and (tools.choice is None or tools.choice["type"] != "none"):
            tools.choice = {**(tools.choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    return tools


def describe_past_tools(tools: Tools, names: Collection[str]) -> None:
    """Defines the tools of earlier calls, where a request has calls but no tools any more.

    Some places that serve this API refuse calls of tools that are not defined; none may be made.
    """
    tools.definitions = [{"name": name, "input_schema": {"type": "object"}} for name in names]
    tools.choice = {"type": "none"}


def safe_id(tool_call_id: str) -> str:
    """A tool call's id in the letters that the vendor takes; another provider may have made it."""
    if _ID.fullmatch(tool_call_id):
        return tool_call_id
    return "toolu_" + hashlib.sha256(tool_call_id.encode("utf-8", "replace")).hexdigest()[:24]


def _definition(
    function: Mapping[str, Any], call: Call, params: Params, model: Model, path: str
) -> dict[str, Any]:
    taken = tool_schema(function.get("parameters"))
    for keyword in taken.in_words:
        params.approximate(f"{path}.parameters.{keyword}")
    if taken.keys:
        call.dropped.append(f"{path}.parameters.properties")  # by their names, for the model alone
    schema = taken.schema
    definition: dict[str, Any] = {"name": function["name"], "input_schema": schema}
    if function.get("description"):
        definition["description"] = function["description"]
    if function.get("strict"):
        if model.json_schema:
            definition["strict"] = True
            definition["input_schema"] = closed(schema, params, f"{path}.parameters")
        else:
            params.approximate(f"{path}.strict")
    return definition


def _choice(tools: Tools, choice: Any, params: Params, model: Model) -> dict[str, Any] | None:
    match choice:
        case None | "auto":
            return None
        case "none":
            return {"type": "none"}
        case "required":
            return _forced({"type": "any"}, params, model)
        case {"type": "custom"}:
            params.unsupported("tool_choice")
            return None
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": allowed}}:
            names = [_allowed_name(tool) for tool in allowed]
            tools.definitions = [item for item in tools.definitions if item["name"] in names]
            if mode == "required" and tools.definitions:
                return _forced({"type": "any"}, params, model)
            return None
        case {"function": {"name": name}} | {"name": name}:
            return _forced({"type": "tool", "name": name}, params, model)
    return None


def _allowed_name(tool: Mapping[str, Any]) -> Any:
    match tool:
        case {"function": {"name": name}} | {"name": name}:
            return name
    return None


def _forced(choice: dict[str, Any], params: Params, model: Model) -> dict[str, Any] | None:
    if model.forced_tools:
        return choice
    params.approximate("tool_choice")
    return None
