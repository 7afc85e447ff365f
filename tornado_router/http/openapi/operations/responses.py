"""`/v1/responses/{id}` and below it."""

from __future__ import annotations

from tornado_router.endpoints import RESPONSES
from tornado_router.http.handlers.stored_responses import LARGEST_PAGE, PAGE
from tornado_router.http.openapi.operations.base import JSON, VENDOR, Operation, Operations, json
from tornado_router.http.openapi.schemas import event_name, reference, schema_name
from tornado_router.validation.schema import Schema

_ERRORS = (403, 404, 502, 504, VENDOR)
_RESPONSE = json(reference(schema_name(f"{RESPONSES.name}.response")))

_QUERY: dict[str, Schema] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE},
    "order": {"type": "string", "enum": ["asc", "desc"], "default": "desc"},
    "after": {"type": "string", "description": "The id of the item behind which to begin."},
}

_STREAM_QUERY: dict[str, Schema] = {
    "stream": {
        "type": "boolean",
        "default": False,
        "description": "Whether it comes as the events of a stream. Those of one that was made as "
        "a stream in the background are as they were; others have each text in one piece.",
    },
    "starting_after": {
        "type": "integer",
        "minimum": 0,
        "description": "The `sequence_number` of the event behind which to begin.",
    },
}
_SHOWN = {**_RESPONSE, "text/event-stream": reference(event_name(RESPONSES))}

OPERATIONS: Operations = {
    "response": {
        "get": Operation(
            summary="Get a response",
            query=_STREAM_QUERY,
            content=_SHOWN,
            errors=(400, 503, *_ERRORS),
        ),
        "delete": Operation(
            summary="Delete a response", content={JSON: {"type": "object"}}, errors=_ERRORS
        ),
    },
    "response.cancel": {
        "post": Operation(
            summary="Cancel a response in the background",
            content=_RESPONSE,
            errors=(400, *_ERRORS),
        )
    },
    "response.items": {
        "get": Operation(
            summary="List the input items of a response",
            query=_QUERY,
            content={JSON: {"type": "object"}},
            errors=(400, *_ERRORS),
        )
    },
}
