"""Makes the OpenAPI document out of routes, operations and schemas.

The format: https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

from tornado_router import __version__
from tornado_router.error_codes import ROWS
from tornado_router.errors import ApiError, ErrorCode
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.handlers.calls import CallHandler
from tornado_router.http.handlers.documentation import DocumentHandler
from tornado_router.http.handlers.management import AdminHandler, ManagementHandler
from tornado_router.http.handlers.metrics import MetricsHandler
from tornado_router.http.openapi.components import component_schemas
from tornado_router.http.openapi.headers import (
    CALL_REQUEST,
    CALL_RESPONSE,
    RATE_LIMITS,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    RETRY,
    ROUTING,
    request_headers,
    response_headers,
)
from tornado_router.http.openapi.operations import JSON, OPERATIONS, VENDOR, Operation, schema_of
from tornado_router.http.openapi.schemas import ID, TEXT, reference
from tornado_router.validation import Profile
from tornado_router.validation.schema import Schema

_PARAMETERS: Mapping[str, tuple[Schema, Any]] = {
    "id": ({**ID, "maximum": 10**15 - 1}, 1),
    "model": (TEXT, "gpt-4o-mini"),
}
"""What stands in braces in a path: its schema, and an example."""

_TAGS = {
    "v1": ("Models", "The OpenAI API. Its SDKs work with `base_url` set to this router's `/v1`."),
    "auth": ("Accounts", "Register, log in, and manage one's own account."),
    "api-keys": (
        "API keys",
        "Create and manage the keys that calls of models are made with. Users see their own keys, "
        "administrators see all keys.",
    ),
    "usage": ("Usage", "What calls used and cost."),
    "admin": ("Administration", "Users, credits, invites and logged requests, for administrators."),
}
_OTHER_TAG = ("Service", "Health, metrics, and this reference.")
_SECURITY = {
    "apiKey": "An API key; it begins with `sk-tr-`.",
    "session": "The `token` that `POST /auth/login` returns.",
    "metricsToken": "The `token` of `[metrics]` in router.toml.",
}
_STATUSES: Mapping[int | str, tuple[str, tuple[str, ...]]] = {
    304: ("Not modified since the given `ETag`.", ("ETag", "Revalidate")),
    400: ("The request is invalid; `param` names the field at fault.", ()),
    401: ("Missing or invalid credentials.", ("WWW-Authenticate",)),
    403: ("Not allowed.", ()),
    404: ("Not found, or not visible with these credentials.", ()),
    409: ("Conflicts with the current state.", ()),
    413: ("The body is too large.", ()),
    415: ("`Content-Type` must be `application/json`; the body may be compressed.", ()),
    429: ("A rate limit, or the credits or budget, is exhausted.", (*RETRY, *RATE_LIMITS)),
    500: ("The router failed.", ()),
    502: ("The provider failed.", (*ROUTING, *RATE_LIMITS)),
    503: ("Temporarily unavailable.", ("Retry-After",)),
    504: (
        "The provider took too long, or nothing is cached for `only-if-cached`.",
        (*ROUTING, "X-Should-Retry", *RATE_LIMITS),
    ),
    VENDOR: ("The provider refused the request, with this status.", (*ROUTING, *RATE_LIMITS)),
}
"""What responses other than the successful one mean, and their headers."""


_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")
"""A link of Markdown: to a page of the documentation, which the document is not beside."""


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
            "description": "One server in front of every LLM provider. Everything below `/v1` is "
            "the OpenAI API; the rest is for accounts, API keys, usage and operators.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This router"}],
        "tags": [
            {"name": name, "description": description}
            for name, description in [*_TAGS.values(), _OTHER_TAG]
        ],
        "paths": paths,
        "components": {
            "schemas": component_schemas(profile),
            "responses": {_response_name(status): _response(status) for status in _STATUSES},
            "parameters": dict(REQUEST_HEADERS),
            "headers": dict(RESPONSE_HEADERS),
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
        self._handler = route.handler
        self._method = method
        self._operation = operation

    def describe(self) -> dict[str, Any]:
        """The Operation Object of OpenAPI."""
        operation = self._operation
        described: dict[str, Any] = {
            "operationId": f"{self._method}_{self._route.name.replace('.', '_')}",
            "summary": operation.summary,
            "tags": [_TAGS.get(self._route.path.split("/")[1], _OTHER_TAG)[0]],
            "security": self._security(),
            "parameters": self._parameters(),
            "responses": self._responses(),
        }
        if operation.description:
            described["description"] = operation.description
        if operation.body is not None:
            described["requestBody"] = self._body(schema_of(operation.body))
        return described

    def _security(self) -> list[dict[str, list[str]]]:
        if self._handler.open:
            return []
        if issubclass(self._handler, MetricsHandler):
            return [{"metricsToken": []}, {}]
        return [{"session" if issubclass(self._handler, ManagementHandler) else "apiKey": []}]

    def _parameters(self) -> list[dict[str, Any]]:
        headers: tuple[str, ...] = ()
        if issubclass(self._handler, CallHandler):
            headers = CALL_REQUEST
        elif issubclass(self._handler, DocumentHandler):
            headers = ("If-None-Match",)
        query = self._operation.query.items()
        return [
            *(_parameter(name, "query", schema) for name, schema in query),
            *request_headers(headers),
        ]

    def _body(self, schema: Schema) -> dict[str, Any]:
        content: dict[str, Any] = {"schema": schema}
        if self._operation.examples:
            content["examples"] = {
                title.lower().replace(" ", "-").replace("'", ""): {"summary": title, "value": value}
                for title, value in self._operation.examples.items()
            }
        return {"required": self._operation.body_required, "content": {JSON: content}}

    def _responses(self) -> dict[str, Any]:
        operation = self._operation
        headers = operation.headers
        if issubclass(self._handler, CallHandler):
            headers = CALL_RESPONSE
        elif issubclass(self._handler, ManagementHandler):
            headers = ("No-Store", *headers)
        good: dict[str, Any] = {
            "description": HTTPStatus(operation.status).phrase,
            "headers": response_headers(headers),
        }
        if operation.content:
            good["content"] = {
                media: {"schema": schema_of(content)}
                for media, content in operation.content.items()
            }
        return {
            str(operation.status): good,
            **{
                str(status): {"$ref": f"#/components/responses/{_response_name(status)}"}
                for status in sorted(self._errors(), key=str)
            },
        }

    def _errors(self) -> set[int | str]:
        errors: set[int | str] = {*self._ALWAYS, *self._operation.errors}
        if not self._handler.open:
            errors.add(401)
        if issubclass(self._handler, AdminHandler):
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
    return {
        "parameters": [
            {**_parameter(name, "path", schema), "example": example}
            for name, (schema, example) in _PARAMETERS.items()
            if name in named
        ]
    }


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


def _response_name(status: int | str) -> str:
    if not isinstance(status, int):
        return "ProviderRefusal"
    return "".join(character for character in HTTPStatus(status).phrase if character.isalpha())


def _response(status: int | str) -> dict[str, Any]:
    description, headers = _STATUSES[status]
    described = {"description": description, "headers": response_headers(headers)}
    if status != HTTPStatus.NOT_MODIFIED:
        examples = {row.name: _example(row) for row in ROWS if row.status == status}
        described["content"] = {
            JSON: {"schema": reference("Error"), **({"examples": examples} if examples else {})}
        }
    return described


def _example(row: ErrorCode[ApiError]) -> dict[str, Any]:
    """One error with this status, with its values in braces as in the table of errors."""
    message = row.text or "..."
    error = {"message": message, "type": row.type, "param": row.param, "code": row.code}
    summary = _LINK.sub(r"\1", row.meaning)
    return {**({"summary": summary} if summary else {}), "value": {"error": error}}
