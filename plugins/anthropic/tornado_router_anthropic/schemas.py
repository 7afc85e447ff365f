"""JSON Schemas in the part of the language that structured outputs and strict tools know.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs lists it under "JSON
Schema limitations": objects are closed, and there are no bounds on numbers or lengths.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.provider import Params

_KEPT = frozenset({"type", "enum", "const", "$ref", "required", "pattern", "title", "default"})
_NOTES = frozenset(
    {"$schema", "$id", "$comment", "examples", "deprecated", "readOnly", "writeOnly"}
)
_SCHEMAS = frozenset({"properties", "$defs", "definitions"})
_LISTS = frozenset({"anyOf", "allOf"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)


def closed(schema: Mapping[str, Any], params: Params, path: str) -> dict[str, Any]:
    """A schema that the vendor takes, for the same values or fewer.

    Args:
        schema: the client's.
        params: takes note of each rule that the vendor cannot hold. If the call is not refused for
            that, the rule is put in words, in the description that the model reads.
        path: of the schema in the body.
    """
    found: dict[str, Any] = {}
    rules: list[str] = []
    for key, value in schema.items():
        if key in _KEPT:
            found[key] = value
        elif key in _SCHEMAS and isinstance(value, Mapping):
            found[key] = {
                name: _closed(item, params, f"{path}.{key}.{name}") for name, item in value.items()
            }
        elif (key in _LISTS or key == "oneOf") and isinstance(value, list):
            found["anyOf" if key == "oneOf" else key] = [
                _closed(item, params, f"{path}.{key}[{index}]") for index, item in enumerate(value)
            ]
        elif key == "items" and isinstance(value, Mapping):
            found[key] = _closed(value, params, f"{path}.{key}")
        elif _is_taken(key, value):
            found[key] = value
        elif not _says_nothing(key, value, schema):
            params.approximate(f"{path}.{key}")
            rules.append(f"{key}: {value}")
    if rules:
        describe(found, rules)
    kind = found.get("type")
    if "properties" in found or kind == "object" or (isinstance(kind, list) and "object" in kind):
        found["additionalProperties"] = False
    return found


def _closed(schema: Any, params: Params, path: str) -> Any:
    return closed(schema, params, path) if isinstance(schema, Mapping) else schema


def _is_taken(key: str, value: Any) -> bool:
    match key:
        case "description":
            return isinstance(value, str)
        case "format":
            return isinstance(value, str) and value in _FORMATS
        case "minItems":
            return value in (0, 1)
    return False


def _says_nothing(key: str, value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a keyword can go unsaid, since fewer values fit what is said instead."""
    if key == "additionalProperties":
        # An open object with properties may be closed. One without would be left empty.
        return value is False or bool(schema.get("properties") and isinstance(value, bool))
    return key in _NOTES or value is None


def describe(schema: dict[str, Any], rules: list[str]) -> None:
    """Puts rules that a schema cannot hold in words, for the model to read."""
    text = f"({', '.join(rules)})"
    description = schema.get("description")
    schema["description"] = f"{description} {text}" if description else text
