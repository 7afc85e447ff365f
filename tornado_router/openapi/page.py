"""Shows an OpenAPI document as one page of HTML, which needs no script and nothing of anybody's.

It knows what `document` writes, not all that OpenAPI can say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape
from importlib import resources
from typing import Any, NamedTuple

import orjson
from tornado.template import Template

from tornado_router.validation.schema import Schema

_METHODS = ("get", "post", "patch", "delete")
_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "minLength": "characters at least",
    "maxLength": "characters at most",
    "minItems": "items at least",
    "maxItems": "items at most",
    "default": "otherwise",
}


class Field(NamedTuple):
    """A property or a parameter, as a row of a table; its texts are HTML."""

    name: str
    required: bool
    type: str
    description: str


def page(document: Mapping[str, Any]) -> bytes:
    """The page of a document, in UTF-8."""
    template = resources.files("tornado_router.openapi").joinpath("page.html")
    return Template(template.read_text(encoding="utf-8")).generate(
        document=document,
        operations=list(_operations(document)),
        resolve=lambda item: _resolve(document, item),
        prose=_prose,
        type_of=_type,
        parameter_field=_parameter_field,
        fields=_fields,
        anchor=_anchor,
    )


def _operations(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for path, item in document["paths"].items():
        shared = item.get("parameters", [])
        for method in _METHODS:
            if method in item:
                operation = item[method]
                parameters = [*shared, *operation.get("parameters", [])]
                yield {**operation, "path": path, "method": method, "parameters": parameters}


def _resolve(document: Mapping[str, Any], item: Mapping[str, Any]) -> Any:
    """What a reference leads to; anything else is itself."""
    found: Any = item
    if "$ref" in item:
        found = document
        for step in item["$ref"].removeprefix("#/").split("/"):
            found = found[step]
    return found


def _prose(text: str) -> str:
    """HTML of a text with `code` in it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _parameter_field(parameter: Mapping[str, Any]) -> Field:
    schema = parameter["schema"]
    return Field(
        parameter["name"],
        parameter.get("required", False),
        _type(schema),
        _described({**schema, "description": parameter.get("description", "")}),
    )


def _fields(schema: Schema) -> list[Field]:
    """The properties of an object, those first that it has to have."""
    required = schema.get("required", [])
    fields = [
        Field(name, name in required, _type(value), _described(value))
        for name, value in schema.get("properties", {}).items()
    ]
    return sorted(fields, key=lambda field: not field.required)


def _described(schema: Schema) -> str:
    parts = [_prose(schema["description"])] if schema.get("description") else []
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    if values:
        parts.append(", ".join(f"<code>{escape(_json(value))}</code>" for value in values))
    bounds = [
        f"{meaning} {escape(_json(schema[keyword]))}"
        for keyword, meaning in _BOUNDS.items()
        if keyword in schema
    ]
    if bounds:
        parts.append("; ".join(bounds))
    return "<br>".join(parts)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _type(schema: Schema) -> str:
    """HTML of what a value may be, in one line, with links to what is described elsewhere."""
    named = _named(schema)
    if named:
        return " | ".join(_link(name) for name in named)
    given = schema.get("type", [])
    types = [given] if isinstance(given, str) else list(given)
    texts = [
        f"array of {_type(schema['items'])}" if t == "array" and "items" in schema else t
        for t in types
    ]
    inside = [_link(name) for entry in schema.get("allOf", []) for name in _named(entry)]
    if inside and "object" in types:
        texts[types.index("object")] = " | ".join(inside)
    return " | ".join(texts) or "anything"


def _named(schema: Schema) -> list[str]:
    """The schemas of the document that a value is told to fit, if by its kind or at all."""
    if "$ref" in schema:
        return [schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return [name for entry in schema["anyOf"] for name in _named(entry)]
    return _named(schema["then"]) if "then" in schema else []


def _link(name: str) -> str:
    return f'<a href="#{_anchor(name)}">{escape(name.rpartition("request.")[2])}</a>'


def _anchor(name: str) -> str:
    return f"schema-{escape(name)}"
