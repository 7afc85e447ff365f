"""Rewrites `anyOf` so that a body that fails has one error, at the very place that is wrong.

A bare `anyOf` answers "none of these fits". What comes out instead says which alternative is meant
before it says what that one needs:

- alternatives of several JSON types become `"type": [...]`;
- objects that a string such as `role` or `type` distinguishes become one `if`/`then` per value;
- objects that nothing distinguishes become one object, with all the properties of any and required
  what is required of all, which lets too much pass rather than too little.
"""

from __future__ import annotations

from collections.abc import Iterable

from tornado_router.validation.schema import Schema

_DISCRIMINATORS = ("type", "role", "object", "event")

_Alternatives = list[Schema]


class Unions:
    """The unions of one document."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        """Takes the document's `$defs` as they came from the types."""
        self._definitions = definitions

    def rewrite(self, schema: Schema) -> Schema:
        """One schema without its `anyOf`; for `rewrite` to apply to a whole document."""
        if "anyOf" in schema:
            rest = {k: v for k, v in schema.items() if k != "anyOf"}
            schema = {**rest, **self._union(self._flat(schema["anyOf"]))}
        if "items" in schema:
            schema = {**schema, "items": self._open_ended(schema["items"])}
        return schema

    def _open_ended(self, items: Schema) -> Schema:
        """The items of a list; those of one kind are written as a union of one.

        A list that takes one kind today may take a second tomorrow, and `standard` lets it pass.
        """
        alternatives = self._flat([items])
        if len(alternatives) == 1 and self._values(alternatives[0], "type"):
            return self._discriminated(alternatives, "type")
        return items

    def _flat(self, alternatives: Iterable[Schema]) -> _Alternatives:
        """The alternatives, unions inside them dissolved, each once."""
        flat: _Alternatives = []
        for alternative in alternatives:
            target = self._target(alternative)
            parts = self._flat(target["anyOf"]) if "anyOf" in target else [alternative]
            flat += [part for part in parts if part not in flat]
        return flat

    def _target(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            schema = self._definitions[schema["$ref"].removeprefix("#/$defs/")]
        return schema

    def _union(self, alternatives: _Alternatives) -> Schema:
        if len(alternatives) == 1:
            return alternatives[0]
        by_type: dict[str, _Alternatives] = {}
        for alternative in alternatives:
            target = self._target(alternative)
            if "type" not in target:
                return {}  # anything goes
            by_type.setdefault(target["type"], []).append(alternative)
        nullable = by_type.pop("null", None) is not None
        if "number" in by_type:
            by_type.pop("integer", None)
        merge = {"array": self._arrays, "object": self._objects}
        merged = {kind: merge.get(kind, _scalars)(found) for kind, found in by_type.items()}
        union = next(iter(merged.values())) if len(merged) == 1 else _several_types(merged)
        return allow_null(union) if nullable else union

    def _arrays(self, arrays: _Alternatives) -> Schema:
        items = self._flat(self._target(array).get("items", {}) for array in arrays)
        return {"type": "array", "items": {"anyOf": items}}

    def _objects(self, objects: _Alternatives) -> Schema:
        if len(objects) == 1:
            return objects[0]
        for discriminator in _DISCRIMINATORS:
            values = [self._values(object_, discriminator) for object_ in objects]
            if all(values) and len({value for found in values for value in found}) > 1:
                return self._discriminated(objects, discriminator)
        return self._merged(objects)

    def _values(self, schema: Schema, name: str) -> list[str]:
        """The strings that a property may be, when it is a list of strings."""
        property_ = self._target(schema).get("properties", {}).get(name, {})
        values: list[str] = []
        for alternative in self._flat([property_]):
            target = self._target(alternative)
            if target.get("type") != "null":
                values += target.get("enum", [target["const"]] if "const" in target else [])
        return values if all(isinstance(value, str) for value in values) else []

    def _discriminated(self, objects: _Alternatives, name: str) -> Schema:
        kinds: dict[str, _Alternatives] = {}
        for object_ in objects:
            for value in self._values(object_, name):
                kinds.setdefault(value, []).append(object_)
        rules = [
            {
                # `type` is part of the condition, as the other two hold for all but objects.
                "if": {
                    "type": "object",
                    "properties": {name: {"const": value}},
                    "required": [name],
                },
                "then": self._merged(found),
            }
            for value, found in kinds.items()
        ]
        schema: Schema = {"type": "object", "properties": {name: _strings(kinds)}}
        if all(name in self._required(object_) for object_ in objects):
            schema["required"] = [name]
        else:
            rules.append(self._without_name(objects, name))
            schema["properties"][name] = allow_null(schema["properties"][name])
        return {**schema, "allOf": rules}

    def _without_name(self, objects: _Alternatives, name: str) -> Schema:
        """What an object is that does not say which kind it is: the first kind that need not.

        Unless it has what that kind does not need and another does, which leaves it open: an item
        of the Responses API without `type` is a message, or a reference if it has an `id`.
        """
        first, *others = [o for o in objects if name not in self._required(o)]
        same_kind = [o for o in objects if self._values(o, name) == self._values(first, name)]
        signs = {key for other in others for key in self._required(other)}
        absent = [name, *sorted(signs - set(self._required(first)))]
        condition = {"anyOf": [{"required": [key]} for key in absent]}
        return {"if": {"type": "object", "not": condition}, "then": self._merged(same_kind)}

    def _merged(self, objects: _Alternatives) -> Schema:
        if len(objects) == 1:
            return objects[0]
        targets = [self._target(object_) for object_ in objects]
        if not all("properties" in target for target in targets):
            return {"type": "object"}  # one of them is a map of anything
        properties: dict[str, _Alternatives] = {}
        for target in targets:
            for name, schema in target["properties"].items():
                properties.setdefault(name, []).append(schema)
        return {
            "type": "object",
            "properties": {k: {"anyOf": self._flat(found)} for k, found in properties.items()},
            "required": [
                key
                for key in self._required(objects[0])
                if all(key in self._required(other) for other in objects)
            ],
        }

    def _required(self, schema: Schema) -> list[str]:
        required: list[str] = self._target(schema).get("required", [])
        return required


def allow_null(schema: Schema) -> Schema:
    """The schema that null fits, too."""
    if "$ref" in schema:
        return {"if": {"not": {"type": "null"}}, "then": schema}
    if "type" not in schema:
        return schema  # anything goes, or null is allowed already
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    if "null" in kinds:
        return schema
    # Whatever else the schema says is about one of the other types.
    nullable = {**schema, "type": [*kinds, "null"]}
    if "const" in nullable:
        nullable["enum"] = [nullable.pop("const")]
    if "enum" in nullable:
        nullable["enum"] = [*nullable["enum"], None]
    return nullable


def _scalars(schemas: _Alternatives) -> Schema:
    """Strings, numbers or booleans: as open as the most open of them."""
    for schema in schemas:
        if "const" not in schema and "enum" not in schema:
            return schema
    values = [v for schema in schemas for v in schema.get("enum", [schema.get("const")])]
    if schemas[0]["type"] == "boolean" and len(set(values)) == 2:
        return {"type": "boolean"}
    return {"type": schemas[0]["type"], "enum": list(dict.fromkeys(values))}


def _strings(values: Iterable[str]) -> Schema:
    return _scalars([{"type": "string", "const": value} for value in values])


def _several_types(by_type: dict[str, Schema]) -> Schema:
    """One schema for values of several types; what a type needs is asked of that type only."""
    union: Schema = {"type": list(by_type)}
    rules: list[Schema] = []
    for kind, schema in by_type.items():
        if "$ref" in schema or "enum" in schema or "const" in schema:
            rules.append({"if": {"type": kind}, "then": schema})
            continue
        rules += schema.get("allOf", [])
        union.update({k: v for k, v in schema.items() if k not in ("type", "allOf")})
    return {**union, "allOf": rules} if rules else union
