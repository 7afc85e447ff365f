"""JSON Schemas of the objects, for the OpenAPI document and for the validation of bodies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import msgspec

from tornado_router.validation import Validator
from tornado_router.validation.engine import RustEngine
from tornado_router.validation.schema import Schema

B = TypeVar("B", bound=msgspec.Struct)

REFERENCE = "#/components/schemas/{name}"


def component_schemas(objects: Iterable[type[msgspec.Struct]]) -> dict[str, Schema]:
    """The schemas of objects, and of the objects in them, by the names of their classes."""
    _, schemas = msgspec.json.schema_components(objects, ref_template=REFERENCE)
    return {name: _plain(schema) for name, schema in schemas.items()}


class Body(Generic[B]):
    """A request body with the fields of a class and no others.

    Attributes:
        type: the class.
        validator: holds bodies against its schema.
    """

    def __init__(self, type: type[B]) -> None:
        self.type = type
        schema = component_schemas([type])[type.__name__]
        self.validator = Validator(RustEngine(schema))

    def read(self, body: Any) -> B:
        """The object of a body.

        Raises:
            ApiError: 400, with the field at fault as `param`.
        """
        self.validator.check(body)
        # JSON Schema takes 1.0 for an integer, and so does the lax mode.
        return msgspec.convert(body, self.type, strict=False)


def _plain(schema: Any) -> Any:
    """A schema of msgspec as people would write it, which is also how errors are explained best."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _plain(value) for key, value in schema.items()}
    if "properties" in plain:
        properties = plain["properties"]
        always = {name for name, item in properties.items() if "default" in item}
        plain["required"] = [
            name for name in properties if name in always or name in plain["required"]
        ]
        for name in always:
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
