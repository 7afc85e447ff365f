"""Reads a request of the type multipart/form-data as its bytes arrive (RFC 7578).

Fields are kept, and files go to disk once they are large, so an upload takes no memory to speak of.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from multipart import (
    MultipartError,
    MultipartSegment,
    ParserError,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from tornado_router.error_codes import Invalid
from tornado_router.provider import CallFile

FORM = "multipart/form-data"

MAX_PARTS = 256
"""Fields and files of one form."""

MAX_BOUNDARY = 256
"""Characters of a boundary; RFC 2046 allows 70."""

MAX_FIELD_BYTES = 1024 * 1024
"""Of a field that is not a file."""


@dataclass(slots=True)
class Form:
    """What was read. The files belong to the call, and are closed at its end.

    Attributes:
        fields: names and texts, in order; a name may come more than once.
        files: in order.
    """

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[CallFile] = field(default_factory=list)

    def close(self) -> None:
        """Closes the files."""
        for file in self.files:
            file.close()


class FormReader:
    """Reads one form, whatever the pieces that it comes in.

    How large it may be is for its caller to say, as of any body.

    Args:
        content_type: the header of the request.

    Raises:
        ApiError: 415, it is not a form; 400, it names no boundary.
    """

    def __init__(self, content_type: str) -> None:
        kind, options = parse_options_header(content_type)
        if kind != FORM:
            raise Invalid.unsupported_content_type(got=content_type[:100], expected=FORM)
        boundary = options.get("boundary", "")
        if not 0 < len(boundary) <= MAX_BOUNDARY:
            raise Invalid.invalid_form(reason="its content type has no boundary that can be one")
        self._form = Form()
        self._segment: MultipartSegment | None = None
        self._text: list[bytes] = []
        self._text_bytes = 0
        try:
            # Not `strict`: it takes a line end behind the last boundary for a fault, if the network
            # cuts just there.
            self._parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS)
        except MultipartError:
            raise Invalid.invalid_form(reason="its boundary cannot be one") from None

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes of the body.

        Raises:
            ApiError: 400, they are not a form. What was read is closed.
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
        """Closes what was read so far, of a form that will not come to its end."""
        self._form.close()

    def _take(self, part: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(part, MultipartSegment):
            self._begin(part)
        elif part is None:
            self._end()
        elif self._segment is not None and self._segment.filename is not None:
            self._form.files[-1].write(bytes(part))
        else:
            self._text_bytes += len(part)
            if self._text_bytes > MAX_FIELD_BYTES:
                raise ParserLimitReached("Maximum segment size exceeded")
            self._text.append(bytes(part))

    def _begin(self, segment: MultipartSegment) -> None:
        if not segment.name:
            raise ParserError("a field has no name")
        self._segment = segment
        if segment.filename is not None:
            content_type = segment.content_type or "application/octet-stream"
            self._form.files.append(CallFile(segment.name, segment.filename, content_type))

    def _end(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None and segment.filename is None:
            text = b"".join(self._text).decode("utf-8", "replace")
            self._form.fields.append((segment.name or "", text))
        self._text, self._text_bytes = [], 0

    def _refuse(self, error: MultipartError) -> None:
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
