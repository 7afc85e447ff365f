"""Responses by websocket: https://developers.openai.com/api/docs/guides/websocket-mode.

An event of the client is a request with a type; those of the response are what the events of a
stream have as their data. A lane is one conversation of several on the same websocket: an event
names it by its `stream_id`, and those of the response echo it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeGuard

import msgspec
import orjson

from tornado_router.endpoints.dialects import OPENAI
from tornado_router.endpoints.responses import RESPONSES
from tornado_router.endpoints.responses_usage import response_usage_body
from tornado_router.endpoints.socket_events import read_event
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.provider import Call, replace_fields
from tornado_router.usage import Usage

CREATE = "response.create"
STEER = "response.steer"

MAX_HEADER = 1000

PROCESSED = "response.processed"
"""Codex is done with a response: https://github.com/openai/codex, codex-rs/codex-api/src/endpoint/
responses_websocket.rs. It awaits nothing."""

_OWN_FIELDS = ("type", "stream_id", "generate", "background")
"""Of an event, those that no request has; `background` is only ever false here."""

_HEADER = "ws_request_header_"
"""Before the name of a header in `client_metadata`, by which Codex says that one request has it."""

_LANE = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_EVENT_END = b"\n\n"
_DATA = b"\ndata: "
_LAST = (b"event: response.completed\n", b"event: response.incomplete\n")


class Head(NamedTuple):
    """What is looked at of an event before its turn comes.

    Attributes:
        kind: its type.
        lane: None for the one without a name.
    """

    kind: str
    lane: str | None


class Request(NamedTuple):
    """What an event asks for.

    Attributes:
        body: as that of a request by `POST`.
        raw: the same, in the bytes of the client.
        generates: whether there is to be any output: else the conversation is only prepared.
    """

    body: dict[str, Any]
    raw: bytes
    generates: bool


class _Head(msgspec.Struct):
    type: Any = None
    stream_id: Any = None


_head = msgspec.json.Decoder(_Head).decode


def read_head(message: bytes, max_values: int) -> Head:
    """The head of a client's event.

    Args:
        message: the event.
        max_values: how many values it may hold.

    Raises:
        ApiError: 400, it is none, or has a lane that cannot be.
    """
    try:
        head = _head(message)
        kind, lane = head.type, head.stream_id
    except msgspec.DecodeError:
        event = read_event(message, max_values)  # which knows what is wrong with it
        kind, lane = event["type"], event.get("stream_id")
    if not isinstance(kind, str):
        raise Invalid.missing_required_parameter(param="type")
    if lane is not None and not (isinstance(lane, str) and _LANE.fullmatch(lane)):
        raise Invalid.invalid_stream_id()
    return Head(kind, lane)


def read_request(message: bytes, max_values: int | None) -> Request:
    """What an event of the type `response.create` asks for; it is still to be validated.

    Args:
        message: the event.
        max_values: how many values it may hold; None for one that was looked through before.

    Raises:
        ApiError: 400.
    """
    event = read_event(message, max_values)
    generate = event.get("generate")
    if generate is not None and not isinstance(generate, bool):
        raise Invalid.invalid_type(
            place="'generate'", expected="a boolean", got="something else", param="generate"
        )
    if event.get("background"):
        raise Invalid.invalid_request(
            "'background' is not supported over a websocket: use POST /v1/responses.",
            param="background",
        )
    options = event.get("prompt_cache_options")
    is_prewarm = isinstance(options, Mapping) and options.get("prewarm") is True
    body = {name: event[name] for name in event if name not in _OWN_FIELDS} | {"stream": True}
    raw = replace_fields(message, {"stream": True}, _OWN_FIELDS)
    return Request(body, raw, generate is not False and not is_prewarm)


def headers_of(body: Mapping[str, Any]) -> dict[str, str]:
    """The headers that a request says it would have by `POST`, of those that vendors get."""
    said = body.get("client_metadata")
    if not isinstance(said, Mapping):
        return {}
    names = {name: _HEADER + name.replace("-", "_") for name in RESPONSES.forwarded_headers}
    values = {name: said.get(field) for name, field in names.items()}
    return {name: value for name, value in values.items() if _is_header(value)}


def prepared(call: Call) -> dict[str, Any]:
    """The response to a call that generates nothing: its client goes on from it."""
    usage = response_usage_body(Usage())
    return {**RESPONSES.outline(call), "status": "completed", "usage": usage}


def messages_of(stream: bytes, lane: str | None) -> list[bytes]:
    """The messages of a websocket that the events of a stream amount to.

    Args:
        stream: whole events, framed by `ResponsesEncoder`; comments are passed over.
        lane: that each names; None for the one without a name.
    """
    found = [event.partition(_DATA)[2] for event in stream.split(_EVENT_END)]
    if lane is None:
        return [data for data in found if data]
    begin = b'{"stream_id":"' + lane.encode() + b'",'
    return [begin + data[1:] for data in found if data]


def last_of(stream: bytes) -> bytes | None:
    """The event that ends a response that its client can go on from, if it is there."""
    at = max(map(stream.rfind, _LAST))
    return stream[at:].partition(_DATA)[2].partition(_EVENT_END)[0] if at >= 0 else None


def error_event(error: ApiError, lane: str | None) -> bytes:
    """The event by which a client learns that what it asked for is refused, or has failed."""
    described: dict[str, Any] = error.body()["error"]
    event: dict[str, Any] = {"type": "error", "status": OPENAI.status(error)}
    if lane is not None:
        event["stream_id"] = lane
    headers = dict(OPENAI.headers(error))
    if headers:  # the SDKs' types have them inside, and Codex reads them beside
        described = {**described, "headers": headers}
        event["headers"] = headers
    return orjson.dumps(event | {"error": described})


def steer_failed(message: bytes, max_values: int) -> bytes:
    """The event by which a client learns that a response cannot be steered.

    Raises:
        ApiError: 400, what it sent is none.
    """
    event = read_event(message, max_values)
    steer = {"input": event.get("input", ""), "previous_response_id": ""}
    if isinstance(event.get("previous_response_id"), str):
        steer["previous_response_id"] = event["previous_response_id"]
    error = {
        "type": "invalid_request_error",
        "code": "steering_not_supported",
        "message": "The router does not steer responses: send the input by the next "
        "'response.create'.",
    }
    return orjson.dumps(
        {"type": "response.steer.failed", "sequence_number": 0, "error": error, "steer": steer}
    )


def _is_header(value: object) -> TypeGuard[str]:
    """Whether a value may be that of a header."""
    return (
        isinstance(value, str)
        and len(value) <= MAX_HEADER
        and value.isascii()
        and value.isprintable()
    )
