"""Responses on their way to the client: JSON, JSON whose bytes are passed on, or other bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from tornado_router.error_codes import Failure, Invalid
from tornado_router.errors import dotted

_SHORT = 4096
"""Of a body, in bytes."""

_fields_of = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_value_of = msgspec.json.Decoder().decode

_NEVER_FLOATS = frozenset({str, int, bool, type(None)})


@dataclass(slots=True)
class Relayed:
    """A body in OpenAI's format whose very bytes go on to the client.

    Attributes:
        body: what the core reads usage and finish reasons from.
        raw: the JSON text that `body` was read from.
    """

    body: Mapping[str, Any]
    raw: bytes = field(repr=False)


@dataclass(slots=True)
class Binary:
    """A response that is not JSON, such as speech: its bytes go to the client as they are.

    `Provider.send` returns one for a whole response. `Provider.stream` yields one for each piece:
    the first gives the content type, and data that is empty is a piece that only reports usage.

    Attributes:
        content_type: such as `audio/mpeg`.
        data: the bytes.
        usage: OpenAI's usage object, where the vendor reports one; in a stream with the last
            piece. None leaves it to the core to estimate.
    """

    content_type: str
    data: bytes = field(repr=False)
    usage: Mapping[str, Any] | None = None


Body = Mapping[str, Any] | Relayed | Binary
"""A whole response or one chunk of a stream: in OpenAI's format, or bytes that are not JSON."""


def dump_json(body: Mapping[str, Any]) -> bytes:
    """The bytes of a request to the vendor; `write_json` is for what goes to the client.

    Raises:
        ApiError: 400, it is nested too deeply to be sent, or holds a number that is none.
    """
    try:
        data = orjson.dumps(body)
        # Looking for a word is faster in a short body than looking at each value; in a long one not
        may_lack_numbers = len(data) > _SHORT or b"null" in data
    except TypeError:
        data, may_lack_numbers = _dump_slowly(body), True
    if may_lack_numbers:
        _check_numbers(body)
    return data


def _dump_slowly(body: Mapping[str, Any]) -> bytes:
    try:
        return write_json(body)
    except RecursionError:
        raise Invalid.invalid_request(
            "The request is nested too deeply.", param="messages"
        ) from None


def write_json(value: object) -> bytes:
    """The bytes of a JSON value, whatever of JSON it holds.

    orjson knows no integers beyond 64 bits and no halves of surrogate pairs; clients and vendors
    send both.

    Raises:
        TypeError: it is not a JSON value.
        RecursionError: it is nested too deeply.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def replace_fields(raw: bytes, changes: Mapping[str, Any], without: Collection[str] = ()) -> bytes:
    """A JSON object with some of its fields changed; the bytes of all others stay as they are.

    What vendors sign, such as a thought of Claude's, they compare byte by byte.

    Args:
        raw: the object, known to be JSON.
        changes: fields to set, in their place if they are there, else at the end.
        without: fields to leave out.

    Raises:
        ApiError: 400, as `dump_json`; only for an object that must be written anew.
    """
    try:
        fields: dict[str, Any] = _fields_of(raw)
    except msgspec.DecodeError:  # half of a surrogate pair: no vendor signs that
        body = {**load_json(raw), **changes}
        return dump_json({name: value for name, value in body.items() if name not in without})
    fields.update(changes)
    written = [
        write_json(name) + b":" + (value if type(value) is msgspec.Raw else write_json(value))
        for name, value in fields.items()
        if name not in without
    ]
    return b"{" + b",".join(written) + b"}"


def load_json(data: bytes) -> Any:
    """The JSON value in the bytes of a vendor, which are read as clients' own parsers read them.

    msgspec and not orjson, which makes a float of an integer beyond 64 bits: such a number would
    become another where a body is written anew.

    msgspec is strict: it refuses halves of surrogate pairs (a token may end between the two), a
    byte order mark and numbers beyond any float, which the parsers of Python and JavaScript take,
    and `NaN` and `Infinity`, which Python's takes. A response was paid for, and its bytes go on as
    they are, so none of this makes it unreadable here. A number that is none is `null` where a body
    is written anew, as JavaScript does it.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return _value_of(data)
    except (msgspec.DecodeError, RecursionError):
        try:
            return json.loads(data.decode("utf-8-sig"))
        except RecursionError:
            raise ValueError("nested too deeply") from None


def load_json_object(data: bytes, provider: str) -> dict[str, Any]:
    """The JSON object in a vendor's response or event, read by `load_json`.

    Raises:
        ProviderError: 502 that names the provider, if it is something else.
    """
    try:
        body = load_json(data)
    except ValueError:
        raise Failure.bad_provider_answer(
            f"The provider '{provider}' sent something that is not JSON."
        ) from None
    if not isinstance(body, dict):
        raise Failure.bad_provider_answer(
            f"The provider '{provider}' sent something that is not a JSON object."
        )
    return body


def load_arguments(text: str) -> dict[str, Any] | None:
    """The object that the arguments of a tool call are; None if they are something else.

    Models write broken ones, and clients send them back with the conversation, so what is not an
    object is to be expected. Some clients send nothing for none.
    """
    if not text.strip():
        return {}
    try:
        arguments = _value_of(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return arguments if isinstance(arguments, dict) else None


def _check_numbers(body: object) -> None:
    """Finds a number such as 1e400, which no float can hold, and which orjson writes as null.

    Raises:
        ApiError: 400, with the field at fault.
    """
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            items = value.values() if isinstance(value, dict) else value
            waiting += [item for item in items if type(item) not in _NEVER_FLOATS]
        elif isinstance(value, float) and not math.isfinite(value):
            raise Invalid.number_out_of_range(param=dotted(_path_to(value, body) or ()))


def _path_to(number: float, value: object) -> tuple[str | int, ...] | None:
    """Where a number stands in a value that is nested no deeper than a parser lets it."""
    if value is number:
        return ()
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for step, item in items:
        rest = _path_to(number, item)
        if rest is not None:
            return (step, *rest)
    return None
