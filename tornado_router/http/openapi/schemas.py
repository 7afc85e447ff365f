"""Schemas of parameters and of stream events, and the names of components."""

from __future__ import annotations

import re

from tornado_router.endpoints import Dialect, Endpoint
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
    """The component's name for the server-sent events of an endpoint's streams."""
    name = f"{endpoint.name}.event"
    # Where a chunk is called an event itself, what carries it needs another name.
    return schema_name(name if name != endpoint.documentation.chunk else f"{endpoint.name}.frame")


def error_name(dialect: Dialect) -> str:
    """The component's name for the errors of a dialect."""
    return f"{dialect.name}Error"


def stream_event(endpoint: Endpoint) -> Schema:
    """One server-sent event of a stream."""
    chunk = endpoint.documentation.chunk
    data = {"type": "string", "contentMediaType": "application/json"}
    kinds: list[Schema] = [
        {**data, "contentSchema": reference(schema_name(chunk))},
        {**data, "contentSchema": reference(error_name(endpoint.dialect))},
    ]
    meaning = "A chunk as JSON, or the error that ended the stream"
    if endpoint.documentation.ends_with_done:
        kinds.append({"type": "string", "const": "[DONE]"})
        meaning += "; `[DONE]` at the end of a complete one"
    return {
        "type": "object",
        "description": "One server-sent event of a stream.",
        "required": ["data"],
        "properties": {
            "event": {
                "type": "string",
                "description": "`error` if the call failed after its first chunk, else absent, or "
                "the type of the chunk.",
            },
            "data": {"description": f"{meaning}.", "anyOf": kinds},
        },
    }
