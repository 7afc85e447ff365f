"""What cuts the bytes of a vendor's stream into events: one class for each kind of framing.

A `Translator` names the one that its vendor uses; a plugin may bring its own. All are pure and
incremental: the events are the same wherever the network cuts the bytes, and no event is larger
than `MAX_EVENT_BYTES`. Server-sent events are in `tornado_router.sse`.
"""

from __future__ import annotations

import struct
from binascii import crc32
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID

from tornado_router.sse import MAX_EVENT_BYTES, TOO_LARGE, Event, FramingError
from tornado_router.sse import Decoder as ServerSentEvents

__all__ = [
    "MAX_EVENT_BYTES",
    "AWSEvent",
    "AWSEventStream",
    "Event",
    "Framing",
    "FramingError",
    "JSONLines",
    "RawBytes",
    "ServerSentEvents",
]


class Framing(Protocol):
    """Turns the bytes of one stream into events; made anew for each, without arguments.

    One that says in `held` how many bytes it holds of an event whose end has not come is counted
    exactly in the memory of the process.
    """

    def feed(self, piece: bytes) -> Sequence[Event]:
        """Takes the next bytes and returns the events that they complete.

        Raises:
            FramingError: the bytes are not what the framing prescribes, or an event is too large.
        """
        ...

    def finish(self) -> Sequence[Event]:
        """Ends the stream and returns the events that only its end completes. Raises as `feed`."""
        ...


class RawBytes:
    """No framing: each piece is an event as it arrives, for a body that is not text."""

    def feed(self, piece: bytes) -> list[Event]:
        """The piece."""
        return [Event(piece)] if piece else []

    def finish(self) -> list[Event]:
        """Nothing: no byte was held back."""
        return []


class JSONLines:
    """One JSON value a line (NDJSON). Lines end in LF or CRLF; blank ones are skipped."""

    def __init__(self) -> None:
        self._held: list[bytes] = []  # pieces of a line whose end has not come yet
        self._size = 0

    @property
    def held(self) -> int:
        """Bytes of a line whose end has not come yet."""
        return self._size

    def feed(self, piece: bytes) -> list[Event]:
        """The lines that the piece completes.

        Raises:
            FramingError: a line is larger than `MAX_EVENT_BYTES`.
        """
        *lines, rest = piece.split(b"\n")
        events = [event for line in lines for event in self._complete(line)]
        if rest:
            self._held.append(rest)
            self._size += len(rest)
        if self._size > MAX_EVENT_BYTES:
            raise FramingError(TOO_LARGE)
        return events

    def finish(self) -> list[Event]:
        """The last line, if it lacks its end."""
        return self._complete(b"")

    def _complete(self, end: bytes) -> list[Event]:
        line = b"".join((*self._held, end)).strip(b" \t\r") if self._held else end.strip(b" \t\r")
        self._held.clear()
        self._size = 0
        return [Event(line)] if line else []


@dataclass(slots=True)
class AWSEvent(Event):
    """One message of an AWS event stream.

    `name` is its event type, or the type of the exception that it reports.

    Attributes:
        headers: such as `:message-type` (`event`, `exception` or `error`) and `:content-type`; a
            value is a str, int, bool, bytes, datetime or UUID.
    """

    headers: Mapping[str, Any] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether it reports a failure: an `exception`, or an `error`."""
        return bool(self.headers.get(":message-type", "event") != "event")


class AWSEventStream:
    """Amazon's binary framing (`application/vnd.amazon.eventstream`).

    Follows https://smithy.io/2.0/aws/amazon-eventstream.html: two lengths and their checksum,
    headers, payload, and a checksum of it all. A message that is damaged ends the stream.
    """

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def held(self) -> int:
        """Bytes of a message whose end has not come yet."""
        return len(self._held)

    def feed(self, piece: bytes) -> list[AWSEvent]:
        """The messages that the piece completes.

        Raises:
            FramingError: a message is damaged, or larger than `MAX_EVENT_BYTES`.
        """
        held, start, events = self._held, 0, []
        held += piece
        while len(held) - start >= _PRELUDE.size:
            total = _checked_length(held, start)
            if len(held) - start < total:
                break
            events.append(_message(bytes(memoryview(held)[start : start + total])))
            start += total
        del held[:start]
        return events

    def finish(self) -> list[AWSEvent]:
        """Nothing: an incomplete message is not returned.

        Raises:
            FramingError: the stream ended within a message.
        """
        if self._held:
            raise FramingError("broke off its stream within a message")
        return []


_PRELUDE = struct.Struct(">III")  # length of the message, length of its headers, their checksum
_CHECKSUM = struct.Struct(">I")
_FRAME_BYTES = _PRELUDE.size + _CHECKSUM.size
_NAMES = (":event-type", ":exception-type", ":error-code")
_DAMAGED = "sent a damaged message"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _checked_length(held: bytearray, start: int) -> int:
    """The length of the message that begins at `start`."""
    total, headers, checksum = _PRELUDE.unpack_from(held, start)
    if crc32(held[start : start + 8]) != checksum or total < _FRAME_BYTES + headers:
        raise FramingError(_DAMAGED)
    if total > MAX_EVENT_BYTES:
        raise FramingError(TOO_LARGE)
    return int(total)


def _message(data: bytes) -> AWSEvent:
    if crc32(data[:-4]) != _CHECKSUM.unpack_from(data, len(data) - 4)[0]:
        raise FramingError(_DAMAGED)
    end = _PRELUDE.size + _PRELUDE.unpack_from(data)[1]
    try:
        headers = _headers(data[_PRELUDE.size : end])
    except (struct.error, LookupError, ValueError, OverflowError):
        raise FramingError(_DAMAGED) from None
    name = next((headers[name] for name in _NAMES if name in headers), "")
    return AWSEvent(data[end:-4], str(name), headers)


def _headers(data: bytes) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    position = 0
    while position < len(data):
        size = data[position]
        name = data[position + 1 : position + 1 + size].decode()
        kind = data[position + 1 + size]
        position += 2 + size
        if kind in _SIZED:
            (length,) = struct.unpack_from(">H", data, position)
            position += 2
            if position + length > len(data):
                raise ValueError("a value ends behind the headers")
            headers[name] = _SIZED[kind](data[position : position + length])
        else:
            layout, make = _FIXED[kind]
            length = layout.size
            headers[name] = make(*layout.unpack_from(data, position))
        position += length
    return headers


_SIZED: Mapping[int, Callable[[bytes], Any]] = {6: bytes, 7: bytes.decode}
"""Values that state their length, by the number of their type."""

_FIXED: Mapping[int, tuple[struct.Struct, Callable[..., Any]]] = {
    0: (struct.Struct(""), lambda: True),
    1: (struct.Struct(""), lambda: False),
    2: (struct.Struct(">b"), int),
    3: (struct.Struct(">h"), int),
    4: (struct.Struct(">i"), int),
    5: (struct.Struct(">q"), int),
    8: (struct.Struct(">q"), lambda number: _EPOCH + timedelta(milliseconds=number)),
    9: (struct.Struct("16s"), lambda data: UUID(bytes=data)),
}
"""Values of a fixed length."""
