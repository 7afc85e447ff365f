"""Events of a stream that pass unread: each differs from one that was read in its text alone.

What stands outside of its strings decides what a JSON text is. So once an event was read, another
with the same bytes but for the text in one string is known, too: it says that text and nothing
else. It goes on as it came. Where its bytes leave any doubt, an event is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import msgspec

from tornado_router.provider.bodies import Binary

MOST_BYTES = 64 * 1024
"""What is larger is read: parsing it takes less time than comparing it."""

MOST_LEARNT = 32
"""Events of a stream that are learnt from: where each differs from all before, none may pass."""

EVENT_STREAM = "text/event-stream"

_BACKSLASH = ord("\\")
_EVENT_END = b"\n\n"
_OBJECT_END = b"}\n\n"

_TEXT = re.compile(rb'(?:[^"\\\x00-\x1f]++|\\.)*+')
"""In a JSON string, text and escapes. Which of these there are is known once they are decoded.

It never goes back (`++`), and so remembers nothing of what is behind: else it would need 60 bytes
for each escape of a large event.
"""

_FILLER = re.compile(rb'[^"\\\x00-\x1f\x7f-\xff]*')
_NUMBER = re.compile(rb"0|[1-9][0-9]{0,14}")
_BLANKS = re.compile(rb"[ \t]*")
_COLON = re.compile(rb"[ \t]*:[ \t]*")

_FREE: Mapping[str, tuple[type, re.Pattern[bytes]]] = {
    "sequence_number": (int, _NUMBER),
    "obfuscation": (str, _FILLER),
}
"""Fields of an event that say nothing, and differ: OpenAI hides with one how long a text is."""


_text_of = msgspec.json.Decoder(str).decode
_Chunk = TypeVar("_Chunk")


class Said(NamedTuple):
    """What a chunk says that says one text and nothing else.

    Attributes:
        body: the chunk.
        name: of the field with the text.
        text: which is not empty.
    """

    body: Mapping[str, Any]
    name: str
    text: str


@dataclass(slots=True)
class Passed(Binary):
    """Events that pass unread. Only a call with `passing` gets any.

    Attributes:
        texts: what they say, each its text, in UTF-8 and without escapes.
        like: what the event said that they differ from in their texts alone.
    """

    texts: Sequence[bytes] = field(kw_only=True, repr=False)
    like: Said = field(kw_only=True, repr=False)

    @property
    def size(self) -> int:
        """UTF-8 bytes of the texts."""
        return sum(map(len, self.texts))


class _Slot(NamedTuple):
    """What may differ from event to event.

    Attributes:
        before: the bytes between the slot before it, or the start of the event, and this.
        size: how many those are.
        match: matches all that may stand there.
        is_text: whether it is the text.
    """

    before: bytes
    size: int
    match: Callable[[bytes, int], re.Match[bytes] | None]
    is_text: bool


class Passing:
    """Knows which events of one stream may pass.

    It learns from an event that was read, and only if the client got that as it came, byte by byte.

    Attributes:
        newest: the event that was read last, if it is to be learnt from.
        sink: sends the client at once what passes, and says whether it did; None while there may
            be anything to wait for.
    """

    __slots__ = ("_after", "_left", "_like", "_slots", "newest", "sink")

    def __init__(self) -> None:
        self.newest: bytes | None = None
        self.sink: Callable[[Passed], bool] | None = None
        self._left = MOST_LEARNT
        self._like: Said | None = None
        self._slots: Sequence[_Slot] = ()
        self._after = b""

    def take(self, events: bytes) -> Passed | None:
        """What some events say, if they may pass. If not, they are to be read.

        Args:
            events: whole ones, with LF for each end of a line.
        """
        like, slots, after = self._like, self._slots, self._after
        at, end = 0, len(events)
        if like is None or not 0 < end <= MOST_BYTES:
            return None
        texts = []
        while at < end:
            for before, size, match, is_text in slots:
                found = match(events, at + size)
                if found is None or not events.startswith(before, at):
                    return None
                if is_text:
                    texts.append(found[0])
                at = found.end()
            if not events.startswith(after, at):
                return None
            at += len(after)
        if _BACKSLASH in events or not events.isascii():
            try:
                texts = [_text_of(b'"%b"' % text).encode() for text in texts]
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                return None
        return Passed(EVENT_STREAM, events, texts=texts, like=like)

    def read(self, events: bytes) -> None:
        """Notes that some events were read, as they could not pass."""
        if self._left and events:
            start = events.rfind(_EVENT_END, 0, -len(_EVENT_END))
            self.newest = events[start + len(_EVENT_END) :] if start >= 0 else events

    def learn(self, sent: bytes, chunk: _Chunk, said: Callable[[_Chunk], Said | None]) -> None:
        """Learns from the newest event.

        Args:
            sent: what the client got of it.
            chunk: what was read of it.
            said: gives what a chunk says, if that is one text and nothing else.
        """
        event, self.newest = self.newest, None
        if event is None or b"\\" in event:
            return
        self._left -= 1
        like = said(chunk) if event == sent and event.endswith(_OBJECT_END) else None
        if like is None:
            return
        places = _places(event, like)
        if places is None:
            return
        slots, at = [], 0
        for start, end, value in sorted(places):
            slots.append(_Slot(event[at:start], start - at, value.match, value is _TEXT))
            at = end
        after = event[at : -len(_OBJECT_END)]
        if after.endswith((b" ", b"\t")):  # Anthropic hides so how long a text is
            after = after.rstrip(b" \t")
            slots.append(_Slot(after, len(after), _BLANKS.match, is_text=False))
            after = b""
        self._like, self._slots, self._after = like, slots, after + _OBJECT_END


_Place = tuple[int, int, re.Pattern[bytes]]
"""Where a slot begins and ends in an event, and what may stand there."""


def _places(event: bytes, said: Said) -> list[_Place] | None:
    """Where events like one may differ from it; None if that is in doubt."""
    text = _place(event, said.name, said.text, _TEXT)
    if text is None:
        return None
    places = [text]
    for name, (kind, value) in _FREE.items():
        given = said.body.get(name)
        place = _place(event, name, given, value) if type(given) is kind else None
        if place is not None:
            places.append(place)
    return places


def _place(event: bytes, name: str, value: object, pattern: re.Pattern[bytes]) -> _Place | None:
    """Where the value of a field stands in an event without escapes.

    The field's name in quotes is its name if it stands there once: what could hold it beside, a
    string, would have escapes.
    """
    quoted = f'"{name}"'.encode()
    colon = _COLON.match(event, event.find(quoted) + len(quoted))
    if event.count(quoted) != 1 or colon is None:
        return None
    start = colon.end() + isinstance(value, str)  # behind its quote
    found = pattern.match(event, start)
    if found is None or found[0] != str(value).encode("utf-8", "replace"):
        return None
    return start, found.end(), pattern
