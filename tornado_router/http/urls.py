"""The one route table."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson
from tornado.routing import URLSpec

from tornado_router.calls.passed.rules import Rules, ServedPath
from tornado_router.endpoints import ENDPOINTS, REALTIME, RESPONSES
from tornado_router.http.descriptions import DESCRIPTIONS, Description
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
from tornado_router.http.handlers.current_key import CurrentKeyHandler
from tornado_router.http.handlers.documentation import DocsHandler, OpenApiHandler, RootHandler
from tornado_router.http.handlers.health import HealthHandler
from tornado_router.http.handlers.keys import KeyHandler, KeysHandler, RotationHandler
from tornado_router.http.handlers.metrics import MetricsHandler
from tornado_router.http.handlers.models import ModelHandler, ModelsHandler
from tornado_router.http.handlers.realtime import ClientSecretsHandler, SessionHandler
from tornado_router.http.handlers.responses import ResponsesHandler
from tornado_router.http.handlers.stored_responses import (
    CancelHandler,
    InputItemsHandler,
    StoredResponseHandler,
)
from tornado_router.http.handlers.token_counts import CountHandler
from tornado_router.http.handlers.usage import UsageHandler
from tornado_router.http.services import Services
from tornado_router.routing.routes import Router
from tornado_router.validation import Profile

PATTERNS = {"{id}": "([0-9]{1,15})", "{model}": "(.+)", "{response}": "([A-Za-z0-9_.-]{1,128})"}
"""What stands for what in the paths below."""


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


_making = threading.Lock()
"""Held while a description is made, so that of many who ask for it at first, one makes it."""


def describe(profile: Profile, router: Router, rules: Rules) -> Description:
    """The OpenAPI document of all routes, as JSON. Blocks."""
    return _describe(profile, router, rules, as_page=False)


def describe_as_page(profile: Profile, router: Router, rules: Rules) -> Description:
    """The same for people, as HTML. Blocks."""
    return _describe(profile, router, rules, as_page=True)


def _describe(profile: Profile, router: Router, rules: Rules, *, as_page: bool) -> Description:
    with _making:
        return _made(as_page, profile, _example_models(router), rules.served)


@functools.lru_cache(maxsize=DESCRIPTIONS)
def _example_models(router: Router) -> tuple[tuple[str, str], ...]:
    from tornado_router.http import openapi  # noqa: PLC0415 - see `_made`

    return tuple(openapi.example_models(router).items())


@functools.lru_cache(maxsize=DESCRIPTIONS)
def _made(
    as_page: bool,
    profile: Profile,
    models: tuple[tuple[str, str], ...],
    passed: tuple[ServedPath, ...],
) -> Description:
    from tornado_router.http import openapi  # noqa: PLC0415 - 2 MB, which few routers are asked for

    document = openapi.document(ROUTES, profile, dict(models), passed)
    if as_page:
        return Description(openapi.page(document), openapi.EXAMPLE_ORIGIN, openapi.POLICY)
    return Description(orjson.dumps(document), openapi.EXAMPLE_ORIGIN)


_HANDLERS: Mapping[str, type[BaseHandler]] = {
    RESPONSES.name: ResponsesHandler,
    REALTIME.name: SessionHandler,
}
"""Of the endpoints that are served otherwise than by one call."""

ROUTES = (
    *(
        Route(
            endpoint.name,
            endpoint.path,
            _HANDLERS.get(endpoint.name, CallHandler),
            {"endpoint": endpoint},
        )
        for endpoint in ENDPOINTS.values()
    ),
    *(
        Route(endpoint.count_name, endpoint.count_path, CountHandler, {"endpoint": endpoint})
        for endpoint in ENDPOINTS.values()
        if endpoint.count_path
    ),
    Route("response", RESPONSES.path + "/{response}", StoredResponseHandler),
    Route("response.cancel", RESPONSES.path + "/{response}/cancel", CancelHandler),
    Route("response.items", RESPONSES.path + "/{response}/input_items", InputItemsHandler),
    Route(
        "realtime.client_secrets",
        REALTIME.path + "/client_secrets",
        ClientSecretsHandler,
        {"endpoint": REALTIME},
    ),
    Route("models", "/v1/models", ModelsHandler),
    Route("model", "/v1/models/{model}", ModelHandler),
    Route("current_key", "/v1/key", CurrentKeyHandler),
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
    Route("openapi", "/openapi.json", OpenApiHandler, {"describe": describe}),
    Route("root", "/", RootHandler),
    Route("docs", "/docs", DocsHandler, {"describe": describe_as_page}),
)
"""Every path of the server."""


def route_table(services: Services) -> list[URLSpec]:
    """The routes as Tornado has them."""
    return [route.spec(services) for route in ROUTES]
