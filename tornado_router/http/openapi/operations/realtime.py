"""`/v1/realtime` and below it."""

from __future__ import annotations

from tornado_router.endpoints import REALTIME
from tornado_router.http.openapi.operations.base import VENDOR, Operation, Operations, json
from tornado_router.http.openapi.schemas import reference, schema_name
from tornado_router.validation.schema import Schema

_SECRETS = f"{REALTIME.name}.client_secrets"

_QUERY: dict[str, Schema] = {
    "model": {"type": "string", "description": "Of a conversation; a secret names it, too."},
    "intent": {
        "type": "string",
        "enum": ["transcription"],
        "description": "A session that writes down what is said.",
    },
}

OPERATIONS: Operations = {
    REALTIME.name: {
        "get": Operation(
            summary=REALTIME.documentation.summary,
            description=REALTIME.documentation.description,
            query=_QUERY,
            status=101,
            errors=(400, 403, 404, 426, 429, 502, 504, VENDOR),
        )
    },
    _SECRETS: {
        "post": Operation(
            summary="Create a secret for a browser's realtime sessions",
            description="A short-lived secret of the router's own, for one model, in place of the "
            "API key that it is made with.",
            body=reference(schema_name(f"{_SECRETS}.request")),
            examples={"A conversation": {"session": {"type": "realtime", "model": "gpt-realtime"}}},
            models_of=REALTIME.name,
            model_within="session",
            content=json(reference(schema_name(f"{_SECRETS}.response"))),
            errors=(403, 404),
        )
    },
}
