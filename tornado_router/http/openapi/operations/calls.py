"""`/v1/*` of the endpoints that call a model, as their endpoint objects describe them."""

from __future__ import annotations

from tornado_router.endpoints import ENDPOINTS, RESPONSES, Endpoint
from tornado_router.http.openapi.operations.base import (
    JSON,
    VENDOR,
    Content,
    Operation,
    Operations,
    json,
)
from tornado_router.http.openapi.schemas import TEXT, event_name, reference, schema_name
from tornado_router.validation.schema import Schema

_BYTES: Schema = {"type": "string", "format": "binary"}


def _call(endpoint: Endpoint) -> Operation:
    documentation = endpoint.documentation
    content: dict[str, Content] = {}
    for media in documentation.content:
        if media == JSON:
            content[media] = reference(schema_name(f"{endpoint.name}.response"))
        else:
            content[media] = TEXT if media.startswith("text/") else _BYTES
    if documentation.chunk:
        content["text/event-stream"] = reference(event_name(endpoint))
    takes_forms = endpoint.form_bytes > 0
    return Operation(
        summary=documentation.summary,
        description=documentation.description,
        body=reference(schema_name(f"{endpoint.name}.request")),
        examples=documentation.json_examples if takes_forms else documentation.examples,
        forms=documentation.examples if takes_forms else None,
        takes_json=endpoint.takes_json,
        content=content,
        errors=(403, 404, 429, 502, 504, VENDOR),
        dialect=endpoint.dialect,
    )


_NOT_COUNTED = ("max_tokens", "stream")
"""Fields that say nothing of what is sent."""


def _count(endpoint: Endpoint) -> Operation:
    return Operation(
        summary="Count the tokens of a request",
        description="As the vendor counts them, or an estimate that rather errs high. Free of "
        "charge, and of no weight for the limits of calls.",
        body=reference(schema_name(f"{endpoint.count_name}.request")),
        examples={
            title: {name: value for name, value in body.items() if name not in _NOT_COUNTED}
            for title, body in endpoint.documentation.examples.items()
        },
        content=json(reference(schema_name(f"{endpoint.count_name}.response"))),
        errors=(403, 404, 429),
        dialect=endpoint.dialect,
    )


_SOCKETS: Operations = {
    RESPONSES.name: {
        "get": Operation(
            summary="Create responses by websocket",
            description="As in the OpenAI API: each message of the type `response.create` is a "
            "request, and the events of its response are messages. Several lanes, by `stream_id`, "
            "are served side by side.",
            status=101,
            errors=(400, 403, 426, 503),
        )
    }
}
"""Of the endpoints that are served by websocket, too."""

OPERATIONS: Operations = {
    **{
        it.name: {"post": _call(it), **_SOCKETS.get(it.name, {})}
        for it in ENDPOINTS.values()
        if not it.is_socket
    },
    **{it.count_name: {"post": _count(it)} for it in ENDPOINTS.values() if it.count_name},
}
