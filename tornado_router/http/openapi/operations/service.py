"""Models, health, metrics, and the documentation itself."""

from __future__ import annotations

from tornado_router.http.objects.service import Health, Model, ModelList
from tornado_router.http.openapi.operations.base import JSON, Operation, Operations, json
from tornado_router.http.openapi.schemas import TEXT

OPERATIONS: Operations = {
    "models": {
        "get": Operation(summary="List the models the key may use", content=json(ModelList))
    },
    "model": {
        "get": Operation(
            summary="Get a model",
            description="The id may contain slashes.",
            content=json(Model),
        )
    },
    "health": {
        "get": Operation(
            summary="Check the router's health",
            description="200 as long as it serves; for load balancers and for a first look. "
            "Providers, targets and plugins are shown to administrators, who send an API key or "
            "the token of a session.",
            content=json(Health),
        )
    },
    "metrics": {
        "get": Operation(summary="Get metrics for Prometheus", content={"text/plain": TEXT})
    },
    "openapi": {
        "get": Operation(
            summary="Get this API's OpenAPI document",
            content={JSON: {"type": "object"}},
            headers=("ETag", "Revalidate"),
            errors=(304, 404),
        ),
    },
    "docs": {
        "get": Operation(
            summary="Show this API's reference as a page",
            content={"text/html": TEXT},
            headers=("ETag", "Revalidate"),
            errors=(304, 404),
        )
    },
    "root": {
        "get": Operation(
            summary="Lead to this API's reference",
            status=302,
            headers=("Location",),
            errors=(404,),
        )
    },
}
