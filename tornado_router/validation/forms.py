"""Reads a request of the type multipart/form-data as its bytes arrive (RFC 7578).

Fields are kept, and files go to disk once they are large, so an upload takes no memory to speak of.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import unquote

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserError,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from tornado_router.error_codes import Invalid
from tornado_router.provider import CallFile, Part
from tornado_router.provider.files import MEMORY_BYTES, Spool

FORM = "multipart/form-data"

MAX_PARTS = 256
"""Fields and files of one form."""

MAX_BOUNDARY = 256
"""Characters of a boundary; RFC 2046 allows 70."""

MAX_FIELD_BYTES = 1024 * 1024
"""Of a field that is not a file: samples of speakers' voices come as data URLs."""

MAX_FIELDS_BYTES = 4 * MAX_FIELD_BYTES
"""Of all such fields."""

_BOUNDARY = re.compile(r"(?:^|[;,])\s*boundary\s*=", re.IGNORECASE)
_EXTENDED = re.compile(r";\s*filename\*\s*=\s*([\w-]+)'[^']*'([^;\s]+)", re.IGNORECASE)
"""The name of a file as RFC 5987 has it, which RFC 7578 forbids and some libraries send."""


@dataclass(slots=True)
class Form:
    """What was read. The files belong to the call, and are closed at its end.

    Attributes:
        parts: fields and files in their order; a name may come more than once. The value of a
            field is its bytes.
        spool: where the files are.
    """

    parts: list[Part] = field(default_factory=list)
    spool: Spool = field(default_factory=Spool)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """Names and texts of what is not a file."""
        values = [(part.name, part.value) for part in self.parts]
        return [(name, _text(value)) for name, value in values if not isinstance(value, CallFile)]

    @property
    def files(self) -> list[CallFile]:
        """The files."""
        return [part.value for part in self.parts if isinstance(part.value, CallFile)]

    def close(self) -> None:
        """Closes the files."""
        self.spool.close()


class FormReader:
    """Reads one form, whatever the pieces that it comes in.

    How large it may be is for its caller to say, as of any body.

    Args:
        content_type: the header of the request.
        memory_bytes: with more, its files go to disk.

    Raises:
        ApiError: 415, it is not a form; 400, it names no boundary, or two.
    """

    def __init__(self, content_type: str, memory_bytes: int = MEMORY_BYTES) -> None:
        kind, options = parse_options_header(content_type)
        if kind != FORM:
            raise Invalid.unsupported_content_type(got=content_type[:100], expected=FORM)
        boundary = options.get("boundary", "")
        if not 0 < len(boundary) <= MAX_BOUNDARY:
            raise Invalid.invalid_form(reason="its content type has no boundary that can be one")
        if len(_BOUNDARY.findall(content_type)) > 1:
            raise Invalid.invalid_form(reason="its content type has more than one boundary")
        self._form = Form(spool=Spool(memory_bytes))
        self._segment: MultipartSegment | None = None
        self._file: CallFile | None = None
        self._text: list[bytes] = []
        self._text_bytes = 0
        self._fields_bytes = 0
        try:
            # Not `strict`: it takes a line end behind the last boundary for a fault, if the network
            # cuts just there.
            self._parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS)
        except MultipartError:
            raise Invalid.invalid_form(reason="its boundary cannot be one") from None

    @property
    def in_memory(self) -> int:
        """Bytes that it takes of memory so far."""
        return self._fields_bytes + self._form.spool.in_memory

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes of the body.

        Raises:
            ApiError: 400, they are not a form. What was read is closed.
            OSError: the disk is full.
        """
        if not piece:
            return
        try:
            for part in self._parser.parse(piece):
                self._take(part)
        except MultipartError as error:
            self._refuse(error)

    def finish(self) -> Form:
        """The form, once all its bytes were taken.

        Raises:
            ApiError: 400, the end is missing.
        """
        try:
            self._parser.close()
        except MultipartError as error:
            self._refuse(error)
        return self._form

    def close(self) -> None:
        """Closes what was read, be it all or not."""
        self._form.close()

    def _take(self, part: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(part, MultipartSegment):
            self._begin(part)
        elif part is None:
            self._end()
        elif self._file is not None:
            self._file.write(bytes(part))
        else:
            self._text_bytes += len(part)
            self._fields_bytes += len(part)
            if self._text_bytes > MAX_FIELD_BYTES or self._fields_bytes > MAX_FIELDS_BYTES:
                raise ParserLimitReached("Maximum segment size exceeded")
            self._text.append(bytes(part))

    def _begin(self, segment: MultipartSegment) -> None:
        if not segment.name:
            raise ParserError("a field has no name")
        self._segment = segment
        filename = _filename(segment)
        if filename is not None:
            content_type = segment.header("Content-Type") or "application/octet-stream"
            self._file = CallFile(segment.name, filename, content_type, spool=self._form.spool)
            self._form.parts.append(Part(segment.name, self._file))

    def _end(self) -> None:
        segment, self._segment = self._segment, None
        if self._file is not None:
            self._file = None
        elif segment is not None:
            content_type = segment.header("Content-Type")
            value = b"".join(self._text)
            self._form.parts.append(Part(segment.name or "", value, content_type=content_type))
        self._text, self._text_bytes = [], 0

    def _refuse(self, error: MultipartError) -> NoReturn:
        self.close()
        if isinstance(error, ParserLimitReached):
            reason = "it has more or larger fields than a form may have"
        else:
            reason = "it does not follow RFC 7578, or its end is missing"
        raise Invalid.invalid_form(reason=reason) from None


def read_form(content_type: str, body: bytes) -> Form:
    """The form in a body that is whole.

    Raises:
        ApiError: 415 or 400, it is not a form.
    """
    reader = FormReader(content_type)
    reader.feed(body)
    return reader.finish()


def is_form(content_type: str) -> bool:
    """Whether a `Content-Type` says that the body is a form."""
    return content_type.partition(";")[0].strip().lower() == FORM


def _filename(segment: MultipartSegment) -> str | None:
    """The name of a file; None for what is not one."""
    filename: str | None = segment.filename
    found = _EXTENDED.search(segment.header("Content-Disposition") or "")
    if found is None:
        return filename
    try:
        return unquote(found[2], found[1], "replace")
    except LookupError:  # of an unknown encoding
        return filename or found[2]


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
