"""Events that clients send by a websocket, of whichever endpoint: JSON objects with a type."""

from __future__ import annotations

from typing import Any

from tornado_router.error_codes import Invalid
from tornado_router.validation import parse_json


def read_event(message: bytes, max_values: int | None) -> dict[str, Any]:
    """A client's event.

    Args:
        message: that was sent.
        max_values: how many values it may hold; None for one that was looked through before.

    Raises:
        ApiError: 400, it is not a JSON object with a type, or may be read in two ways.
    """
    event = parse_json(message, max_values)
    if not isinstance(event, dict):
        raise Invalid.invalid_json(reason="an event has to be an object")
    if not isinstance(event.get("type"), str):
        raise Invalid.missing_required_parameter(param="type")
    return event
