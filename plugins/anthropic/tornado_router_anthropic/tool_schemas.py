"""Schemas of tools as the vendor takes them, where MCP servers write more than it does.

The root is a plain object without `oneOf`, `allOf` and `anyOf`, its `type` is `object` alone, and
keys of properties match `^[a-zA-Z0-9_.-]{1,64}$`; one schema with anything else is a 400 for the
whole request: https://github.com/anomalyco/opencode/issues/46628 and
https://github.com/ComposioHQ/composio/issues/3500.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tornado_router.provider import SafeNames, dump_json, load_json, write_json
from tornado_router_anthropic.schemas import describe

_KEY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
_MAX_KEY = 64
_MIXES = ("allOf", "anyOf", "oneOf")
_MAPS = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
MAX_REMEMBERED = 16 * 1024
"""Bytes of a longest schema that is prepared once for many calls: clients send what they like."""

_VALUES = frozenset({"const", "default", "enum", "examples"})
_MERGED = frozenset({"type", "properties", "required", "title", "description"})


@dataclass(frozen=True, slots=True)
class ToolSchema:
    """A tool's parameters as the vendor takes them.

    Attributes:
        schema: what is sent.
        keys: the names of properties, there and back.
        in_words: keywords of the root that the schema lacks, and its description has.
    """

    schema: Mapping[str, Any]
    keys: SafeNames
    in_words: tuple[str, ...]


def tool_schema(parameters: Mapping[str, Any] | None) -> ToolSchema:
    """The parameters of a tool as the vendor takes them; clients send the same ones every time."""
    parameters = parameters or {}
    return _prepared(parameters) if _is_large(parameters) else _remembered(dump_json(parameters))


def renamed_keys(body: Mapping[str, Any]) -> dict[str, SafeNames]:
    """The tools of a request that have properties of another name for the vendor."""
    functions = [tool.get("function") for tool in body.get("tools") or ()]
    found = {}
    for function in (*functions, *(body.get("functions") or ())):
        parameters = function.get("parameters") if isinstance(function, Mapping) else None
        if parameters:
            large = _is_large(parameters)
            keys = _scanned(parameters)[0] if large else tool_schema(parameters).keys
            if keys:
                found[function["name"]] = keys
    return found


def rename_keys(value: Any, name: Callable[[str], str]) -> Any:
    """Arguments with other names of properties, at any depth."""
    if isinstance(value, list):
        return [rename_keys(item, name) for item in value]
    if isinstance(value, dict):
        return {name(key): rename_keys(item, name) for key, item in value.items()}
    return value


def _is_large(parameters: Mapping[str, Any]) -> bool:
    return len(write_json(parameters)) > MAX_REMEMBERED


def _prepared(schema: Mapping[str, Any]) -> ToolSchema:
    keys, has_nulls = _scanned(schema)
    root, in_words = _plain(_rewritten(schema, keys) if keys or has_nulls else schema)
    return ToolSchema(root, keys, in_words)


@lru_cache(maxsize=256)
def _remembered(parameters: bytes) -> ToolSchema:
    return _prepared(load_json(parameters))


def _scanned(schema: Any) -> tuple[SafeNames, bool]:
    """The names of all properties in a schema, and whether any keyword is null."""
    names: list[str] = []
    has_nulls, waiting = False, [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            for keyword, inner in value.items():
                if isinstance(inner, str):
                    continue
                if keyword in _MAPS and isinstance(inner, dict):
                    if keyword == "properties":
                        names += inner
                    waiting += inner.values()
                elif keyword not in _VALUES:
                    has_nulls = has_nulls or inner is None
                    waiting.append(inner)
    return SafeNames(names, _KEY, _MAX_KEY), has_nulls


def _plain(schema: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The schema with a plain object as its root, and the keywords that are in words now."""
    found = {key: value for key, value in schema.items() if key not in (*_MIXES, "type")}
    kind = schema.get("type")
    is_other = isinstance(kind, str) or (isinstance(kind, list) and "object" not in kind)
    found = {"type": kind if is_other else "object", **found}
    in_words = []
    rules = []
    for key in _MIXES:
        listed = schema.get(key)
        branches = [_resolved(item, schema) for item in listed] if isinstance(listed, list) else []
        for branch in branches:
            _merge(found, branch, required=key == "allOf")
        if branches and (key != "allOf" or any(branch.keys() - _MERGED for branch in branches)):
            in_words.append(key)
            short = [{**branch, **_listed(branch)} for branch in branches]
            rules.append(f"{key}: {write_json(short).decode()}")
    if rules:
        describe(found, rules)
    found.setdefault("properties", {})
    return found, tuple(in_words)


def _merge(found: dict[str, Any], branch: Mapping[str, Any], *, required: bool) -> None:
    """Adds the properties of a branch: the model has to know them all, whichever it may use."""
    properties = branch.get("properties")
    known = found.get("properties", {})
    if isinstance(properties, Mapping) and isinstance(known, Mapping):
        found["properties"] = {**properties, **known}
    names, before = branch.get("required"), found.get("required", [])
    if required and isinstance(names, list) and isinstance(before, list):
        found["required"] = [*before, *(name for name in names if name not in before)]


def _listed(branch: Mapping[str, Any]) -> dict[str, Any]:
    properties = branch.get("properties")
    return {"properties": list(properties)} if isinstance(properties, Mapping) else {}


def _resolved(branch: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """A branch, or the definition beside it that it stands for."""
    reference = branch.get("$ref") if isinstance(branch, Mapping) else None
    if isinstance(reference, str):
        _, _, path = reference.partition("#/")
        place: Any = root
        for step in path.split("/"):
            place = place.get(step) if isinstance(place, Mapping) else None
        branch = place
    return branch if isinstance(branch, Mapping) else {}


def _rewritten(schema: Any, keys: SafeNames) -> Any:
    """The schema with the vendor's names of properties, and without keywords that are null."""
    if isinstance(schema, list):
        return [_rewritten(item, keys) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _VALUES:
            found[keyword] = value
        elif keyword in _MAPS and isinstance(value, dict):
            name = keys.safe if keyword == "properties" else str
            found[keyword] = {name(key): _rewritten(item, keys) for key, item in value.items()}
        elif keyword == "required" and isinstance(value, list):
            found[keyword] = [keys.safe(key) if isinstance(key, str) else key for key in value]
        elif value is not None:
            found[keyword] = _rewritten(value, keys)
    return found
