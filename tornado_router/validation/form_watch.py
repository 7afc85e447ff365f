"""Watches a form (RFC 7578) that passes through as it is: what its fields say, but not its files.

A vendor will read the same bytes by a parser of its own. So nothing is let through that two parsers
may read differently: text around the parts, doubled headers and parameters, transfer encodings.
"""

from __future__ import annotations

import re

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError
from tornado_router.validation.forms import FORM, MAX_FIELD_BYTES

MAX_PARTS = 4096
"""A skill may have as many files."""

_BOUNDARY = re.compile(
    r"multipart/form-data *; *boundary=(?:([A-Za-z0-9'+_.-]{1,70})"
    r'|"([A-Za-z0-9\'()+_,./:=?-]{1,70})")',
    re.IGNORECASE,
)
_DISPOSITION = re.compile(
    r'form-data; *name="([^"\\\r\n;]*)"(; *filename="[^"\r\n]*")?(; *filename\*=[^;"\s]+)?',
    re.IGNORECASE,
)
_PLAIN = frozenset(("", "utf-8", "utf8", "us-ascii", "ascii"))
_PLAIN_TRANSFER = frozenset(("7bit", "8bit", "binary"))
_CHARSET_FIELD = "_charset_"
_LINE_END = b"\r\n"


class FormWatch:
    """Watches one form.

    Args:
        content_type: the header of the request.

    Attributes:
        content_type: the same, as it is to go on.
        files: the names of the fields that were files so far.

    Raises:
        ApiError: 400, it names no boundary, or in a way that can be read as another.
    """

    def __init__(self, content_type: str) -> None:
        found = _BOUNDARY.fullmatch(content_type.strip())
        if found is None:
            raise _refusal("its content type has no boundary, or more than that")
        boundary = found[1] or found[2]
        self.content_type = f'{FORM}; boundary="{boundary}"'
        if found[1]:
            self.content_type = f"{FORM}; boundary={boundary}"
        self._begin = f"--{boundary}".encode()
        self._delimiter = f"\r\n--{boundary}".encode()
        self._end = f"\r\n--{boundary}--".encode()
        self.files: list[str] = []
        self._parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS)
        self._begun = b""
        self._tail = b""
        self._is_whole = False
        self._name: str | None = None  # of the field that is read; None in a file
        self._in_file = self._may_end = False
        self._text: list[bytes] = []
        self._size = 0

    def feed(self, piece: bytes) -> list[tuple[str, str]]:
        """Takes the next bytes of the body; returns the fields that end in them.

        Raises:
            ApiError: 400, they are not a form, or one that two parsers may read differently.
        """
        if not piece or self._passes(piece):
            return []
        if len(self._begun) < len(self._begin):
            self._begun += piece[: len(self._begin)]
            if not (self._begun.startswith(self._begin) or self._begin.startswith(self._begun)):
                raise _refusal("something stands before its first part")
        found: list[tuple[str, str]] = []
        if not self._is_whole:
            try:
                for part in self._parser.parse(piece):
                    self._take(part, found)
            except (MultipartError, UnicodeDecodeError):
                raise _refusal("it does not follow RFC 7578") from None
        self._watch_end(piece)
        return found

    def _passes(self, piece: bytes) -> bool:
        """Whether a piece is of a file and nothing else: the parser would pass it on as it is."""
        if not self._in_file:
            return False
        size = len(self._end)
        last = piece[-size:] if len(piece) >= size else (self._tail + piece)[-size:]
        followed, self._may_end = self._may_end, _may_begin(self._end, last)
        at = piece.find(_LINE_END[:1])  # a byte is found ten times as fast, if there is any
        if followed or self._may_end or (at >= 0 and piece.find(self._delimiter, at) >= 0):
            return False
        self._tail = last
        return True

    def finish(self) -> None:
        """The body has ended.

        Raises:
            ApiError: 400, the form has not.
        """
        if not self._is_whole:
            raise _refusal("its end is missing")

    def _watch_end(self, piece: bytes) -> None:
        """Sees the last boundary, behind which only the end of its line may come."""
        data = self._tail + piece
        if not self._is_whole:
            at = data.find(self._end)
            if at < 0:
                self._tail = data[-len(self._end) :]
                return
            self._is_whole, data = True, data[at + len(self._end) :]
        if not _LINE_END.startswith(data):
            raise _refusal("something stands behind its last part")
        self._tail = data

    def _take(
        self, part: MultipartSegment | bytes | bytearray | None, found: list[tuple[str, str]]
    ) -> None:
        if isinstance(part, MultipartSegment):
            self._name = _name_of(part)
            if self._name is None:
                self.files.append(part.name or "")
                self._in_file, self._may_end = True, True
        elif part is None:
            self._in_file = False
            if self._name is not None:
                found.append((self._name, b"".join(self._text).decode()))
            self._name, self._text = None, []
        elif self._name is not None:
            self._size += len(part)
            if self._size > MAX_FIELD_BYTES:
                raise _refusal("its fields are larger than those of a form may be")
            self._text.append(bytes(part))


def _may_begin(end: bytes, last: bytes) -> bool:
    """Whether the last bytes that came may be the beginning of a form's end, or of a delimiter."""
    at = last.rfind(end[:1])
    return at >= 0 and end.startswith(last[at:])


def _name_of(segment: MultipartSegment) -> str | None:
    """The name of a field; None for a file.

    Raises:
        ApiError: 400, its headers can be read in two ways.
    """
    names = [name for name, _ in segment.headerlist]
    found = _DISPOSITION.fullmatch(segment.header("Content-Disposition", ""))
    transfer = segment.header("Content-Transfer-Encoding", "binary").lower()
    if found is None or len(set(names)) < len(names) or transfer not in _PLAIN_TRANSFER:
        raise _refusal("the headers of a part are not such as RFC 7578 has them")
    if found[2] or found[3]:
        return None
    if found[1] == _CHARSET_FIELD or (segment.charset or "").lower() not in _PLAIN:
        raise _refusal("its texts are not UTF-8")
    return found[1]


def _refusal(reason: str) -> ApiError:
    return Invalid.invalid_form(reason=reason)
