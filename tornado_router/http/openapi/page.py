"""Shows an OpenAPI document as one page of HTML, which loads nothing, and is whole without script.

It knows what `document` writes, not all that OpenAPI can say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, NamedTuple

import orjson
from tornado.template import DictLoader

from tornado_router.http.openapi.curl import curl_commands, sent_by
from tornado_router.http.openapi.headers import SENT_AS
from tornado_router.http.openapi.page_parts import SCRIPT, STYLE, read_part
from tornado_router.validation.form_body import takes_file
from tornado_router.validation.schema import Schema

_TEMPLATES = ("page.html", "fields.html")
_METHODS = ("get", "post", "patch", "delete")
_PLACES = {"path": "Path", "query": "Query", "header": "Headers"}
_VARIABLES = {"apiKey": "API_KEY", "session": "SESSION_TOKEN", "metricsToken": "METRICS_TOKEN"}
"""What the examples read the credentials from, by the security scheme."""

_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "minLength": "min. length",
    "maxLength": "max. length",
    "minItems": "min. items",
    "maxItems": "max. items",
    "default": "default",
}


MAX_DEPTH = 4
"""So many objects within each other have their properties shown."""

NO_BOUND = 10**12
"""A maximum beyond this says no more than which numbers a program can hold."""


class Field(NamedTuple):
    """A property, a parameter or a header, as a row of a table; its texts are HTML."""

    name: str
    required: bool
    type: str
    description: str
    anchor: str = ""


class Scheme(NamedTuple):
    """A way to authenticate."""

    variable: str
    description: str


class ShownResponse(NamedTuple):
    """A response of an operation; `content` and `headers` are HTML."""

    status: str
    description: str
    content: str
    headers: str


@dataclass(frozen=True, kw_only=True)
class Shown:
    """An operation as the page shows it.

    Attributes:
        schemes: that it takes credentials by.
        is_optional: whether it may do without them.
        parameters: tables of them, by their titles.
        body: fields of the request's body; None if it has none.
        body_type: HTML of the body's type, where it is described elsewhere.
        commands: example requests, each with its title.
    """

    id: str
    method: str
    path: str
    summary: str
    description: str
    schemes: Sequence[Scheme]
    is_optional: bool
    parameters: Mapping[str, Sequence[Field]]
    body: Sequence[Field] | None
    body_type: str
    body_required: bool
    commands: Sequence[tuple[str, str]]
    responses: Sequence[ShownResponse]


class Group(NamedTuple):
    """The operations of a tag."""

    name: str
    anchor: str
    description: str
    operations: Sequence[Shown]


class SchemaShown(NamedTuple):
    """A schema; `type` is HTML."""

    name: str
    anchor: str
    description: str
    fields: Sequence[Field]
    type: str


EXAMPLE_ORIGIN = "https://router.example.com"
"""In the page, where the address of the router itself belongs."""


class Common(NamedTuple):
    """What all operations share, so that it is shown once; `headers` is HTML."""

    parameters: Sequence[Field]
    headers: str


def page(document: Mapping[str, Any]) -> bytes:
    """The page of a document, in UTF-8."""
    loader = DictLoader({name: read_part(name) for name in _TEMPLATES})
    return loader.load("page.html").generate(
        **_Reader(document).read(),
        prose=_prose,
        example_origin=EXAMPLE_ORIGIN,
        style=STYLE,
        script=SCRIPT,
    )


class _Reader:
    """Reads what the page shows out of a document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._components = document["components"]
        self._operations = [
            (path, method, item, item[method])
            for path, item in document["paths"].items()
            for method in _METHODS
            if method in item
        ]
        operations = [operation for *_, operation in self._operations]
        self._parameters = _in_all([it.get("parameters", []) for it in operations])
        self._headers = _in_all(
            [
                self._resolve(response).get("headers", {}).values()
                for it in operations
                for response in it["responses"].values()
            ]
        )

    def read(self) -> dict[str, Any]:
        """What the template takes."""
        return {
            "document": self._document,
            "schemes": [self._scheme(name) for name in self._components["securitySchemes"]],
            "common": Common(
                [_parameter_field(self._resolve({"$ref": it})) for it in self._parameters],
                ", ".join(_header_link(it) for it in self._headers),
            ),
            "groups": [self._group(tag) for tag in self._document["tags"]],
            "headers": [
                _parameter_field({**it, "name": SENT_AS.get(name, name)}, _header_anchor(name))
                for name, it in self._components["headers"].items()
            ],
            "schemas": [_schema(*item) for item in self._components["schemas"].items()],
        }

    def _group(self, tag: Mapping[str, str]) -> Group:
        shown = [self._shown(*it) for it in self._operations if tag["name"] in it[3]["tags"]]
        anchor = tag["name"].lower().replace(" ", "-")
        return Group(tag["name"], anchor, tag["description"], shown)

    def _shown(
        self, path: str, method: str, item: Mapping[str, Any], operation: Mapping[str, Any]
    ) -> Shown:
        given = [*item.get("parameters", []), *operation.get("parameters", [])]
        parameters = [self._resolve(it) for it in given if it.get("$ref") not in self._parameters]
        schemes = [self._scheme(name) for way in operation["security"] for name in way]
        body = operation.get("requestBody")
        contents = body["content"] if body else {"": {}}
        schema = next(iter(contents.values())).get("schema", {})
        return Shown(
            id=operation["operationId"],
            method=method,
            path=path,
            summary=operation["summary"],
            description=operation.get("description", ""),
            schemes=schemes,
            is_optional={} in operation["security"],
            parameters={
                title: [_parameter_field(it) for it in parameters if it["in"] == place]
                for place, title in _PLACES.items()
                if any(it["in"] == place for it in parameters)
            },
            body=_fields(schema) if body else None,
            body_type=_type(schema) if "$ref" in schema else "",
            body_required=bool(body and body["required"]),
            commands=[
                command
                for media, content in contents.items()
                for command in curl_commands(
                    method,
                    path,
                    parameters,
                    schemes[0].variable if schemes else "",
                    sent_by(media, content.get("examples", {}), self._files(schema)),
                )
            ],
            responses=[
                self._response(status, self._resolve(response))
                for status, response in operation["responses"].items()
            ],
        )

    def _files(self, schema: Schema) -> set[str]:
        """The fields of a body that are files."""
        properties = self._resolve(schema).get("properties", {})
        return {name for name, wanted in properties.items() if takes_file(wanted)}

    def _response(self, status: str, response: Mapping[str, Any]) -> ShownResponse:
        headers = (it["$ref"] for it in response.get("headers", {}).values())
        return ShownResponse(
            status,
            response["description"],
            "<br>".join(
                f"{_type(content['schema'])} <code>{escape(media)}</code>"
                if media != "application/json"
                else _type(content["schema"])
                for media, content in response.get("content", {}).items()
            ),
            ", ".join(_header_link(it) for it in headers if it not in self._headers),
        )

    def _scheme(self, name: str) -> Scheme:
        described = self._components["securitySchemes"][name]
        return Scheme(_VARIABLES[name], described["description"])

    def _resolve(self, item: Mapping[str, Any]) -> Any:
        """What a reference leads to; anything else is itself."""
        if "$ref" not in item:
            return item
        found: Any = self._document
        for step in item["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found


def _in_all(lists: Iterable[Iterable[Mapping[str, Any]]]) -> list[str]:
    """The references that each of the lists has, in the order of the first."""
    named = [[it["$ref"] for it in entries if "$ref" in it] for entries in lists]
    return [it for it in named[0] if all(it in other for other in named)] if named else []


def _schema(name: str, schema: Schema) -> SchemaShown:
    return SchemaShown(
        name, _anchor(name), schema.get("description", ""), _fields(schema), _type(schema)
    )


def _prose(text: str) -> str:
    """HTML of a text with `code` in it."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _parameter_field(parameter: Mapping[str, Any], anchor: str = "") -> Field:
    schema = parameter["schema"]
    return Field(
        parameter["name"],
        parameter.get("required", False),
        _type(schema),
        _described({**schema, "description": parameter.get("description", "")}),
        anchor,
    )


def _fields(schema: Schema, prefix: str = "") -> list[Field]:
    """The properties of an object, required ones first; those of an object in it are below it.

    Args:
        schema: of the object.
        prefix: what stands before their names, such as `error.` or `data[].`.
    """
    required = schema.get("required", [])
    fields = []
    properties = schema.get("properties", {})
    for name in sorted(properties, key=lambda name: name not in required):
        value, whole = properties[name], prefix + name
        fields.append(Field(whole, name in required, _type(value), _described(value)))
        if prefix.count(".") < MAX_DEPTH:
            fields += _fields(value, f"{whole}.")
            fields += _fields(value.get("items", {}), f"{whole}[].")
    return fields


def _described(schema: Schema) -> str:
    parts = [_prose(schema["description"])] if schema.get("description") else []
    values = [schema["const"]] if "const" in schema else schema.get("enum", [])
    if values:
        parts.append(", ".join(f"<code>{escape(_json(value))}</code>" for value in values))
    bounds = [
        f"{meaning} {escape(_json(schema[keyword]))}"
        for keyword, meaning in _BOUNDS.items()
        if keyword in schema and not (keyword == "maximum" and schema[keyword] >= NO_BOUND)
    ]
    if bounds:
        parts.append(f'<span class="quiet">{"; ".join(bounds)}</span>')
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
    """The schemas of the document that a value has to fit, for its kind or always."""
    if "$ref" in schema:
        return [schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return [name for entry in schema["anyOf"] for name in _named(entry)]
    inner = schema.get("then", schema.get("contentSchema"))
    return _named(inner) if inner else []


def _link(name: str) -> str:
    return f'<a href="#{_anchor(name)}">{escape(name)}</a>'


def _anchor(name: str) -> str:
    return f"schema-{escape(name)}"


def _header_link(reference: str) -> str:
    name = reference.rpartition("/")[2]
    return f'<a href="#{_header_anchor(name)}">{escape(SENT_AS.get(name, name))}</a>'


def _header_anchor(name: str) -> str:
    return f"header-{name.lower()}"
