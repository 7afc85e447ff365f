"""The document's schemas: the router's own objects, and OpenAI's as `schemas/` has them.

Generators of clients make a class of each, so they get short names in PascalCase.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from msgspec import Struct

from tornado_router.endpoints import ENDPOINTS, REALTIME
from tornado_router.http.objects import schema as objects
from tornado_router.http.objects.service import AnthropicError, Error
from tornado_router.http.objects.usage import Call, UsageGroup
from tornado_router.http.openapi.operations import OPERATIONS
from tornado_router.http.openapi.schemas import event_name, schema_name, stream_event
from tornado_router.validation import Profile, load_schema
from tornado_router.validation.schema import Schema

_REFERENCE = re.compile(r'"#/\$defs/([^"]+)"')


def component_schemas(profile: Profile) -> dict[str, Schema]:
    """Every schema, by its name.

    Args:
        profile: how strictly requests are checked.
    """
    counts = [endpoint.count_name for endpoint in ENDPOINTS.values() if endpoint.count_name]
    described = [*ENDPOINTS, *counts, f"{REALTIME.name}.client_secrets"]
    loaded = {f"{name}.request": load_schema(f"{name}.request", profile) for name in described}
    # Vendors write the responses, so nothing is promised that they may not keep.
    of_bytes = [it.name for it in ENDPOINTS.values() if not it.documentation.has_json]
    responses = [f"{name}.response" for name in described if name not in of_bytes]
    responses += [it.documentation.chunk for it in ENDPOINTS.values() if it.documentation.chunk]
    loaded |= {name: load_schema(name, "open") for name in responses}
    shared = _shared([schema.get("$defs", {}) for schema in loaded.values()])
    ours = own_schemas()
    taken = Counter([*ours, *map(schema_name, loaded), *map(schema_name, shared)])
    for schema in loaded.values():
        taken.update(schema_name(key) for key in schema.get("$defs", {}).keys() - shared)
    schemas = {**ours}
    for endpoint in ENDPOINTS.values():
        if endpoint.documentation.chunk:
            schemas[event_name(endpoint)] = stream_event(endpoint)
    for file, schema in loaded.items():
        root = schema_name(file)
        definitions = schema.pop("$defs", {})
        del schema["$schema"], schema["$id"]
        names = {}
        for key in definitions:
            name = schema_name(key)
            names[f"#/$defs/{key}"] = name if taken[name] == 1 else root + name
        schemas[root] = _renamed(schema, names)
        for key, definition in definitions.items():
            schemas[names[f"#/$defs/{key}"]] = _renamed(definition, names)
    return schemas


def own_schemas() -> dict[str, Schema]:
    """The schemas of the router's own objects, by the names of their classes."""
    used: set[type[Struct]] = {
        content
        for methods in OPERATIONS.values()
        for operation in methods.values()
        for content in operation.objects()
    }
    used |= {Error, AnthropicError, Call, UsageGroup}  # what operations do not name themselves
    classes = sorted(used, key=lambda item: item.__name__)
    return objects.component_schemas(classes)


def _shared(files: Sequence[Mapping[str, Schema]]) -> set[str]:
    """The definitions that several files have and that mean the same in all of them."""
    found: dict[str, list[str]] = {}
    for definitions in files:
        for key, definition in definitions.items():
            found.setdefault(key, []).append(orjson.dumps(definition).decode())
    shared = {key for key, texts in found.items() if len(texts) > 1 and len(set(texts)) == 1}
    while True:  # what refers to something that differs differs, too
        different = {key for key in shared if set(_REFERENCE.findall(found[key][0])) - shared}
        if not different:
            return shared
        shared -= different


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """A part of a schema with its references to definitions led to the components."""
    if isinstance(value, dict):
        return {
            key: f"#/components/schemas/{names[entry]}"
            if key == "$ref" and isinstance(entry, str)
            else _renamed(entry, names)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [_renamed(entry, names) for entry in value]
    return value
