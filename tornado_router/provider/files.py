"""The files that a client uploads: in memory while small, on disk if not."""

from __future__ import annotations

import io
import tempfile
import threading
from typing import IO, TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MEMORY_BYTES = 1024 * 1024
"""A larger file goes to disk."""

READ_BYTES = 256 * 1024
"""So much of a file on disk is read at once."""


class CallFile:
    """One file of a form.

    It may be read again and again, by several at once: each attempt of a call opens it anew. The
    core writes and closes it; a provider only reads it.

    Args:
        field: name of the form's field, such as `file`.
        name: the file's name as the client gave it. Never a path to use.
        content_type: as the client gave it; `application/octet-stream` if it gave none.
        memory_bytes: a larger file goes to disk.

    Attributes:
        size: in bytes.
    """

    def __init__(
        self,
        field: str,
        name: str,
        content_type: str = "application/octet-stream",
        *,
        memory_bytes: int = MEMORY_BYTES,
    ) -> None:
        self.field = field
        self.name = name
        self.content_type = content_type
        self.size = 0
        self._memory_bytes = memory_bytes
        self._memory = io.BytesIO()
        self._disk: IO[bytes] | None = None
        self._lock = threading.Lock()  # of the position in the file on disk
        self._closed = False

    @property
    def on_disk(self) -> bool:
        """Whether reading it waits for a disk."""
        return self._disk is not None

    def write(self, data: bytes) -> None:
        """Adds bytes at the end."""
        self._check()
        if self._disk is None and self.size + len(data) > self._memory_bytes:
            self._disk = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `close`
            self._disk.write(self._memory.getbuffer())
            self._memory = io.BytesIO()
        if self._disk is None:
            self._memory.write(data)
        else:
            with self._lock:
                self._disk.seek(self.size)
                self._disk.write(data)
        self.size += len(data)

    def open(self) -> BinaryIO:
        """A reader of its own, at the beginning."""
        self._check()
        if self._disk is None:
            return io.BytesIO(self._memory.getvalue())
        return io.BufferedReader(_Reader(self._disk, self._lock), READ_BYTES)

    def read(self) -> bytes:
        """All of it. A file on disk can be large: better send it by `Parts`."""
        with self.open() as reader:
            return reader.read()

    def close(self) -> None:
        """Gives the memory or the disk space back."""
        self._closed = True
        self._memory = io.BytesIO()
        if self._disk is not None:
            self._disk.close()

    def _check(self) -> None:
        if self._closed:
            raise ValueError("the call is over, and its files are closed")

    def __repr__(self) -> str:
        return f"CallFile({self.field!r}, {self.content_type!r}, {self.size} bytes)"


class _Reader(io.RawIOBase):
    """Reads a file that others read, too, each from its own position."""

    def __init__(self, file: IO[bytes], lock: threading.Lock) -> None:
        self._file = file
        self._lock = lock
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        with self._lock:
            self._file.seek(self._position)
            data = self._file.read(len(view))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)
