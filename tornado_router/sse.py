"""Server-sent events as bytes arrive: a decoder for any split, and the framing of our own.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end in LF, CR or
CRLF and in nothing else (U+2028 inside JSON is text), comments are skipped, several `data` lines
are joined by LF. Pure: no I/O, no await.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from tornado_router.errors import ProviderError

DONE = b"data: [DONE]\n\n"
"""What OpenAI sends after the last chunk of a stream that went well."""

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""A larger event counts as a fault: images in base64 fit, an endless line does not."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(slots=True)
class Event:
    """One event: the bytes of its data, and its name where the vendor gives one."""

    data: bytes
    name: str = ""


class FramingError(ProviderError):
    """A stream whose bytes are not what its framing prescribes: a 502.

    Args:
        fault: what the provider did, such as `sent a damaged message`.
        provider: its name, where it is known.
    """

    def __init__(self, fault: str, provider: str = "") -> None:
        name = f"The provider '{provider}'" if provider else "The provider"
        super().__init__(502, f"{name} {fault}.", code="bad_provider_answer")
        self._fault = fault

    def named(self, provider: str) -> FramingError:
        """The same error with the name of the provider."""
        return FramingError(self._fault, provider)


TOO_LARGE = "sent an event larger than any response can be"
"""The fault of an event above `MAX_EVENT_BYTES`."""


def encode(data: bytes) -> bytes:
    """Frames one event. `data` holds no line end."""
    return b"data: " + data + b"\n\n"


class Decoder:
    """Turns the bytes of a stream into events, whatever the pieces they come in."""

    def __init__(self) -> None:
        self._line: list[bytes] = []  # pieces of a line whose end has not come yet
        self._data: list[bytes] = []  # data lines of an event whose end has not come yet
        self._name = ""
        self._size = 0
        self._after_cr = False
        self._started = False

    def feed(self, piece: bytes) -> list[Event]:
        """Takes the next bytes and returns the events that they complete.

        Raises:
            FramingError: an event is larger than `MAX_EVENT_BYTES`.
        """
        if self._started and not self._size and not self._name:
            events = _whole_events(piece)
            if events is not None:
                return events
        if not piece:
            return []
        if self._after_cr:
            # CR ended the line already, so an LF that follows it in the next piece ends nothing.
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = piece.endswith(b"\r")
        *ends, rest = _LINE_END.split(piece)
        events = []
        for end in ends:
            line = self._complete_line(end)
            if line:
                self._take_field(line)
            else:
                events += self._complete_event()
        if rest:
            self._line.append(rest)
            self._size += len(rest)
        if self._size > MAX_EVENT_BYTES:
            raise FramingError(TOO_LARGE)
        return events

    def finish(self) -> list[Event]:
        """Ends the stream; returns an event that lacks only its closing blank line.

        The specification drops such an event. Some vendors end their last one so, and one that
        was cut off does not parse as JSON, so nothing incomplete passes for whole.
        """
        line = self._complete_line(b"")
        if line:
            self._take_field(line)
        return self._complete_event()

    def _complete_line(self, end: bytes) -> bytes:
        self._size += len(end)
        if self._line:
            end = b"".join((*self._line, end))
            self._line.clear()
        if not self._started:
            self._started = True
            end = end.removeprefix(_BOM)
        return end

    def _take_field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")

    def _complete_event(self) -> list[Event]:
        data, name = self._data, self._name
        self._data, self._name, self._size = [], "", 0
        return [Event(b"\n".join(data), name)] if data else []


def _whole_events(piece: bytes) -> list[Event] | None:
    """The events of a piece that holds nothing but whole one-line ones: nearly every piece."""
    if b"\r" in piece or not piece.endswith(b"\n\n"):
        return None
    events = []
    for block in piece[:-2].split(b"\n\n"):
        if not block.startswith(b"data: ") or b"\n" in block:
            return None
        events.append(Event(block[6:]))
    return events
