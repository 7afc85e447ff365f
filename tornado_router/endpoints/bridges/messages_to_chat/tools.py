"""Tools and the choice among them, and JSON Schemas that chat completions can promise to keep.

https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools and
https://platform.openai.com/docs/guides/function-calling.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tornado_router.endpoints.bridges.messages_to_chat.client_tools import client_tool
from tornado_router.endpoints.bridges.messages_to_chat.content import Blocks
from tornado_router.provider import Params, SafeNames

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What chat completions take; Anthropic's names may have 128 characters."""

_MAX_NAME = 64
_CUSTOM = (None, "custom")
_CARRIED = frozenset({"type", "name", "description", "input_schema", "strict"})
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_NESTED = ("anyOf", "allOf", "oneOf", "prefixItems")
_MAPS = ("properties", "$defs", "definitions")


def safe_names(body: Mapping[str, Any]) -> SafeNames:
    """The names of a request's tools, as chat completions take them."""
    return SafeNames(_names(body), _NAME, _MAX_NAME)


def add_tools(body: dict[str, Any], params: Params, blocks: Blocks, names: SafeNames) -> None:
    """Puts tools, and the choice among them, into the body of a chat completion.

    Raises:
        ProviderError: the operator wants nothing left out, and there is a tool of Anthropic's own.
    """
    tools: list[dict[str, Any]] = []
    for index, tool in enumerate(params.take("tools", ())):
        path = f"tools[{index}]"
        function = _function(tool, params, blocks, path)
        if function is None:
            params.approximate(path)
            continue
        name = names.safe(function["name"])
        if name != function["name"]:
            function["name"] = name
            blocks.tell(f"{path}.name")
        tools.append({"type": "function", "function": function})
    choice = params.take("tool_choice")
    if not tools:
        if choice is not None:
            blocks.tell("tool_choice")
        return
    body["tools"] = tools
    if choice is None:
        return
    if choice["type"] == "tool":
        name = names.safe(choice["name"])
        if any(tool["function"]["name"] == name for tool in tools):
            body["tool_choice"] = {"type": "function", "function": {"name": name}}
        else:  # of a tool that is left out
            blocks.tell("tool_choice")
    elif choice["type"] in _CHOICES:
        body["tool_choice"] = _CHOICES[choice["type"]]
    else:
        params.approximate("tool_choice")
    if choice.get("disable_parallel_tool_use"):
        body["parallel_tool_calls"] = False


def is_strict(schema: object) -> bool:
    """Whether a schema is one that OpenAI's `strict` takes: objects are closed, nothing optional.

    Anthropic's takes optional properties, which OpenAI refuses:
    https://platform.openai.com/docs/guides/structured-outputs#supported-schemas.
    """
    if not isinstance(schema, Mapping):
        return True  # of a schema that is true or false there is nothing to say
    properties = schema.get("properties")
    if properties is not None or schema.get("type") == "object":
        if schema.get("additionalProperties") is not False:
            return False
        required = schema.get("required") or []
        if not isinstance(properties or {}, Mapping) or not isinstance(required, list):
            return False  # the vendor's to refuse
        if set(properties or ()) - {name for name in required if isinstance(name, str)}:
            return False
    return all(map(is_strict, _subschemas(schema)))


def _subschemas(schema: Mapping[str, Any]) -> Iterator[Any]:
    for name in _MAPS:
        if isinstance(schema.get(name), Mapping):
            yield from schema[name].values()
    for name in _NESTED:
        if isinstance(schema.get(name), list):
            yield from schema[name]
    yield schema.get("items")


def _function(
    tool: Mapping[str, Any], params: Params, blocks: Blocks, path: str
) -> dict[str, Any] | None:
    """The function that a tool is; None for one that only Anthropic can run."""
    kind = tool.get("type")
    if kind not in _CUSTOM:
        return client_tool(kind, tool)
    if not isinstance(tool.get("name"), str):
        return None
    for name in tool:
        if name not in _CARRIED:
            blocks.tell("cache_control" if name == "cache_control" else f"tools.{name}")
    function: dict[str, Any] = {"name": tool["name"]}
    if tool.get("description"):
        function["description"] = tool["description"]
    schema = tool.get("input_schema")
    if schema is not None:
        function["parameters"] = schema
    if tool.get("strict"):
        if is_strict(schema):
            function["strict"] = True
        else:
            params.approximate(f"{path}.strict")
    return function


def _names(body: Mapping[str, Any]) -> Iterator[str]:
    """The names of all tools, defined or used, in order."""
    for tool in body.get("tools") or ():
        name = tool.get("name")
        if isinstance(name, str):
            yield name
    for message in body.get("messages") or ():
        content = message.get("content")
        if message.get("role") == "assistant" and isinstance(content, list):
            for block in content:
                if block.get("type") == "tool_use":
                    yield block["name"]
