"""Server-sent events as bytes arrive: a decoder for any split, and the framing of our own.

Follows https://html.spec.whatwg.org/multipage/server-sent-events.html: lines end in LF, CR or
CRLF and in nothing else (U+2028 inside JSON is text), comments are skipped, several `data` lines
are joined by LF. Pure: no I/O, no await.
"""

from __future__ import annotations

from dataclasses import dataclass

from tornado_router.errors import ProviderError

DONE = b"data: [DONE]\n\n"
"""What OpenAI sends after the last chunk of a stream that went well."""

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""A larger event counts as a fault: images in base64 fit, an endless line does not."""

_BOM = b"\xef\xbb\xbf"
_CR = ord("\r")
_EVENT_END = b"\n\n"
_DATA = b"data: "


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
        self._pieces: list[bytes] = []  # of an event whose end has not come yet
        self._size = 0
        self._after_cr = False
        self._started = False

    @property
    def held(self) -> int:
        """Bytes of an event, or a comment, whose end has not come yet."""
        return self._size

    def is_complete(self, piece: bytes) -> bool:
        """Whether the next bytes are whole events as they are, so that it need not take them."""
        return (
            self._started
            and not self._size
            and piece.endswith(_EVENT_END)
            and not self._after_cr
            and _CR not in piece
        )

    def feed(self, piece: bytes) -> list[Event]:
        """Takes the next bytes and returns the events that they complete.

        Raises:
            FramingError: an event is larger than `MAX_EVENT_BYTES`.
        """
        return events_of(self.complete(piece))

    def complete(self, piece: bytes) -> bytes:
        """Takes the next bytes and returns those of the events that they complete.

        Each line of them ends in LF, and each event in a blank line, whatever the vendor sends.
        Raises as `feed`.
        """
        if self._after_cr or _CR in piece:
            piece = self._with_lf(piece)
        if self._started and not self._size and piece.endswith(_EVENT_END):
            return piece  # nearly every piece
        before = self._pieces
        if _EVENT_END in piece or (before and before[-1][-1:] == b"\n" == piece[:1]):
            whole, _, rest = b"".join((*before, piece)).rpartition(_EVENT_END)
            whole += _EVENT_END
            if not self._started:
                self._started, whole = True, whole.removeprefix(_BOM)
            self._pieces, self._size = [], 0
        else:
            whole, rest = b"", piece
        if rest:
            self._pieces.append(rest)
            self._size += len(rest)
            if self._size > MAX_EVENT_BYTES:
                raise FramingError(TOO_LARGE)
        return whole

    def finish(self) -> list[Event]:
        """Ends the stream; returns an event that lacks only its closing blank line.

        The specification drops such an event. Some vendors end their last one so, and one that
        was cut off does not parse as JSON, so nothing incomplete passes for whole.
        """
        rest = b"".join(self._pieces)
        if not self._started:
            rest = rest.removeprefix(_BOM)
        self._pieces, self._size = [], 0
        return _read(rest)

    def _with_lf(self, piece: bytes) -> bytes:
        """The piece with LF for CRLF and CR; an LF ends nothing if a CR before it did already."""
        if piece and self._after_cr:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        if piece:
            self._after_cr = piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def events_of(whole: bytes) -> list[Event]:
    """The events in what `Decoder.complete` returns."""
    events = []
    for block in whole.removesuffix(_EVENT_END).split(_EVENT_END):
        if block.startswith(_DATA) and b"\n" not in block:
            events.append(Event(block[len(_DATA) :]))
        else:
            events += _read(block)
    return events


def _read(block: bytes) -> list[Event]:
    """The event whose lines these are, if any of them is data; a blank line ends one, too."""
    events: list[Event] = []
    data: list[bytes] = []
    name = ""
    for line in (*block.split(b"\n"), b""):
        if line.startswith(_DATA):
            data.append(line[len(_DATA) :])
        elif line:
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"data":
                data.append(value)
            elif field == b"event":
                name = value.decode("utf-8", "replace")
        else:
            if data:
                events.append(Event(b"\n".join(data), name))
            data, name = [], ""
    return events
