"""JSON Schemas as Google takes them in `parametersJsonSchema` and `responseJsonSchema`.

Those fields take a whole JSON Schema, but heed a part of it, and refuse a `$ref` with anything
beside it: https://ai.google.dev/api/generate-content#generationconfig. What has an exact
equivalent among the keywords that are heeded is put into that; the rest is left as it is.
"""

from __future__ import annotations

from typing import Any

from tornado_router.provider import ApiError

_MAPS = frozenset({"properties", "$defs", "definitions", "patternProperties", "dependentSchemas"})
_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SINGLE = frozenset({"items", "additionalProperties", "not", "contains", "propertyNames"})
_MAX_DEPTH = 64


def object_schema(schema: dict[str, Any], path: str) -> dict[str, Any] | None:
    """A function's parameters, which Google wants to be an object; None for none at all.

    Raises:
        ApiError: the schema is nested too deeply.
    """
    if not schema:
        return None
    portable = portable_schema(schema, path)
    kind = portable.get("type")
    if isinstance(kind, list) and "object" in kind:
        portable["type"] = "object"  # there are always arguments
    elif kind is None:
        portable.pop("type", None)
    if "type" not in portable and "$ref" not in portable and "anyOf" not in portable:
        portable = {"type": "object", **portable}
    return portable


def portable_schema(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """A schema without what Google refuses.

    Args:
        schema: the client's; not changed.
        path: where the client wrote it.

    Raises:
        ApiError: it is nested too deeply.
    """
    try:
        portable: dict[str, Any] = _portable(schema, _MAX_DEPTH)
    except RecursionError:
        raise ApiError(400, "The schema is nested too deeply.", param=path) from None
    return portable


def _portable(node: Any, depth: int) -> Any:
    if not isinstance(node, dict):
        return node
    if not depth:
        raise RecursionError
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key in _MAPS and isinstance(value, dict):
            key = "$defs" if key == "definitions" else key  # noqa: PLW2901
            result[key] = {name: _portable(item, depth - 1) for name, item in value.items()}
        elif key in _LISTS and isinstance(value, list):
            result[key] = [_portable(item, depth - 1) for item in value]
        elif key in _SINGLE:
            result[key] = _portable(value, depth - 1)
        elif key != "$schema":
            result[key] = value
    const = result.get("const")
    if isinstance(const, str | int | float) and not isinstance(const, bool):
        del result["const"]
        result["enum"] = [const]
    every = result.get("allOf")
    if isinstance(every, list) and len(every) == 1 and "anyOf" not in result:
        result["anyOf"] = result.pop("allOf")
    if isinstance(result.get("$ref"), str):
        return _alone(result)
    return result


def _alone(node: dict[str, Any]) -> dict[str, Any]:
    """A `$ref` with nothing beside it but keywords that start with `$`."""
    target = node["$ref"].replace("#/definitions/", "#/$defs/")
    if all(key.startswith("$") for key in node):
        return {**node, "$ref": target}
    rest = {key: value for key, value in node.items() if key != "$ref"}
    if "anyOf" in rest:
        return {"$ref": target}  # of the two, the reference says more
    return {**rest, "anyOf": [{"$ref": target}]}
