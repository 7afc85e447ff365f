"""A body of the type multipart/form-data on its way to the vendor (RFC 7578)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from tornado_router.provider.files import CallFile

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})
"""As browsers escape names: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html"""


@dataclass(frozen=True, slots=True)
class Part:
    """One field of a form.

    Attributes:
        name: of the field.
        value: a text, bytes, or a file that the client sent.
        filename: of a file; that of a `CallFile` if None.
        content_type: of the value; that of a `CallFile` if None.
    """

    name: str
    value: str | bytes | CallFile = field(repr=False)
    filename: str | None = None
    content_type: str | None = None

    @property
    def head(self) -> bytes:
        """The headers, up to and with the blank line."""
        filename, content_type = self.filename, self.content_type
        if isinstance(self.value, CallFile):
            filename = filename if filename is not None else self.value.name
            content_type = content_type or self.value.content_type
        head = f'Content-Disposition: form-data; name="{self.name.translate(_ESCAPES)}"'
        if filename is not None:
            head += f'; filename="{filename.translate(_ESCAPES)}"'
        if content_type is not None:
            head += f"\r\nContent-Type: {' '.join(content_type.split())}"
        return f"{head}\r\n\r\n".encode("utf-8", "replace")

    def content(self) -> Iterator[bytes]:
        """The value in pieces."""
        if isinstance(self.value, CallFile):
            yield from self.value.pieces()
        elif self.value:
            yield _encoded(self.value)

    @property
    def size(self) -> int:
        """Bytes of the value."""
        return self.value.size if isinstance(self.value, CallFile) else len(_encoded(self.value))


@dataclass(frozen=True, slots=True)
class Parts:
    """A form, as the body of an `UpstreamRequest`. It can be sent again and again.

    The core sets `Content-Type` and `Content-Length`, and reads files from disk as they are sent.

    Attributes:
        parts: the fields, in order.
        boundary: what stands between them; made up at random.
    """

    parts: tuple[Part, ...]
    boundary: str = field(default_factory=lambda: secrets.token_hex(16), compare=False)

    @property
    def content_type(self) -> str:
        """The header, with the boundary."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def size(self) -> int:
        """Bytes of the whole body."""
        heads = sum(len(self._before(part)) + part.size + 2 for part in self.parts)
        return heads + len(self._end)

    @property
    def on_disk(self) -> bool:
        """Whether reading the pieces waits for a disk."""
        values = (part.value for part in self.parts)
        return any(isinstance(value, CallFile) and value.on_disk for value in values)

    def pieces(self) -> Iterator[bytes]:
        """The body, from its beginning, in pieces."""
        for part in self.parts:
            yield self._before(part)
            yield from part.content()
            yield b"\r\n"
        yield self._end

    def _before(self, part: Part) -> bytes:
        return f"--{self.boundary}\r\n".encode() + part.head

    @property
    def _end(self) -> bytes:
        return f"--{self.boundary}--\r\n".encode()


def _encoded(value: str | bytes) -> bytes:
    return value.encode("utf-8", "replace") if isinstance(value, str) else value
