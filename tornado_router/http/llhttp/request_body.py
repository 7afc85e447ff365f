"""Takes the body of a request out of what arrives: so many bytes, or chunks.

Chunks have neither extensions nor trailers, as in Tornado: no client sends them, and what reads
their ends otherwise sees other requests (RFC 9112 section 7.1.1).
"""

from __future__ import annotations

import re

from tornado.httputil import HTTPInputError

MAX_CHUNKS = 256
"""So many chunks are taken before others get their turn."""

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})\r\n")
_BEGUN_SIZE = re.compile(rb"[0-9A-Fa-f]{1,16}\r?")
_LINE_END = b"\r\n"


class FixedBody:
    """A body of known length.

    Args:
        length: in bytes, at least 1.

    Attributes:
        left: what is still to come, in bytes.
        is_whole: whether all of it was taken.
    """

    __slots__ = ("is_whole", "left")

    def __init__(self, length: int) -> None:
        self.left = length
        self.is_whole = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Takes the next bytes of it.

        Returns:
            What of the data belongs to the body, and what is behind it.
        """
        left = self.left
        if len(data) < left:
            self.left = left - len(data)
            return data, b""
        self.left, self.is_whole = 0, True
        return data[:left], data[left:]


class ChunkedBody:
    """A body in chunks.

    Args:
        limit: of its length, in bytes.

    Attributes:
        is_whole: whether all of it was taken.
    """

    left = 0  # as far as is known
    __slots__ = ("_begun", "_is_last", "_left", "_limit", "_line_end_due", "is_whole")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._left = 0
        self._begun = b""
        self._line_end_due = self._is_last = self.is_whole = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """Takes the next bytes of it, up to `MAX_CHUNKS`.

        Returns:
            The bytes of the body, without the sizes of its chunks; and what of the data was not
            looked at, which is behind the body once that is whole.

        Raises:
            HTTPInputError: they are not chunks, or too large together.
        """
        data, self._begun = self._begun + data, b""
        pieces, position, end = [], 0, len(data)
        for _ in range(MAX_CHUNKS):
            if self._left:
                piece = data[position : position + self._left]
                pieces.append(piece)
                position += len(piece)
                self._left -= len(piece)
            if self._left or position == end:
                break
            if self._line_end_due:
                position = self._take_line_end(data, position)
            if self._begun or self.is_whole or position == end:
                break
            position = self._take_size(data, position)
        return b"".join(pieces), data[position:]

    def _take_size(self, data: bytes, position: int) -> int:
        found = _SIZE.match(data, position)
        if found is None:
            return self._begin(data, position, _BEGUN_SIZE.fullmatch(data, position) is not None)
        self._left = int(found[1], 16)
        self._limit -= self._left
        if self._limit < 0:
            raise HTTPInputError("chunked body too large")
        self._is_last = self._left == 0
        self._line_end_due = True
        return found.end()

    def _take_line_end(self, data: bytes, position: int) -> int:
        given = data[position : position + 2]
        if given != _LINE_END:
            return self._begin(data, position, given == _LINE_END[:1])
        self._line_end_due = False
        self.is_whole = self._is_last
        return position + 2

    def _begin(self, data: bytes, position: int, may_go_on: bool) -> int:
        """Keeps what is the beginning of a size or a line end, and the end of the data."""
        if not may_go_on:
            raise HTTPInputError("malformed chunk")
        self._begun = data[position:]
        return len(data)
