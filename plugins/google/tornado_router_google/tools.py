"""Tools and the choice among them: https://ai.google.dev/gemini-api/docs/function-calling.

`auto` is Google's AUTO, `required` its ANY and `none` its NONE. A named function is ANY with that
function alone allowed; `allowed_tools` is ANY or, for its mode `auto`, VALIDATED, which lets the
model answer with text too. VALIDATED is also what keeps the promise of a `strict` function.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from tornado_router.provider import Call, Params, SafeNames, tool_names
from tornado_router_google.schema import object_schema

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
"""https://ai.google.dev/api/caching#FunctionDeclaration."""

_MAX_NAME = 64
_MODES = {"auto": "AUTO", "required": "ANY", "none": "NONE"}
_ALLOWED_MODES = {"auto": "VALIDATED", "required": "ANY"}


def safe_names(call: Call) -> SafeNames:
    """The names of a request's tools, as Google takes them."""
    return SafeNames(tool_names(call.body), _NAME, _MAX_NAME)


def tool_fields(params: Params) -> dict[str, Any]:
    """The fields `tools` and `toolConfig` of a request; none of them without a function."""
    tools = params.take("tools") or ()
    functions = params.take("functions") or ()
    choice, legacy_choice = params.take("tool_choice"), params.take("function_call")
    parallel = params.take("parallel_tool_calls")
    declarations: list[dict[str, Any]] = []
    strict = _declare_tools(tools, declarations, params)
    if not declarations:
        for index, function in enumerate(functions):
            _declare(function, f"functions[{index}]", declarations)
        choice = choice if choice is not None else _from_legacy(legacy_choice)
    if not declarations:
        return {}
    if parallel is False:
        params.approximate("parallel_tool_calls")
    fields: dict[str, Any] = {"tools": [{"functionDeclarations": declarations}]}
    names = {declaration["name"] for declaration in declarations}
    config = _choose(choice, names, params)
    if strict and config is None:
        config = {"mode": "VALIDATED"}
    if config is not None:
        fields["toolConfig"] = {"functionCallingConfig": config}
    return fields


def _declare_tools(
    tools: Iterable[Mapping[str, Any]], declarations: list[dict[str, Any]], params: Params
) -> bool:
    """Declares every function among the tools; whether one of them is strict."""
    strict = False
    for index, tool in enumerate(tools):
        if tool["type"] != "function":
            params.unsupported(f"tools[{index}]")
            continue
        function = tool["function"]
        _declare(function, f"tools[{index}].function", declarations)
        strict = strict or function.get("strict") is True
    return strict


def _declare(function: Mapping[str, Any], path: str, declarations: list[dict[str, Any]]) -> None:
    declaration = {"name": function["name"]}
    if function.get("description"):
        declaration["description"] = function["description"]
    schema = object_schema(function.get("parameters") or {}, f"{path}.parameters")
    if schema is not None:
        declaration["parametersJsonSchema"] = schema
    declarations.append(declaration)


def _choose(choice: Any, names: set[str], params: Params) -> dict[str, Any] | None:
    """The `functionCallingConfig` of a `tool_choice`; None for Google's default, AUTO."""
    if choice is None or choice == "auto":
        return None
    if isinstance(choice, str):
        if choice in _MODES:
            return {"mode": _MODES[choice]}
    elif choice["type"] == "function" and choice["function"]["name"] in names:
        return {"mode": "ANY", "allowedFunctionNames": [choice["function"]["name"]]}
    elif choice["type"] == "allowed_tools":
        return _allow(choice["allowed_tools"], names, params)
    params.unsupported("tool_choice")
    return None


def _allow(allowed: Mapping[str, Any], names: set[str], params: Params) -> dict[str, Any] | None:
    mode = _ALLOWED_MODES.get(allowed["mode"])
    chosen = []
    for index, tool in enumerate(allowed["tools"]):
        function = tool.get("function") if isinstance(tool, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if isinstance(name, str) and name in names:
            chosen.append(name)
        else:
            params.unsupported(f"tool_choice.allowed_tools.tools[{index}]")
    if mode is None or not chosen:
        params.unsupported("tool_choice")
        return None
    return {"mode": mode, "allowedFunctionNames": chosen}


def _from_legacy(choice: Any) -> Any:
    """A `function_call` as a `tool_choice`."""
    if isinstance(choice, Mapping):
        return {"type": "function", "function": choice}
    return choice
