"""Files that a client sends with a call: in memory as long as they are few, on disk if not."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MEMORY_BYTES = 1024 * 1024
"""What is larger goes to disk."""

READ_BYTES = 512 * 1024
"""So much of a file on disk is read at once."""


class Spool:
    """Where the files of one form are, one behind the other.

    They share a place on disk, so that hundreds of small ones take one descriptor of the process.

    Args:
        memory_bytes: what they may take of memory together; with more, all of it goes to disk.

    Attributes:
        size: in bytes.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self.size = 0
        self._memory_bytes = memory_bytes
        self._memory = bytearray()
        self._disk: IO[bytes] | None = None
        self._closed = False

    @property
    def on_disk(self) -> bool:
        """Whether reading it waits for a disk."""
        return self._disk is not None

    @property
    def in_memory(self) -> int:
        """Bytes that it takes of memory."""
        return len(self._memory)

    def write(self, data: bytes) -> None:
        """Adds bytes at the end.

        Raises:
            OSError: the disk is full.
        """
        self.check()
        if self._disk is None and self.size + len(data) > self._memory_bytes:
            self._disk = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed in `close`
            _write(self._disk.fileno(), self._memory, 0)
            self._memory = bytearray()
        if self._disk is None:
            self._memory += data
        else:
            _write(self._disk.fileno(), data, self.size)
        self.size += len(data)

    def read(self, start: int, count: int) -> bytes:
        """So many bytes from a place on, fewer at the end. Any thread may read."""
        self.check()
        if self._disk is None:
            return bytes(memoryview(self._memory)[start : start + count])
        return os.pread(self._disk.fileno(), count, start)

    def close(self) -> None:
        """Gives the memory or the disk space back."""
        self._closed = True
        self._memory = bytearray()
        if self._disk is not None:
            self._disk.close()

    def check(self) -> None:
        """Raises ValueError if it is closed."""
        if self._closed:
            raise ValueError("the call is over, and its files are closed")


class CallFile:
    """One file of a form.

    It may be read again and again, by several at once: each attempt of a call opens it anew. The
    core writes and closes it; a provider only reads it.

    Args:
        field: name of the form's field, such as `file`.
        name: the file's name as the client gave it. Never a path to use.
        content_type: as the client gave it; `application/octet-stream` if it gave none.
        memory_bytes: a larger file goes to disk, unless it has a spool.
        spool: where it goes, behind the files before it; a place of its own if None.

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
        spool: Spool | None = None,
    ) -> None:
        self.field = field
        self.name = name
        self.content_type = content_type
        self.size = 0
        self._spool = Spool(memory_bytes) if spool is None else spool
        self._start = self._spool.size

    @property
    def on_disk(self) -> bool:
        """Whether reading it waits for a disk."""
        return self._spool.on_disk

    def write(self, data: bytes) -> None:
        """Adds bytes at the end, as long as no other file was begun behind it."""
        self._spool.write(data)
        self.size += len(data)

    def open(self) -> BinaryIO:
        """A reader of its own, at the beginning."""
        if not self._spool.on_disk:
            return io.BytesIO(self._spool.read(self._start, self.size))
        self._spool.check()
        return io.BufferedReader(_Reader(self._spool, self._start, self.size), READ_BYTES)

    def pieces(self) -> Iterator[bytes]:
        """All of it, from the beginning, in pieces."""
        for start in range(0, self.size, READ_BYTES):
            yield self.part(start, READ_BYTES)

    def part(self, start: int, count: int) -> bytes:
        """So many of its bytes from a place on; fewer where it ends before."""
        return self._spool.read(self._start + start, max(0, min(count, self.size - start)))

    def read(self) -> bytes:
        """All of it. A file on disk can be large: better send it by `Parts`."""
        with self.open() as reader:
            return reader.read()

    def close(self) -> None:
        """Gives the memory or the disk space back, of all files in its spool."""
        self._spool.close()

    def __repr__(self) -> str:
        return f"CallFile({self.field!r}, {self.content_type!r}, {self.size} bytes)"


class _Reader(io.RawIOBase):
    """Reads a file that others read, too, each from its own position."""

    def __init__(self, spool: Spool, start: int, size: int) -> None:
        self._spool = spool
        self._position = start
        self._end = start + size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer)
        data = self._spool.read(self._position, min(len(view), self._end - self._position))
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


def _write(descriptor: int, data: bytes | bytearray, position: int) -> None:
    """Writes all of it: the system may take less than it is given."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written
