"""`/v1/*` of the endpoints that call a model, as their endpoint objects describe them."""

from __future__ import annotations

from tornado_router.endpoints import ENDPOINTS, Endpoint
from tornado_router.http.openapi.operations.base import VENDOR, Operation, Operations, json
from tornado_router.http.openapi.schemas import event_name, reference, schema_name


def _call(endpoint: Endpoint) -> Operation:
    documentation = endpoint.documentation
    content = json(reference(schema_name(f"{endpoint.name}.response")))
    if documentation.chunk:
        content["text/event-stream"] = reference(event_name(endpoint))
    return Operation(
        summary=documentation.summary,
        description=documentation.description,
        body=reference(schema_name(f"{endpoint.name}.request")),
        examples=documentation.examples,
        content=content,
        errors=(403, 404, 429, 502, 504, VENDOR),
    )


OPERATIONS: Operations = {name: {"post": _call(endpoint)} for name, endpoint in ENDPOINTS.items()}
