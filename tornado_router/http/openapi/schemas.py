"""Schemas of parameters and of stream events, and the names of components."""

from __future__ import annotations

import re

from tornado_router.endpoints import Endpoint
from tornado_router.validation.schema import Schema

ID: Schema = {"type": "integer", "minimum": 1}
TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}


def schema_name(name: str) -> str:
    """The component's name for a file of `schemas/` or one of its definitions, in PascalCase."""
    words = re.split(r"[._]", re.sub(r"_params?\.", ".", name))
    return "".join(word[:1].upper() + word[1:] for word in words)


def reference(name: str) -> Schema:
    """A reference to one of the document's schemas."""
    return {"$ref": f"#/components/schemas/{name}"}


def event_name(endpoint: Endpoint) -> str:
    """The component's name for the events of an endpoint's streams."""
    return schema_name(f"{endpoint.name}.event")


def stream_event(endpoint: Endpoint) -> Schema:
    """One server-sent event of a stream."""
    chunk = endpoint.documentation.chunk
    data = {"type": "string", "contentMediaType": "application/json"}
    return {
        "type": "object",
        "description": "One server-sent event of a stream.",
        "required": ["data"],
        "properties": {
            "event": {
                "type": "string",
                "description": "`error` if the call failed after its first chunk, else absent.",
            },
            "data": {
                "description": "A chunk as JSON; `[DONE]` at the end of a complete stream; or the "
                "error that ended it.",
                "anyOf": [
                    {**data, "contentSchema": reference(schema_name(chunk))},
                    {**data, "contentSchema": reference("Error")},
                    {"type": "string", "const": "[DONE]"},
                ],
            },
        },
    }
