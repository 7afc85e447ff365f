"""Tools: of every kind that a client runs, as functions; and the choice among them.

A chat completion has functions alone, in one flat list. What a vendor of responses
runs itself, such as a web search, is left out.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tornado_router.error_codes import Invalid
from tornado_router.provider import Params

FUNCTION, CUSTOM, SEARCH = "function_call", "custom_tool_call", "tool_search_call"
LOCAL_SHELL, SHELL, APPLY_PATCH = "local_shell_call", "shell_call", "apply_patch_call"

_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")
_MAX_NAME = 64
"""https://platform.openai.com/docs/api-reference/chat/create; Responses takes 128."""

_DIGEST = 8
_LOCAL = (None, "local")
"""Environments of a shell that are the client's own; in another one the vendor runs it."""

_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}


def _function(description: str, required: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": [required]}
    return {"description": description, "parameters": parameters}


_BUILT_IN: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "local_shell": (
        LOCAL_SHELL,
        _function(
            "Runs a command on the user's machine.",
            "command",
            command={
                "type": "array",
                "items": _TEXT,
                "description": "The program and its arguments.",
            },
            working_directory=_TEXT,
            timeout_ms=_NUMBER,
            env={"type": "object", "additionalProperties": _TEXT},
        ),
    ),
    "shell": (
        SHELL,
        _function(
            "Runs shell commands on the user's machine, one after the other.",
            "commands",
            commands={"type": "array", "items": _TEXT},
            timeout_ms=_NUMBER,
            max_output_length=_NUMBER,
        ),
    ),
    "apply_patch": (
        APPLY_PATCH,
        _function(
            "Creates, updates or deletes a file of the user's.",
            "operation",
            operation={
                "type": "object",
                "properties": {
                    "type": {
                        "type": "string",
                        "enum": ["create_file", "update_file", "delete_file"],
                    },
                    "path": {"type": "string", "description": "Relative to the workspace."},
                    "diff": {
                        "type": "string",
                        "description": "In the V4A format: lines that begin with a space, '-' or "
                        "'+', in sections that begin with '@@'. Not for delete_file.",
                    },
                },
                "required": ["type", "path"],
            },
        ),
    ),
}
"""Tools that the vendor's own models know by heart, put in words for all others:
https://platform.openai.com/docs/guides/tools-shell and .../tools-apply-patch."""


class Tool(NamedTuple):
    """One that the client runs.

    Attributes:
        kind: the type of the items that call it.
        name: the client's.
        namespace: that it stands in, or None.
    """

    kind: str
    name: str
    namespace: str | None = None


class Tools:
    """The tools of a request, wherever in it they are defined.

    Each gets a name that is one among all of them, and the same in every turn.

    Args:
        body: of the request.

    Attributes:
        functions: what a chat completion has of them, by their names there.
        dropped: the paths of those that neither client nor vendor can run.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.functions: dict[str, dict[str, Any]] = {}
        self.dropped: list[str] = []
        self._tools: dict[str, Tool] = {}
        self._names: dict[Tool, str] = {}
        for path, tool in _defined(body):
            self._define(tool, path)

    def name(self, tool: Tool) -> str:
        """What a chat completion calls a tool, one of an earlier turn too."""
        known = self._names.get(tool)
        if known is None:
            known = self._names[tool] = self._unique(tool)
            self._tools[known] = tool
        return known

    def tool(self, name: str) -> Tool:
        """The tool that a chat completion calls by a name; the model may have made one up."""
        return self._tools.get(name) or Tool(FUNCTION, name)

    def choice(self, choice: Any, params: Params) -> Any:
        """`tool_choice` as a chat completion has it, or None for its default.

        Only allowed tools are left in `functions`: not every vendor knows such a choice.

        Raises:
            ApiError: it is a tool that is not among them, or one that was left out.
        """
        if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
            self._allow(choice.get("tools"))
            choice = choice.get("mode")
        if choice == "required" and not self.functions:
            params.unsupported("tool_choice")
            return None
        if choice is None or isinstance(choice, str):
            return choice if self.functions else None
        name = self._by_choice().get(_choice(choice))
        if name in self.functions:
            return {"type": "function", "function": {"name": name}}
        if choice.get("type") in ("function", "custom"):
            raise Invalid.invalid_request(
                f"Tool choice '{choice.get('name')}' not found in 'tools' parameter.",
                param="tool_choice",
            )
        params.unsupported("tool_choice")
        return None

    def _define(self, tool: Mapping[str, Any], path: str, within: Any = None) -> None:
        """Adds a tool, or all of a namespace."""
        kind, name = tool.get("type"), tool.get("name")
        if kind == "namespace" and isinstance(name, str):
            inner = tool.get("tools")
            for index, one in enumerate(inner if isinstance(inner, list) else ()):
                self._define(one, f"{path}.tools[{index}]", tool)
            return
        namespace = within.get("name") if within else None
        definition: dict[str, Any] | None = None
        if kind in ("function", "custom") and isinstance(name, str) and name:
            made = Tool(FUNCTION if kind == "function" else CUSTOM, name, namespace)
            definition = _of_function(tool) if kind == "function" else _of_custom(tool)
        elif kind == "tool_search" and tool.get("execution") == "client":
            made, definition = Tool(SEARCH, "tool_search"), _of_function(tool)
        elif isinstance(kind, str) and kind in _BUILT_IN and _is_local(tool):
            made, definition = Tool(_BUILT_IN[kind][0], kind), {**_BUILT_IN[kind][1]}
        if definition is None:
            self.dropped.append(path)
            return
        if within and path.endswith(".tools[0]") and within.get("description"):
            own = definition.get("description")
            about = within["description"]
            definition["description"] = f"{about}\n\n{own}" if own else about
        name = self.name(made)
        self.functions[name] = {"type": "function", "function": {"name": name, **definition}}

    def _allow(self, tools: Any) -> None:
        known = self._by_choice()
        allowed = {known.get(_choice(tool)) for tool in tools or ()}
        self.functions = {
            name: definition for name, definition in self.functions.items() if name in allowed
        }

    def _by_choice(self) -> dict[tuple[Any, ...], str]:
        """The names of functions, by what `_choice` makes of a choice that means them."""
        found: dict[tuple[Any, ...], str] = {}
        for known, tool in self._tools.items():
            is_named = tool.kind in (FUNCTION, CUSTOM)
            found.setdefault((tool.name, tool.namespace) if is_named else (tool.kind,), known)
        return found

    def _unique(self, tool: Tool) -> str:
        """A name in the letters that vendors take.

        Namespaces are put before it as Codex itself does where it has to:
        https://github.com/openai/codex/blob/main/codex-rs/protocol/src/tool_name.rs.
        """
        whole = tool.name
        if tool.namespace:
            whole = f"{tool.namespace.rstrip('_')}__{whole.lstrip('_')}"
        name = _UNSAFE.sub("_", whole)
        if len(name) > _MAX_NAME or not name or name in self._tools:
            digest = hashlib.sha256("\0".join(map(str, tool)).encode("utf-8", "replace"))
            name = f"{name[: _MAX_NAME - _DIGEST - 1]}_{digest.hexdigest()[:_DIGEST]}"
        return name


def _defined(body: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every definition with its path: of the request, and of the items that bring some."""
    for index, tool in enumerate(body.get("tools") or ()):
        yield f"tools[{index}]", tool
    items = body.get("input")
    for place, item in enumerate(items if isinstance(items, list) else ()):
        if item.get("type") in ("additional_tools", "tool_search_output"):
            for index, tool in enumerate(item.get("tools") or ()):
                yield f"input[{place}].tools[{index}]", tool


def _choice(choice: Mapping[str, Any]) -> tuple[Any, ...]:
    """The key of a choice: the name of its tool, or of one that has none the kind of its calls."""
    kind, given = choice.get("type"), (choice.get("name"), choice.get("namespace"))
    if kind not in ("function", "custom"):
        return (f"{kind}_call",)
    return tuple(part if isinstance(part, str) else None for part in given)


def _is_local(tool: Mapping[str, Any]) -> bool:
    environment = tool.get("environment")
    return not isinstance(environment, Mapping) or environment.get("type") in _LOCAL


def _of_function(tool: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if tool.get("description"):
        made["description"] = tool["description"]
    parameters = tool.get("parameters")
    made["parameters"] = parameters if isinstance(parameters, Mapping) else _NO_PARAMETERS
    if tool.get("strict") is not None:
        made["strict"] = tool["strict"]
    return made


def _of_custom(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A function whose one argument is the text; what fits a grammar is asked for in words."""
    text = "The whole input of the tool, as it is."
    given = tool.get("format")
    if isinstance(given, Mapping) and given.get("type") == "grammar":
        text = (
            f"{text} It has to fit this {given.get('syntax')} grammar:\n{given.get('definition')}"
        )
    made = {
        "parameters": {
            "type": "object",
            "properties": {"input": {"type": "string", "description": text}},
            "required": ["input"],
        }
    }
    return {"description": tool["description"], **made} if tool.get("description") else made
