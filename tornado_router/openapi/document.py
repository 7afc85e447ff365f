"""Makes the OpenAPI document out of routes, operations and schemas.

The format: https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

from tornado_router import __version__
from tornado_router.handlers.base import BaseHandler
from tornado_router.handlers.calls import CallHandler
from tornado_router.handlers.management import AdminHandler, ManagementHandler
from tornado_router.handlers.metrics import MetricsHandler
from tornado_router.openapi.objects import ID, OBJECTS, TEXT, reference
from tornado_router.openapi.operations import JSON, OPERATIONS, Operation
from tornado_router.validation import Profile, load_schema
from tornado_router.validation.schema import Schema

_OPENAI_OBJECTS = (
    "chat.completions.response",
    "chat.completions.chunk",
    "embeddings.response",
)
_PARAMETERS: Mapping[str, Schema] = {"id": {**ID, "maximum": 10**15 - 1}, "model": TEXT}
_TAGS = {
    "v1": "Models",
    "auth": "Accounts",
    "api-keys": "API keys",
    "usage": "Usage",
    "admin": "Administration",
}
_OTHER_TAG = "The router"
_SECURITY = {
    "apiKey": "An API key, as clients of models have it.",
    "logIn": "The `token` of `POST /auth/login`.",
    "metricsToken": "The `token` of `[metrics]` in router.toml; none if they are public.",
}
_REASONS = {
    400: "Something is wrong with the request; `param` says what.",
    401: "It is not known who asks.",
    403: "Who asks may not do this.",
    404: "There is no such thing, or not for who asks.",
    409: "It does not fit what is there.",
    413: "The body is too large.",
    415: "The body is not said to be JSON.",
    429: "Too much; `Retry-After` says when to come back.",
    500: "The router had an error.",
    502: "The provider failed.",
    503: "Not at the moment.",
    504: "The provider took too long.",
}


class Route(Protocol):
    """What of a route the document needs; see `urls.Route`."""

    @property
    def name(self) -> str:
        """By which its operations are known."""
        ...

    @property
    def path(self) -> str:
        """With what changes in braces."""
        ...

    @property
    def handler(self) -> type[BaseHandler]:
        """Says who may ask."""
        ...


def document(routes: Iterable[Route], profile: Profile) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        routes: of the server.
        profile: how strictly it checks requests.

    Raises:
        KeyError: a route has no operations.
    """
    routes = tuple(routes)
    calls = [route.name for route in routes if issubclass(route.handler, CallHandler)]
    schemas = dict(OBJECTS)
    for endpoint in calls:
        _add_schema(schemas, f"{endpoint}.request", profile)
    for name in _OPENAI_OBJECTS:
        _add_schema(schemas, name, "open")  # what vendors answer is theirs
    paths = {
        route.path: {
            **_path_parameters(route),
            **{m: _Describer(route, m, it).describe() for m, it in OPERATIONS[route.name].items()},
        }
        for route in routes
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tornado Router",
            "version": __version__,
            "description": "One server in front of every LLM provider. What is below `/v1` is the "
            "OpenAI API; the rest is for accounts, keys, usage and operators.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in [*_TAGS.values(), _OTHER_TAG]],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": {_response_name(status): _error(status) for status in _all_errors()},
            "headers": {
                "RequestId": {
                    "description": "The request's id, to be named in questions about it.",
                    "schema": TEXT,
                }
            },
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer", "description": description}
                for name, description in _SECURITY.items()
            },
        },
    }


class _Describer:
    """Describes one operation."""

    _ALWAYS: ClassVar = (400, 500, 503)

    def __init__(self, route: Route, method: str, operation: Operation) -> None:
        self._route = route
        self._method = method
        self._operation = operation

    def describe(self) -> dict[str, Any]:
        """The Operation Object of OpenAPI."""
        operation = self._operation
        described: dict[str, Any] = {
            "operationId": f"{self._method}_{self._route.name.replace('.', '_')}",
            "summary": operation.summary,
            "tags": [_TAGS.get(self._route.path.split("/")[1], _OTHER_TAG)],
            "security": self._security(),
            "responses": self._responses(),
        }
        if operation.description:
            described["description"] = operation.description
        if operation.query:
            described["parameters"] = [
                _parameter(name, "query", schema) for name, schema in operation.query.items()
            ]
        if operation.body is not None:
            described["requestBody"] = {
                "required": operation.body_required,
                "content": {JSON: {"schema": operation.body}},
            }
        return described

    def _security(self) -> list[dict[str, list[str]]]:
        handler = self._route.handler
        if handler.open:
            return []
        if issubclass(handler, MetricsHandler):
            return [{"metricsToken": []}, {}]
        return [{"logIn" if issubclass(handler, ManagementHandler) else "apiKey": []}]

    def _responses(self) -> dict[str, Any]:
        operation = self._operation
        good: dict[str, Any] = {
            "description": HTTPStatus(operation.status).phrase,
            "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
        }
        if operation.answers:
            good["content"] = {
                media: {"schema": schema} for media, schema in operation.answers.items()
            }
        return {
            str(operation.status): good,
            **{
                str(status): {"$ref": f"#/components/responses/{_response_name(status)}"}
                for status in sorted(self._errors())
            },
        }

    def _errors(self) -> set[int]:
        handler = self._route.handler
        errors = {*self._ALWAYS, *self._operation.errors}
        if not handler.open:
            errors.add(401)
        if issubclass(handler, AdminHandler):
            errors.add(403)
        if "{" in self._route.path:
            errors.add(404)
        if self._operation.body is not None:
            errors |= {413, 415}
        return errors


def _path_parameters(route: Route) -> dict[str, Any]:
    named = [name for name in _PARAMETERS if f"{{{name}}}" in route.path]
    if not named:
        return {}
    return {"parameters": [_parameter(name, "path", _PARAMETERS[name]) for name in named]}


def _parameter(name: str, place: str, schema: Schema) -> dict[str, Any]:
    described = dict(schema)
    description = described.pop("description", "")
    return {
        "name": name,
        "in": place,
        **({"required": True} if place == "path" else {}),
        **({"description": description} if description else {}),
        "schema": described,
    }


def _all_errors() -> list[int]:
    every = (it for methods in OPERATIONS.values() for it in methods.values())
    listed = {status for it in every for status in it.errors}
    return sorted(listed | set(_REASONS))


def _response_name(status: int) -> str:
    return "".join(character for character in HTTPStatus(status).phrase if character.isalpha())


def _error(status: int) -> dict[str, Any]:
    headers: dict[str, Any] = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    if status in (429, 503):
        headers["Retry-After"] = {"description": "Seconds, if it passes.", "schema": TEXT}
    if status == 401:
        headers["WWW-Authenticate"] = {"schema": TEXT}
    return {
        "description": _REASONS.get(status, "The provider's own refusal."),
        "headers": headers,
        "content": {JSON: {"schema": reference("Error")}},
    }


def _add_schema(schemas: dict[str, Schema], name: str, profile: Profile) -> None:
    """Adds a schema and its definitions, which stand beside it here and not inside it."""
    schema = load_schema(name, profile)
    definitions = schema.pop("$defs", {})
    del schema["$schema"], schema["$id"]
    schemas[name] = _moved(schema, name)
    for key, definition in definitions.items():
        schemas[f"{name}.{key}"] = _moved(definition, name)


def _moved(value: Any, name: str) -> Any:
    """A part of a schema with its references to definitions led to where these now stand."""
    if isinstance(value, dict):
        return {
            key: f"#/components/schemas/{name}.{entry.removeprefix('#/$defs/')}"
            if key == "$ref" and isinstance(entry, str)
            else _moved(entry, name)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [_moved(entry, name) for entry in value]
    return value
