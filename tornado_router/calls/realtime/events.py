"""What the messages of a realtime session say; pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import orjson

from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError

APPEND = "input_audio_buffer.append"
CREATE = "response.create"
CREATED, DONE = "response.created", "response.done"
TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
ERROR = "error"

SPEECH = frozenset(("response.output_audio.delta", "response.audio.delta"))
TEXTS = frozenset(
    (
        "response.output_text.delta",
        "response.text.delta",
        "response.function_call_arguments.delta",
    )
)
"""Events with a part of what is generated. What is said aloud comes as a transcript as well, which
costs nothing on top. The second names are those of the API's beta."""

_UPDATES = ("session.update", "transcription_session.update")
_IN_SESSION = (
    ("model",),
    ("audio", "input", "transcription", "model"),
    ("input_audio_transcription", "model"),
)

FRAME_CHARS = 180
"""Of an event, so much is not what it brings."""

SPEECH_CHARS_PER_BYTE = 400
"""A token of speech is 50 ms, or 3,200 characters in the format that most use; there are some of a
sixth of that. As four bytes of text are a token, so many count as one."""

INPUT_CHARS_PER_TOKEN = 1000
"""Of what a client says, a token is 100 ms: 6,400 characters, and 1,070 in the smallest format."""


class Resolve(Protocol):
    """Knows models by the names that clients have for them."""

    def __call__(self, model: str, *, speaks: bool) -> str:
        """The vendor's name of a model; see `SessionModels.resolve`."""
        ...


class Head(msgspec.Struct):
    """What is looked at of every event of a vendor's; the rest of it is not even made."""

    type: Any = ""
    response_id: Any = ""


_head = msgspec.json.Decoder(Head).decode
_NO_HEAD = Head()


def head_of(message: str) -> Head:
    """The head of a vendor's event; an empty one for what is none."""
    try:
        return _head(message)
    except msgspec.DecodeError:
        return _NO_HEAD


def load(message: str) -> dict[str, Any]:
    """A vendor's event, as far as it is one."""
    try:
        value = orjson.loads(message)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def put_models(event: dict[str, Any], resolve: Resolve) -> bool:
    """Puts the vendor's names of models in place of the client's; says whether any has changed.

    Args:
        event: of a client; edited.
        resolve: the vendor's name of a model, and whether it is the one that speaks; raises for one
            that may not be used.

    Raises:
        ApiError: one may not be used, or its name is not a text.
    """
    changed = False
    places = _places(event["type"])
    for path in places:
        place: Any = event
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, Mapping) else None
        model = place.get("model") if isinstance(place, dict) else None
        if model is None:
            continue
        if not isinstance(model, str):
            raise Invalid.invalid_type(
                place=f"'{'.'.join(path)}'",
                expected="a string",
                got="something else",
                param=".".join(path),
            )
        name = resolve(model, speaks=path is places[0])
        changed = changed or name != model
        place["model"] = name
    return changed


def _places(kind: str) -> tuple[tuple[str, ...], ...]:
    """Where an event may name a model."""
    if kind in _UPDATES:
        return tuple(("session", *path) for path in _IN_SESSION)
    return (("response", "model"),) if kind == CREATE else ()


def error_event(error: ApiError, event: object = None) -> str:
    """The event by which a client learns of an error.

    Args:
        error: what happened.
        event: the client's own that is at fault, or None.
    """
    event_id = event.get("event_id") if isinstance(event, Mapping) else None
    body = {**error.body()["error"], "event_id": event_id if isinstance(event_id, str) else None}
    return orjson.dumps(
        {"type": ERROR, "event_id": f"event_{uuid.uuid4().hex[:20]}", "error": body}
    ).decode()


def bound_of(event: Mapping[str, Any], field: str, default: object) -> object:
    """The bound that an event sets on the tokens of responses, if it sets one.

    Args:
        event: of a client.
        field: that holds what it asks for.
        default: what holds otherwise.
    """
    asked = event.get(field)
    if not isinstance(asked, Mapping):
        return default
    # Of two names for one thing, the second is that of the API's beta.
    return asked.get("max_output_tokens", asked.get("max_response_output_tokens", default))
