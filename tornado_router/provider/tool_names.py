"""Names that a client has given, in the letters that a vendor takes, and back again.

MCP servers name tools `fs.read` and parameters `$filter`, which OpenAI's clients send on. The model
sees another name then, and the client only its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tornado_router.provider.call import Call

_DIGEST = 8
_KINDS = ("function", "custom")
_HOLDERS = (*_KINDS, "function_call", "tool_calls", "allowed_tools", "tools")
"""The fields of tools, choices and messages that have functions in them."""


class SafeNames:
    """Gives each name that a vendor refuses one that it takes. Equal requests get equal ones.

    Args:
        names: all of them; those that the vendor takes stay as they are.
        allowed: what the vendor takes, whole.
        length: the most characters.
    """

    __slots__ = ("_original", "_safe")

    def __init__(self, names: Iterable[str], allowed: re.Pattern[str], length: int) -> None:
        self._safe: dict[str, str] = {}
        self._original: dict[str, str] = {}
        known = dict.fromkeys(names)
        for name in known:
            if allowed.fullmatch(name) is None:
                safe = _safe_name(name, allowed, length)
                if safe in known or safe in self._original:
                    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:_DIGEST]
                    safe = f"{safe[: length - _DIGEST - 1]}_{digest}"
                self._safe[name] = safe
                self._original[safe] = name

    def __bool__(self) -> bool:
        """Whether any name had to change."""
        return bool(self._safe)

    def safe(self, name: str) -> str:
        """The name for the vendor."""
        return self._safe.get(name, name)

    def original(self, name: str) -> str:
        """The client's name, for one that the vendor used."""
        return self._original.get(name, name)


def tool_names(body: Mapping[str, Any]) -> Iterator[str]:
    """The names of all functions in a chat completion, defined or called, in order."""
    for function in _functions(body):
        name = function.get("name")
        if isinstance(name, str):
            yield name


def rename_tools(call: Call, names: SafeNames) -> Call:
    """The call with the vendor's names of its tools; itself if none had to change.

    Where the client defines a tool of another name, that is reported.
    """
    if not names:
        return call
    body = dict(call.body)
    for field, paths in (("tools", "tools[{}].function"), ("functions", "functions[{}]")):
        for index, tool in enumerate(body.get(field) or ()):
            function = tool.get("function") if field == "tools" else tool
            name = function.get("name") if isinstance(function, Mapping) else None
            if isinstance(name, str) and names.safe(name) != name:
                call.dropped.append(f"{paths.format(index)}.name")
    for field in ("tools", "functions", "tool_choice", "function_call", "messages"):
        if body.get(field):
            body[field] = _renamed(body[field], names)
    return replace(call, body=body)


def _functions(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from _held(body.get("tools"))
    yield from body.get("functions") or ()
    for message in body.get("messages") or ():
        yield from _held(message.get("tool_calls"))
        if message.get("function_call"):
            yield message["function_call"]


def _held(tools: Any) -> Iterator[Mapping[str, Any]]:
    """What tools, or calls of them, hold by the name of their kind."""
    for tool in tools or ():
        for kind in _KINDS:
            if isinstance(tool.get(kind), Mapping):
                yield tool[kind]


def _renamed(value: Any, names: SafeNames) -> Any:
    """A part of a body with other names of functions; schemas and contents stay as they are."""
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if not isinstance(value, Mapping):
        return value
    changed = dict(value)
    if isinstance(value.get("name"), str) and value.get("role", "function") == "function":
        changed["name"] = names.safe(value["name"])
    for field in _HOLDERS:
        if field in value:
            changed[field] = _renamed(value[field], names)
    return changed


def _safe_name(name: str, allowed: re.Pattern[str], length: int) -> str:
    """The name with `_` for each character that may not be in one."""
    safe = "".join(letter if allowed.fullmatch(f"_{letter}") else "_" for letter in name)
    if allowed.fullmatch(safe[:length]) is None:
        safe = f"_{safe}"  # it begins with what may only follow
    return safe[:length]
