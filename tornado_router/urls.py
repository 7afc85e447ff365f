"""The one route table."""

from __future__ import annotations

from tornado.routing import URLSpec

from tornado_router.handlers.accounts import (
    LogInHandler,
    LogOutHandler,
    PasswordHandler,
    ProfileHandler,
    RegisterHandler,
)
from tornado_router.handlers.admin import (
    CreditsHandler,
    InviteHandler,
    InvitesHandler,
    PlansHandler,
    UserHandler,
    UserPasswordHandler,
    UsersHandler,
)
from tornado_router.handlers.base import Services
from tornado_router.handlers.calls import CallHandler
from tornado_router.handlers.health import HealthHandler
from tornado_router.handlers.keys import KeyHandler, KeysHandler, RotationHandler
from tornado_router.handlers.metrics import MetricsHandler
from tornado_router.handlers.models import ModelHandler, ModelsHandler
from tornado_router.handlers.usage import UsageHandler

ENDPOINTS = {
    "chat.completions": "/v1/chat/completions",
    "embeddings": "/v1/embeddings",
}
"""The endpoints that call a model: the name of their schema and translators, and their path."""

_ID = r"([0-9]{1,15})"


def route_table(services: Services) -> list[URLSpec]:
    """Every path of the server. A handler is closed to requests without a key unless it says."""
    shared = {"services": services}
    return [
        *(
            URLSpec(path, CallHandler, {**shared, "endpoint": endpoint}, name=endpoint)
            for endpoint, path in ENDPOINTS.items()
        ),
        URLSpec(r"/v1/models", ModelsHandler, shared, name="models"),
        URLSpec(r"/v1/models/(.+)", ModelHandler, shared, name="model"),
        URLSpec(r"/auth/register", RegisterHandler, shared, name="auth.register"),
        URLSpec(r"/auth/login", LogInHandler, shared, name="auth.login"),
        URLSpec(r"/auth/logout", LogOutHandler, shared, name="auth.logout"),
        URLSpec(r"/auth/password", PasswordHandler, shared, name="auth.password"),
        URLSpec(r"/auth/profile", ProfileHandler, shared, name="auth.profile"),
        URLSpec(r"/api-keys", KeysHandler, shared, name="keys"),
        URLSpec(rf"/api-keys/{_ID}", KeyHandler, shared, name="key"),
        URLSpec(rf"/api-keys/{_ID}/rotate", RotationHandler, shared, name="key.rotate"),
        URLSpec(r"/usage", UsageHandler, shared, name="usage"),
        URLSpec(r"/admin/users", UsersHandler, shared, name="admin.users"),
        URLSpec(rf"/admin/users/{_ID}", UserHandler, shared, name="admin.user"),
        URLSpec(
            rf"/admin/users/{_ID}/password", UserPasswordHandler, shared, name="admin.password"
        ),
        URLSpec(rf"/admin/users/{_ID}/credits", CreditsHandler, shared, name="admin.credits"),
        URLSpec(r"/admin/plans", PlansHandler, shared, name="admin.plans"),
        URLSpec(r"/admin/invites", InvitesHandler, shared, name="admin.invites"),
        URLSpec(rf"/admin/invites/{_ID}", InviteHandler, shared, name="admin.invite"),
        URLSpec(r"/health", HealthHandler, shared, name="health"),
        URLSpec(r"/metrics", MetricsHandler, shared, name="metrics"),
    ]
