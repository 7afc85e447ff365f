"""Cuts what a client sends over a websocket into frames, and reads those that are whole messages.

Nearly all are, and `websockets` takes longer for each than all else that becomes of it. So a frame
is only looked at here (RFC 6455 section 5.2). What is not a message, or breaks a rule, is left to
the library.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where it is there

_TEXT, _BINARY = 0x81, 0x82
"""The first bytes of a text and of a binary message in one frame each."""

_MASKED = 0x80
_MASK_BYTES = 4
_LENGTH_BYTES = {126: 2, 127: 8}
"""Of a length that has no room in the second byte."""
_SMALL, _MEDIUM = 126, 0x10000


def message_frame(data: bytes, *, is_text: bool) -> bytes:
    """A message for a client in one frame.

    Args:
        data: that it says.
        is_text: whether that is a text, in UTF-8.
    """
    first, size = _TEXT if is_text else _BINARY, len(data)
    if size < _SMALL:
        head = struct.pack("!BB", first, size)
    elif size < _MEDIUM:
        head = struct.pack("!BBH", first, _SMALL, size)
    else:
        head = struct.pack("!BBQ", first, _SMALL + 1, size)
    return head + data


class Piece(NamedTuple):
    """One frame, or bytes that break a rule.

    Attributes:
        data: as it came.
        begin: where the payload begins; 0 if it is not to be read here.
    """

    data: bytes
    begin: int = 0

    @property
    def is_message(self) -> bool:
        """Whether it is a message, as far as can be seen from it alone."""
        return self.begin > 0 and self.data[0] in (_TEXT, _BINARY)

    @property
    def is_text(self) -> bool:
        """Whether a message is a text."""
        return self.data[0] == _TEXT

    def payload(self) -> bytes:
        """What a message says."""
        begin = self.begin
        return apply_mask(self.data[begin:], self.data[begin - _MASK_BYTES : begin])


class FrameCutter:
    """Cuts the bytes of one client into frames.

    Args:
        max_bytes: of a message; a frame with more breaks a rule.

    Attributes:
        begun: bytes of a message whose other frames are still to come.
    """

    def __init__(self, max_bytes: int) -> None:
        self.begun = 0
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []  # of a frame that is not whole
        self._held = 0
        self._needed = 0  # with fewer bytes it is of no use to look again

    def feed(self, data: bytes) -> Iterator[Piece]:
        """The frames that the next bytes complete."""
        if self._pieces:
            self._pieces.append(data)
            self._held += len(data)
            if self._held < self._needed:
                return
            data = b"".join(self._pieces)
            self._pieces.clear()
        at, end = 0, len(data)
        while at < end:
            begin, stop = self._measure(data, at)
            if not begin:
                yield Piece(data[at:])
                return
            if stop > end:
                self._pieces.append(data[at:])
                self._held, self._needed = end - at, stop - at
                return
            yield Piece(data[at:stop], begin - at)
            at = stop

    def _measure(self, data: bytes, at: int) -> tuple[int, int]:
        """Where the payload of a frame begins and ends, as far as known; 0 if it breaks a rule."""
        begin = at + 2
        if len(data) < begin:
            return begin, begin
        if not data[at + 1] & _MASKED:
            return 0, 0
        size = data[at + 1] & ~_MASKED
        more = _LENGTH_BYTES.get(size, 0)
        if more:
            size = int.from_bytes(data[begin : begin + more], "big")
            begin += more
        begin += _MASK_BYTES
        if len(data) < begin:
            return begin, begin
        return (begin, begin + size) if size + self.begun <= self._max_bytes else (0, 0)
