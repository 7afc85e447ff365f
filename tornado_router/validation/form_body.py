"""Makes of a form the JSON object that it stands for: a form itself knows texts only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from tornado_router.validation.forms import Form

MAX_DEPTH = 8
"""Of brackets in a name; beyond it they are letters like any others."""

_NESTED = ("allOf", "anyOf", "oneOf")
_BRANCHES = ("then", "else")
_KINDS = {bool: "boolean", int: "integer", float: "number", type(None): "null"}


def form_body(form: Form, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The form as a JSON object, to be checked against the schema.

    Each text becomes what the schema wants in its place: a number, a boolean, or one item of a
    list. As OpenAI's clients have it, `name[]` is an item of a list, and `name[key]` a property of
    an object. Of a file, the object has its name.

    Args:
        form: as it was read.
        schema: of the endpoint's requests.
    """
    body: dict[str, Any] = {}
    for name, text in (*form.fields, *((file.field, file.name) for file in form.files)):
        outer, *inner = name.replace("]", "").split("[")
        path = [outer, *inner] if len(inner) <= MAX_DEPTH else [name]
        _put(body, path, text, schema, schema)
    return body


def _put(
    body: dict[str, Any],
    path: Sequence[str],
    text: str,
    schema: Mapping[str, Any],
    root: Mapping[str, Any],
) -> None:
    """Sets one text where the brackets of its name point to."""
    name, *inner = path
    wanted = list(_properties(schema, root, name))
    types = {kind for each in wanted for kind in _types(each)}
    if inner and inner != [""]:
        nested = body.setdefault(name, {})
        if isinstance(nested, dict):
            _put(nested, inner, text, {"allOf": wanted}, root)
    elif inner or ("array" in types and "string" not in types):
        items = [each["items"] for each in wanted if isinstance(each.get("items"), Mapping)]
        so_far = body.setdefault(name, [])
        if isinstance(so_far, list):
            so_far.append(_typed(text, {kind for each in items for kind in _types(each)}))
    else:
        body[name] = _typed(text, types)


def _typed(text: str, types: set[str]) -> Any:
    """A text as the value that the schema wants; the text itself if it cannot be one."""
    if not types or "string" in types:
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    kind = _KINDS.get(type(value), "")
    return value if kind in types or (kind == "integer" and "number" in types) else text


def _properties(
    schema: Mapping[str, Any], root: Mapping[str, Any], name: str
) -> Iterator[Mapping[str, Any]]:
    """What a schema has to say of one property of an object, wherever it says it."""
    for part in _parts(schema, root):
        found = part.get("properties", {}).get(name)
        if isinstance(found, Mapping):
            yield from _parts(found, root)


def _parts(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A schema and those that it is put together from."""
    yield schema
    reference = schema.get("$ref", "")
    if reference.startswith("#/$defs/"):
        yield from _parts(root["$defs"][reference.removeprefix("#/$defs/")], root)
    for keyword in _NESTED:
        for part in schema.get(keyword, ()):
            yield from _parts(part, root)
    for keyword in _BRANCHES:
        if isinstance(schema.get(keyword), Mapping):
            yield from _parts(schema[keyword], root)


def _types(schema: Mapping[str, Any]) -> Sequence[str]:
    types = schema.get("type", ())
    return [types] if isinstance(types, str) else types
