"""Makes the OpenAPI document out of routes, operations and schemas.

The format: https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

from tornado_router import __version__
from tornado_router.calls.passed.rules import ServedPath
from tornado_router.endpoints import ANTHROPIC, OPENAI, Dialect
from tornado_router.error_codes import ROWS
from tornado_router.errors import ApiError, ErrorCode
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.handlers.calls import CallHandler
from tornado_router.http.handlers.documentation import DocumentHandler
from tornado_router.http.handlers.management import AdminHandler, ManagementHandler
from tornado_router.http.handlers.metrics import MetricsHandler
from tornado_router.http.handlers.passed import PassedHandler
from tornado_router.http.openapi.components import component_schemas
from tornado_router.http.openapi.headers import (
    CALL_REQUEST,
    CALL_RESPONSE,
    RATE_LIMITS,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    RETRY,
    ROUTING,
    TRACE,
    request_headers,
    response_headers,
)
from tornado_router.http.openapi.operations import JSON, OPERATIONS, VENDOR, Operation, schema_of
from tornado_router.http.openapi.operations.passed import TAG, passed_routes
from tornado_router.http.openapi.schemas import ID, TEXT, error_name, reference
from tornado_router.validation import Profile
from tornado_router.validation.forms import FORM
from tornado_router.validation.schema import Schema

_PARAMETERS: Mapping[str, Schema] = {
    "id": {**ID, "maximum": 10**15 - 1},
    "model": TEXT,
    "response": TEXT,
    "path": {**TEXT, "description": "An id, and what is below it: it may have slashes."},
    "provider": {**TEXT, "description": "One of `[passthrough] vendors`."},
}
"""The schemas of what stands in braces in a path."""

_TAGS = {
    "v1": ("Models", "OpenAI's API and Anthropic's messages; their SDKs need another base URL."),
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
_PASSED_TAG = (TAG, "Files, batches, vector stores and all else that `[passthrough]` passes on.")
_SECURITY = {
    "apiKey": "An API key; it begins with `sk-tr-`.",
    "session": "The `token` that `POST /auth/login` returns.",
    "metricsToken": "The `token` of `[metrics]` in router.toml.",
}
_STATUSES: Mapping[int | str, tuple[str, tuple[str, ...]]] = {
    304: ("Not modified since the given `ETag`.", ("ETag", "Revalidate")),
    400: ("The request is invalid; `param` names the field at fault.", ()),
    401: ("Missing or invalid credentials.", ("WWW-Authenticate",)),
    402: ("The credits or the budget are spent.", ("X-Should-Retry", *RATE_LIMITS)),
    403: ("Not allowed.", ()),
    404: ("Not found, or not visible with these credentials.", ()),
    409: ("Conflicts with the current state.", ()),
    413: ("The body is too large.", ()),
    415: ("`Content-Type` must be one that is taken; the body may be compressed.", ()),
    426: ("This is a websocket.", ()),
    429: ("A rate limit, or the credits or budget, is exhausted.", (*RETRY, *RATE_LIMITS)),
    500: ("The router failed.", ()),
    502: ("The provider failed.", (*ROUTING, *RATE_LIMITS)),
    503: ("Temporarily unavailable.", ("Retry-After",)),
    504: (
        "The provider took too long, or nothing is cached for `only-if-cached`.",
        (*ROUTING, "X-Should-Retry", *RATE_LIMITS),
    ),
    529: ("The router or the provider has too much to do.", ("Retry-After",)),
    VENDOR: ("The provider refused the request, with this status.", (*ROUTING, *RATE_LIMITS)),
}
"""What responses other than the successful one mean, and their headers."""


_ELSEWHERE = (402, 529)
"""Statuses that no error of OpenAI's dialect has."""

_CALLS = (400, 401, 403, 404, 413, 415, 429, 500, 502, 503, 504, VENDOR)
"""Statuses of calls of models, as OpenAI's dialect has them."""

_PHRASES = {529: "Overloaded"}
"""Of statuses that HTTP does not know."""

_EXAMPLE_ID = "req_187c3a5b2f40e1d20a9c44f1b7d3e856"

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


Described = tuple[Route, Mapping[str, Operation]]
"""A route, and its operations by method."""


def document(
    routes: Iterable[Route],
    profile: Profile,
    models: Mapping[str, str] = MappingProxyType({}),
    passed: Iterable[ServedPath] = (),
) -> dict[str, Any]:
    """The OpenAPI document.

    Args:
        routes: of the server.
        profile: how strictly it checks requests.
        models: what its examples ask for, by endpoint; those of the source, where it has none.
        passed: what is passed on to vendors, too.

    Raises:
        KeyError: a route has no operations.
    """
    passed_on = list(passed_routes(passed))
    described: list[Described] = [
        *((route, OPERATIONS[route.name]) for route in routes),
        *((route, route.operations) for route in passed_on),
    ]
    tags = [*_TAGS.values(), *([_PASSED_TAG] if passed_on else []), _OTHER_TAG]
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
        "tags": [{"name": name, "description": description} for name, description in tags],
        "paths": _paths(described, models),
        "components": {
            "schemas": component_schemas(profile),
            "responses": _error_responses(),
            "parameters": dict(REQUEST_HEADERS),
            "headers": dict(RESPONSE_HEADERS),
            "securitySchemes": {
                name: {"type": "http", "scheme": "bearer", "description": description}
                for name, description in _SECURITY.items()
            },
        },
    }


def _paths(described: Iterable[Described], models: Mapping[str, str]) -> dict[str, Any]:
    """What each path does; one of several routes has the operations of all."""
    paths: dict[str, dict[str, Any]] = {}
    for route, operations in described:
        paths.setdefault(route.path, _path_parameters(route, models)).update(
            (method, _Describer(route, method, operation, models).describe())
            for method, operation in operations.items()
        )
    return paths


class _Describer:
    """Describes one operation."""

    _ALWAYS: ClassVar = (400, 500, 503)

    def __init__(
        self, route: Route, method: str, operation: Operation, models: Mapping[str, str]
    ) -> None:
        self._route = route
        self._handler = route.handler
        self._method = method
        self._operation = operation
        model = models.get(operation.models_of or route.name)
        self._model = {"model": model} if model else {}

    def describe(self) -> dict[str, Any]:
        """The Operation Object of OpenAPI."""
        operation = self._operation
        described: dict[str, Any] = {
            "operationId": f"{self._method}_{self._route.name.replace('.', '_')}",
            "summary": operation.summary,
            "tags": [operation.tag or _TAGS.get(self._route.path.split("/")[1], _OTHER_TAG)[0]],
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
        if issubclass(self._handler, PassedHandler):
            headers = TRACE
        elif issubclass(self._handler, CallHandler):
            headers = CALL_REQUEST
        elif issubclass(self._handler, DocumentHandler):
            headers = ("If-None-Match",)
        query = self._operation.query.items()
        return [
            *(_parameter(name, "query", schema) for name, schema in query),
            *request_headers(headers),
        ]

    def _body(self, schema: Schema) -> dict[str, Any]:
        operation, content = self._operation, {}
        if operation.takes_json:
            content[JSON] = {"schema": schema, **self._examples(operation.examples)}
        if operation.forms is not None:
            content[FORM] = {"schema": schema, **self._examples(operation.forms)}
        return {"required": operation.body_required, "content": content}

    def _examples(self, values: Mapping[str, Any]) -> dict[str, Any]:
        examples = {
            title.lower().replace(" ", "-").replace("'", ""): {
                "summary": title,
                "value": self._with_model(value),
            }
            for title, value in values.items()
        }
        return {"examples": examples} if examples else {}

    def _with_model(self, example: Mapping[str, Any]) -> dict[str, Any]:
        within = self._operation.model_within
        if within:
            return {**example, within: {**example[within], **self._model}}
        return {**example, **self._model}

    def _responses(self) -> dict[str, Any]:
        operation, dialect = self._operation, self._operation.dialect
        headers = operation.headers
        if issubclass(self._handler, CallHandler) and not headers:
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
                str(status): {"$ref": f"#/components/responses/{_response_name(dialect, status)}"}
                for status in sorted(_statuses(dialect, self._errors()), key=str)
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


def _path_parameters(route: Route, models: Mapping[str, str]) -> dict[str, Any]:
    model = next(iter(models.values()), "gpt-4o-mini")
    examples = {
        **{"id": 1, "model": model, "response": "resp_6710a1"},
        **{"path": "an-id", "provider": "claude"},
    }
    named = [name for name in _PARAMETERS if f"{{{name}}}" in route.path]
    if not named:
        return {}
    return {
        "parameters": [
            {**_parameter(name, "path", schema), "example": examples[name]}
            for name, schema in _PARAMETERS.items()
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


def _error_responses() -> dict[str, Any]:
    """The responses of every dialect of errors, by their names."""
    responses = {}
    for dialect in (OPENAI, ANTHROPIC):
        for status in _STATUSES if dialect is OPENAI else _statuses(dialect, _CALLS):
            if dialect is not OPENAI or status not in _ELSEWHERE:
                responses[_response_name(dialect, status)] = _response(dialect, status)
    return responses


def _statuses(dialect: Dialect, statuses: Collection[int | str]) -> set[int | str]:
    """What a dialect makes of statuses of errors, as OpenAI's has them."""
    if dialect is OPENAI:
        return set(statuses)
    found: set[int | str] = {status for status in statuses if status == VENDOR}
    return found | {dialect.status(row(row.text)) for row in ROWS if row.status in statuses}


def _response_name(dialect: Dialect, status: int | str) -> str:
    if not isinstance(status, int):
        return dialect.name + "ProviderRefusal"
    phrase = _PHRASES.get(status) or HTTPStatus(status).phrase
    return dialect.name + "".join(character for character in phrase if character.isalpha())


def _response(dialect: Dialect, status: int | str) -> dict[str, Any]:
    description, headers = _STATUSES[status]
    described = {"description": description, "headers": response_headers(headers)}
    if status != HTTPStatus.NOT_MODIFIED:
        errors = {row.name: (row, row(row.text or "...")) for row in ROWS}
        examples = {
            name: _example(dialect, row, error)
            for name, (row, error) in errors.items()
            if dialect.status(error) == status
        }
        schema = reference(error_name(dialect))
        described["content"] = {
            JSON: {"schema": schema, **({"examples": examples} if examples else {})}
        }
    return described


def _example(dialect: Dialect, row: ErrorCode[ApiError], error: ApiError) -> dict[str, Any]:
    """One error with this status, with its values in braces as in the table of errors."""
    summary = _LINK.sub(r"\1", row.meaning)
    value = dialect.error_body(error, _EXAMPLE_ID)
    return {**({"summary": summary} if summary else {}), "value": value}
