"""Reads the form that uploads a file which the router keeps, as its bytes arrive."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from tornado_router.error_codes import Invalid
from tornado_router.errors import clip
from tornado_router.validation.forms import MAX_PARTS

PART_BYTES = 256 * 1024
"""Of a file in one row."""

PURPOSE = "batch"

MAX_NAME = 255

_FILE = "file"


class FileForm:
    """One upload. That it is a form, and can be read in one way alone, was checked before.

    Args:
        content_type: of the form.
        max_bytes: of the file.

    Attributes:
        name: of the file.
        size: of the file so far, in bytes.
        fields: what the form says beside.
    """

    def __init__(self, content_type: str, max_bytes: int) -> None:
        boundary = parse_options_header(content_type)[1]["boundary"]
        self._parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS)
        self._max_bytes = max_bytes
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._text: list[str] = []
        self._held = 0
        self._field: str | None = None
        self._value = b""
        self.name: str | None = None
        self.size = 0
        self.fields: dict[str, str] = {}

    def feed(self, piece: bytes) -> Iterator[str]:
        """Takes the next bytes; gives parts of the file that are long enough for a row.

        Raises:
            ApiError: 400 or 413, it cannot be kept.
        """
        try:
            for part in self._parser.parse(piece):
                self._take(part)
        except MultipartError:
            raise Invalid.invalid_form(reason="it does not follow RFC 7578") from None
        if self._held >= PART_BYTES:
            yield self._rest()

    def finish(self) -> Iterator[str]:
        """The rest of the file, once all of the form was taken.

        Raises:
            ApiError: 400, something is missing, or of no use.
        """
        if self.name is None:
            raise Invalid.missing_required_parameter(param=_FILE)
        if "purpose" not in self.fields:
            raise Invalid.missing_required_parameter(param="purpose")
        if self.fields["purpose"] != PURPOSE:
            raise Invalid.invalid_value(
                f"The router itself keeps files for batches alone: 'purpose' must be {PURPOSE!r}, "
                f"not {clip(self.fields['purpose'])!r}.",
                param="purpose",
            )
        self._add(b"", is_last=True)
        if self._held:
            yield self._rest()

    def _take(self, part: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(part, MultipartSegment):
            self._field, self._value = part.name, b""
            if part.filename is not None or part.name == _FILE:
                if part.name != _FILE or self.name is not None:
                    raise Invalid.invalid_form(reason="it has another file than 'file', or two")
                self.name, self._field = (part.filename or _FILE)[:MAX_NAME], None
        elif part is None:
            if self._field is not None:
                self.fields[self._field] = self._value.decode()
        elif self._field is None:
            self._add(bytes(part))
        else:
            self._value += part

    def _add(self, data: bytes, *, is_last: bool = False) -> None:
        """Takes bytes of the file.

        Raises:
            ApiError: 413, they are too many; 400, they are not text.
        """
        self.size += len(data)
        self._held += len(data)
        if self.size > self._max_bytes:
            raise Invalid.request_too_large(limit=self._max_bytes)
        try:
            text = self._decode(data, is_last)
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise Invalid.invalid_value(
                "A file for a batch has lines of JSON, in UTF-8.", param=_FILE
            )
        self._text.append(text)

    def _rest(self) -> str:
        text = "".join(self._text)
        self._text, self._held = [], 0
        return text
