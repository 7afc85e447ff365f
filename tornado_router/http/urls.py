"""The one route table."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from tornado.routing import URLSpec

from tornado_router.endpoints import ENDPOINTS
from tornado_router.http import openapi
from tornado_router.http.handlers.accounts import (
    PasswordHandler,
    ProfileHandler,
    RegisterHandler,
    SignInHandler,
    SignOutHandler,
)
from tornado_router.http.handlers.admin import (
    CreditsHandler,
    InviteHandler,
    InvitesHandler,
    PlansHandler,
    RequestLogHandler,
    RequestLogsHandler,
    UserHandler,
    UserPasswordHandler,
    UsersHandler,
)
from tornado_router.http.handlers.base import BaseHandler
from tornado_router.http.handlers.calls import CallHandler
from tornado_router.http.handlers.documentation import DocsHandler, OpenApiHandler, OriginPages
from tornado_router.http.handlers.health import HealthHandler
from tornado_router.http.handlers.keys import KeyHandler, KeysHandler, RotationHandler
from tornado_router.http.handlers.metrics import MetricsHandler
from tornado_router.http.handlers.models import ModelHandler, ModelsHandler
from tornado_router.http.handlers.usage import UsageHandler
from tornado_router.http.services import Services
from tornado_router.validation import Profile

PATTERNS = {"{id}": "([0-9]{1,15})", "{model}": "(.+)"}
"""What stands for what in the paths below."""

_PAGES = {"pages": OriginPages(openapi.EXAMPLE_ORIGIN)}


class Route(NamedTuple):
    """A path of the server.

    Attributes:
        name: by which the operations of `openapi` know it.
        path: with what changes in braces, as OpenAPI writes it.
        handler: closed to requests without a key unless it says otherwise.
        arguments: of the handler, beside the services.
    """

    name: str
    path: str
    handler: type[BaseHandler]
    arguments: Mapping[str, Any] = MappingProxyType({})

    def spec(self, services: Services) -> URLSpec:
        """The route as Tornado has it."""
        pattern = self.path
        for placeholder, meaning in PATTERNS.items():
            pattern = pattern.replace(placeholder, meaning)
        return URLSpec(pattern, self.handler, {"services": services, **self.arguments}, self.name)


@functools.lru_cache
def describe(profile: Profile) -> bytes:
    """The OpenAPI document of all routes, as JSON."""
    return orjson.dumps(openapi.document(ROUTES, profile))


@functools.lru_cache
def describe_as_page(profile: Profile) -> bytes:
    """The same for people, as HTML."""
    return openapi.page(openapi.document(ROUTES, profile))


ROUTES = (
    *(
        Route(endpoint.name, endpoint.path, CallHandler, {"endpoint": endpoint})
        for endpoint in ENDPOINTS.values()
    ),
    Route("models", "/v1/models", ModelsHandler),
    Route("model", "/v1/models/{model}", ModelHandler),
    Route("auth.register", "/auth/register", RegisterHandler),
    Route("auth.login", "/auth/login", SignInHandler),
    Route("auth.logout", "/auth/logout", SignOutHandler),
    Route("auth.password", "/auth/password", PasswordHandler),
    Route("auth.profile", "/auth/profile", ProfileHandler),
    Route("keys", "/api-keys", KeysHandler),
    Route("key", "/api-keys/{id}", KeyHandler),
    Route("key.rotate", "/api-keys/{id}/rotate", RotationHandler),
    Route("usage", "/usage", UsageHandler),
    Route("admin.users", "/admin/users", UsersHandler),
    Route("admin.user", "/admin/users/{id}", UserHandler),
    Route("admin.password", "/admin/users/{id}/password", UserPasswordHandler),
    Route("admin.credits", "/admin/users/{id}/credits", CreditsHandler),
    Route("admin.plans", "/admin/plans", PlansHandler),
    Route("admin.invites", "/admin/invites", InvitesHandler),
    Route("admin.invite", "/admin/invites/{id}", InviteHandler),
    Route("admin.request_logs", "/admin/request-logs", RequestLogsHandler),
    Route("admin.request_log", "/admin/request-logs/{id}", RequestLogHandler),
    Route("health", "/health", HealthHandler),
    Route("metrics", "/metrics", MetricsHandler),
    Route("openapi", "/openapi.json", OpenApiHandler, {"describe": describe, **_PAGES}),
    Route("docs", "/docs", DocsHandler, {"describe": describe_as_page, **_PAGES}),
)
"""Every path of the server."""


def route_table(services: Services) -> list[URLSpec]:
    """The routes as Tornado has them."""
    return [route.spec(services) for route in ROUTES]
