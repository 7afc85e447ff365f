"""JSON Schemas of the objects, for the OpenAPI document and for the validation of bodies."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct, convert
from msgspec.json import schema_components

from tornado_router.http.objects.base import RequestBody
from tornado_router.validation import Validator
from tornado_router.validation.engine import RustEngine
from tornado_router.validation.schema import Schema

B = TypeVar("B", bound=RequestBody)

REFERENCE = "#/components/schemas/{name}"


def component_schemas(objects: Iterable[type[Struct]]) -> dict[str, Schema]:
    """The schemas of objects, and of the objects in them, by the names of their classes."""
    _, schemas = schema_components(objects, ref_template=REFERENCE)
    return {name: _plain(schema) for name, schema in schemas.items()}


@cache
def validator(kind: type[RequestBody]) -> Validator:
    """Holds bodies against the schema of a class."""
    return Validator(RustEngine(component_schemas([kind])[kind.__name__]))


def read(kind: type[B], body: Any) -> B:
    """The object of a body.

    Args:
        kind: its class.
        body: the JSON that was sent.

    Raises:
        ApiError: 400, with the field at fault as `param`.
    """
    validator(kind).check(body)
    return convert(body, kind, strict=False)  # JSON Schema takes 1.0 for an integer, as this does


def _plain(schema: Any) -> Any:
    """A schema of msgspec as people would write it, which is also how errors are explained best."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items()}
    if "properties" in plain:
        properties = plain["properties"]
        defaults = {name for name, item in properties.items() if "default" in item}
        if "additionalProperties" not in plain:  # of a response, so it is there all the same
            plain["required"] = [
                name for name in properties if name in {*defaults, *plain["required"]}
            ]
        for name in defaults:
            del properties[name]["default"]
        plain.pop("title", None)
    if "enum" in plain:
        plain = {"type": "string", **plain}
        if len(plain["enum"]) == 1:
            (plain["const"],) = plain.pop("enum")
    if "anyOf" in plain:
        plain = _one_of_types(plain)
    return plain


def _one_of_types(schema: Schema) -> Schema:
    """`{"type": ["integer", "null"]}` for a choice of types, instead of `anyOf`."""
    choices = schema["anyOf"]
    if any("type" not in choice for choice in choices):
        return schema
    types = [choice["type"] for choice in choices]
    if "integer" in types and "number" in types:
        types.remove("integer")
    merged: Schema = {}
    for choice in choices:
        merged |= choice
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**merged, **rest, "type": types}
