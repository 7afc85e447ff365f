"""From a type of an official package to a schema: every step, in order."""

from __future__ import annotations

import importlib
import json
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import TypeAdapter, WithJsonSchema

from tools.schemas import overlay
from tools.schemas.unions import Unions, allow_null
from tornado_router.validation.schema import Schema, rewrite

_PROSE = {"default", "deprecated", "description", "examples", "title"}
_REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')


def build(name: str, sdk_type: str) -> Schema:
    """The schema of one body."""
    schema = _short_names(_raw_schema(sdk_type))
    schema = rewrite(schema, _without_prose)
    _make_optional(schema, name, of_body=False)
    schema = rewrite(schema, Unions(schema.get("$defs", {})).rewrite)
    _make_optional(schema, name, of_body=True)
    _add_fields(schema, name)
    if name.endswith(".request"):
        schema = rewrite(schema, _nullable_options)
        schema = rewrite(schema, _closed_role)
    _add_types(schema, name)
    _add_bounds(schema, name)
    definitions = _used_definitions(schema)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"{name}.json"}
    body = {key: value for key, value in schema.items() if key != "$defs"}
    return rewrite({**head, **body, "$defs": definitions}, _type_first)


def _raw_schema(sdk_type: str) -> Schema:
    module, name = sdk_type.split(":")
    found = importlib.import_module(module)
    _describe_uploads()
    with warnings.catch_warnings():
        # The packages have fields that hide a method of pydantic's, such as `schema`.
        warnings.simplefilter("ignore")
        return TypeAdapter(getattr(found, name)).json_schema()


def _describe_uploads() -> None:
    """Gives OpenAI's file types, which are open files and the like, a schema."""
    upload = Annotated[Any, WithJsonSchema({"type": "string", "format": "binary"})]
    for name, module in sys.modules.items():
        if name.startswith("openai.types.") and "FileTypes" in vars(module):
            vars(module)["FileTypes"] = upload


def _short_names(schema: Schema) -> Schema:
    """Renames `a__b__Name`, as pydantic calls one of two types of one name, to `Name` or `b.Name`.

    A name without dots goes to the type that pydantic left it to, then to the first.
    """
    short: dict[str, str] = {}
    for name in sorted(schema.get("$defs", {}), key=lambda name: ("__" in name, name)):
        *modules, last = name.split("__")
        short[name] = last if last not in short.values() else f"{modules[-1]}.{last}"
    text = _REFERENCE.sub(lambda match: f'"#/$defs/{short[match[1]]}"', json.dumps(schema))
    renamed: Schema = json.loads(text)
    if "$defs" in renamed:
        renamed["$defs"] = {short[name]: value for name, value in renamed["$defs"].items()}
    return renamed


def _without_prose(schema: Schema) -> Schema:
    kept = {key: value for key, value in schema.items() if key not in _PROSE}
    if kept.get("additionalProperties") is True:
        del kept["additionalProperties"]  # true without saying
    return kept


def _make_optional(schema: Schema, name: str, *, of_body: bool) -> None:
    """As the overlay has it; a body that may be of two types is one only after `Unions`."""
    for fact in overlay.OPTIONAL:
        if fact.schema == name and of_body is not bool(fact.definition):
            required = _holder(schema, fact.definition)["required"]
            for field in fact.fields:
                required.remove(field)


def _nullable_options(schema: Schema) -> Schema:
    """Clients send null for an option that they do not set."""
    required = schema.get("required", [])
    properties = {
        key: value if key in required else allow_null(value)
        for key, value in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties} if properties else schema


def _closed_role(schema: Schema) -> Schema:
    """Marks the roles of messages: a wrong one is a mistake, in nearly every profile."""
    role = schema.get("properties", {}).get("role", {})
    if "enum" not in role and "const" not in role:
        return schema
    return {**schema, "properties": {**schema["properties"], "role": {**role, "x-closed": True}}}


def _add_types(schema: Schema, name: str) -> None:
    for fact in overlay.EXTRA_TYPES:
        if fact.schema == name:
            fields = _holder(schema, fact.definition)["properties"]
            field = fields[fact.field]
            if fact.type == "null":
                fields[fact.field] = allow_null(field)
            else:
                types = field["type"]
                field["type"] = [*([types] if isinstance(types, str) else types), fact.type]


def _add_fields(schema: Schema, name: str) -> None:
    for fact in overlay.EXTRA_FIELDS:
        if name in fact.schemas:
            schema["properties"].setdefault(fact.field, dict(fact.value))


def _add_bounds(schema: Schema, name: str) -> None:
    for bound in overlay.BOUNDS:
        if name in bound.schemas:
            holder = _holder(schema, bound.definition)
            field, _, each = bound.field.partition(".")
            target = holder["properties"][field]
            # A bound says nothing about values of other types, so it can stand beside anything.
            (target["additionalProperties"] if each else target).update(bound.keywords)


def _holder(schema: Schema, definition: str) -> Schema:
    """The entry of `$defs` that holds a field, or the body itself."""
    holder: Schema = schema["$defs"][definition] if definition else schema
    return holder


def _used_definitions(schema: Schema) -> dict[str, Schema]:
    definitions = schema.get("$defs", {})
    used: set[str] = set()
    waiting = list(_references({key: value for key, value in schema.items() if key != "$defs"}))
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += _references(definitions[name])
    return {name: definitions[name] for name in sorted(used)}


def _type_first(schema: Schema) -> Schema:
    """The order that is easiest to read, and the same however a step made the schema."""
    keywords = ["$schema", "$id", "type", "enum", "const", "required", "properties"]
    known = {keyword: schema[keyword] for keyword in keywords if keyword in schema}
    rest = {keyword: schema[keyword] for keyword in schema if keyword != "$defs"}
    return {**known, **rest, **({"$defs": schema["$defs"]} if schema.get("$defs") else {})}


def _references(schema: Schema) -> Iterator[str]:
    for match in _REFERENCE.finditer(json.dumps(schema)):
        yield match[1]
