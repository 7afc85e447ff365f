"""Makes of a form the JSON object that it stands for: a form itself knows texts only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError, clip
from tornado_router.provider import CallFile
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

    A vendor reads the same form. What it could read otherwise than the router does is refused: a
    field that comes twice and takes one value, names that contradict each other, and a text where
    a file belongs, or the other way round.

    Args:
        form: as it was read.
        schema: of the endpoint's requests.

    Raises:
        ApiError: 400, with the field at fault.
    """
    body: dict[str, Any] = {}
    for part in form.parts:
        outer, *inner = part.name.replace("]", "").split("[")
        path = [outer, *inner] if len(inner) <= MAX_DEPTH else [part.name]
        value = part.value
        is_file = isinstance(value, CallFile)
        _check_kind(path[0], schema, is_file=is_file)
        text = value.name if isinstance(value, CallFile) else _text(value)
        _put(body, path, text, schema, schema)
    return body


def _check_kind(name: str, schema: Mapping[str, Any], *, is_file: bool) -> None:
    """Refuses a text where a file belongs, and a file where a text does.

    Raises:
        ApiError: 400.
    """
    wanted = list(_properties(schema, schema, name))
    if not wanted:
        return
    wants_file = any(map(takes_file, wanted))
    if is_file != wants_file:
        expected, got = ("a file", "a text") if wants_file else ("a text", "a file")
        raise Invalid.invalid_type(
            place=f"'{clip(name)}'", expected=expected, got=got, param=clip(name)
        )


def takes_file(schema: Mapping[str, Any]) -> bool:
    """Whether the schema of a field wants a file there, or several."""
    items = schema.get("items")
    return schema.get("format") == "binary" or (
        isinstance(items, Mapping) and items.get("format") == "binary"
    )


def _put(
    body: dict[str, Any],
    path: Sequence[str],
    text: str,
    schema: Mapping[str, Any],
    root: Mapping[str, Any],
) -> None:
    """Sets one text where the brackets of its name point to.

    Raises:
        ApiError: 400, something else is there already.
    """
    name, *inner = path
    wanted = list(_properties(schema, root, name))
    types = {kind for each in wanted for kind in _types(each)}
    if inner and inner != [""]:
        nested = body.setdefault(name, {})
        if not isinstance(nested, dict):
            raise _repeated(name)
        _put(nested, inner, text, {"allOf": wanted}, root)
        return
    is_item = bool(inner) or ("array" in types and ("string" not in types or name in body))
    if not is_item and name not in body:
        body[name] = _typed(text, types)
        return
    if not inner and types and "array" not in types:
        raise _repeated(name)
    so_far = body.setdefault(name, [])
    if isinstance(so_far, str) and not inner:
        so_far = body[name] = [so_far]
    if not isinstance(so_far, list):
        raise _repeated(name)
    items = [each["items"] for each in wanted if isinstance(each.get("items"), Mapping)]
    so_far.append(_typed(text, {kind for each in items for kind in _types(each)}))


def _repeated(name: str) -> ApiError:
    return Invalid.repeated_field(param=clip(name))


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


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
