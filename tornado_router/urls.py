"""The one route table."""

from __future__ import annotations

from tornado.routing import URLSpec

from tornado_router.handlers.base import Services
from tornado_router.handlers.calls import CallHandler
from tornado_router.handlers.health import HealthHandler
from tornado_router.handlers.models import ModelHandler, ModelsHandler

ENDPOINTS = {
    "chat.completions": "/v1/chat/completions",
    "embeddings": "/v1/embeddings",
}
"""The endpoints that call a model: the name of their schema and translators, and their path."""


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
        URLSpec(r"/health", HealthHandler, shared, name="health"),
    ]
