"""An append-only file of records that outlives the process, also if it is killed.

Records are copied into a file that is mapped into memory: no system call, no wait, and what was
copied is the kernel's from then on, so `kill -9` cannot lose it (a loss of power may lose what the
kernel had not written yet). The files of a process are locked by it for as long as it lives; those
that are not locked are left from a dead one. A file in which a record was damaged is set
aside when it is done, for a person to look at.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from loguru import logger

from tornado_router.storage.private_files import FILE_MODE, make_folder

SEGMENT_BYTES = 1024 * 1024
"""Of one file. It is deleted as a whole, once nothing in it is needed any more."""

SHOWN_PLACES = 10
"""Of the damaged records of a file, the log names so many."""

BLOCK_BYTES = 4096
"""Of a file that cannot be read as a whole, so much is left out for each bad sector."""

ABANDONED_SECONDS = 60
"""A file that is not ready after this time never will be: its process died while it made it."""

_SUFFIX = ".journal"
_NEW_SUFFIX = ".new"
_DAMAGED_SUFFIX = ".damaged"


class Segment:
    """One file of the journal, full of zeros behind its last record.

    Attributes:
        path: of the file.
        size: bytes that there are.
        written: bytes that hold records.
        read: bytes whose records were taken.
        damaged: where the records are that could not be read.
    """

    def __init__(self, path: Path, descriptor: int, memory: mmap.mmap, written: int = 0) -> None:
        self.path = path
        self.size = len(memory)
        self.written = written
        self.read = 0
        self.damaged: list[int] = []
        self._descriptor = descriptor
        self._map = memory

    @classmethod
    def make(cls, path: Path, size: int) -> Segment:
        """Makes a file and locks it.

        Raises:
            OSError: there is no room, or it may not be written.
        """
        new = path.with_suffix(_NEW_SUFFIX)
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Its room is taken now: a disk that turns out full under a mapped file kills a process.
            zeros = memoryview(bytes(size))
            while zeros:
                zeros = zeros[os.write(descriptor, zeros) :]
            new.rename(path)  # only now may others find it, locked
            return cls(path, descriptor, mmap.mmap(descriptor, size))
        except BaseException:
            os.close(descriptor)
            new.unlink(missing_ok=True)
            raise

    @classmethod
    def claim(cls, path: Path) -> Segment | None:
        """Locks a file that a dead process left; None if its process lives, or it is gone.

        Its content is read and not mapped: a bad sector of a mapped file kills a process.

        Raises:
            OSError: it cannot be read.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        size = os.fstat(descriptor).st_size
        if not size:
            path.unlink(missing_ok=True)
        if not size or not path.exists():  # another process has claimed and deleted it
            os.close(descriptor)
            return None
        content = _read(descriptor, size)
        memory = mmap.mmap(-1, size)
        memory[: len(content)] = content
        return cls(path, descriptor, memory, written=len(content.rstrip(b"\0")))

    def append(self, record: bytes) -> bool:
        """Writes a record; False if it does not fit any more."""
        start, memory = self.written, self._map
        last = start + len(record)
        if last >= self.size:
            return False
        memory[start:last] = record
        memory[last] = 10  # last: a record without its end does not count
        self.written = last + 1
        return True

    def unread(self, most: int) -> bytes:
        """Whole records that were not taken yet, about so many bytes of them."""
        until = self.written
        if until - self.read > most:
            until = self._map.find(b"\n", self.read + most, until) + 1 or until
        return self._map[self.read : until]

    def mark_damaged(self, places: Iterable[int]) -> None:
        """Notes where damaged records are in what `unread` returned last."""
        self.damaged += [self.read + place for place in places]

    def sync(self) -> None:
        """Waits until the disk has what was written."""
        self._map.flush()

    def close(self) -> None:
        """Lets go of the file, which others may claim then."""
        self._map.close()
        os.close(self._descriptor)

    def rename(self, path: Path) -> None:
        """Gives the file another name.

        Raises:
            OSError: it may not be renamed.
        """
        self.path.rename(path)
        self.path = path

    def discard(self) -> None:
        """Removes the file, whose records are safe; one that is damaged is set aside.

        Raises:
            OSError: it may not be removed; it can be discarded again.
        """
        if self.damaged:
            path = self.path
            self.rename(path.with_name(path.name + _DAMAGED_SUFFIX))
            logger.critical(
                "the journal file {} is damaged: {} records cannot be read, at byte {}; it is "
                "now {}",
                path.name,
                len(self.damaged),
                _shown(self.damaged),
                self.path,
            )
        else:
            self.path.unlink(missing_ok=True)
        self.close()


class Journal:
    """The journal of one process.

    `append`, `hold` and `release` belong to one thread, and `prepare`, `unread`, `done`,
    `mark_damaged` and `sync` to another. That one makes files ahead of time, so that `append` need
    not wait for the disk.

    Args:
        folder: of the files; made if it is not there.
        carry: returns the records that every file has to begin with, as those before it may go.
        segment_bytes: of each file.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        carry: Callable[[], Iterable[bytes]],
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        make_folder(folder)
        self._folder = folder
        self._carry = carry
        self._segment_bytes = segment_bytes
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._count = 0
        self._taken = 0
        self._made_bytes = 0  # of this thread, and the next of the other, as a sum of two would be
        self._deleted_bytes = 0
        self._carried_bytes = 0
        self._spare: Segment | None = None
        self._spent: deque[Segment] = deque()
        self._held: Segment | None = None
        self._current = self._begin([*carry()])
        self._segments = deque([self._current])

    @property
    def size(self) -> int:
        """Bytes that its files take of the disk, without one that is made ahead of time."""
        return self._made_bytes - self._deleted_bytes

    @property
    def waiting(self) -> int:
        """Bytes of records that are not done."""
        return sum(segment.written - segment.read for segment in tuple(self._segments))

    def append(self, record: bytes) -> None:
        """Writes a record, which may hold no line break.

        Raises:
            OSError: a new file is needed, and cannot be made.
        """
        if not self._current.append(record):
            self._add_segment([*self._carry(), record])

    def hold(self) -> None:
        """Keeps what is appended from now on from `unread`, until `release`.

        Raises:
            OSError: a new file is needed, and cannot be made.
        """
        self._add_segment([*self._carry()])
        self._held = self._current

    def release(self) -> None:
        """Gives everything to `unread` again."""
        self._held = None

    @property
    def is_done(self) -> bool:
        """Whether all is done that was appended before `hold`."""
        return self._segments[0] is self._held

    def prepare(self) -> None:
        """Makes the next file, once half of the current one is used."""
        current = self._current
        if self._spare is None and 2 * current.written > current.size:
            path = self._folder / f"{self._name}-spare{_SUFFIX}"
            size = max(self._segment_bytes, 2 * self._carried_bytes)
            with suppress(OSError):  # `append` tries again, and reports it
                self._spare = Segment.make(path, size)

    def unread(self, most: int) -> list[bytes]:
        """The oldest records that are not done, about so many bytes of them."""
        self._discard_spent()
        while True:
            segment = self._segments[0]
            if segment is self._held:
                return []
            is_current = segment is self._current  # first: nothing is added behind another
            records = segment.unread(most)
            if records:
                self._taken = len(records)
                return records.split(b"\n")[:-1]
            if is_current:
                return []
            self._spent.append(self._segments.popleft())
            self._discard_spent()

    def done(self) -> None:
        """What `unread` returned last is needed no more."""
        self._segments[0].read += self._taken
        self._taken = 0

    def mark_damaged(self, places: Iterable[int]) -> None:
        """Notes where damaged records are in what `unread` returned last."""
        self._segments[0].mark_damaged(places)

    def sync(self) -> None:
        """Waits until the disk has everything: for when its records have to wait."""
        for segment in tuple(self._segments):
            segment.sync()

    def close(self) -> None:
        """Ends the journal; what is not done is left behind for the next process."""
        while self._segments:
            segment = self._segments.popleft()
            if segment.read == segment.written:
                self._spent.append(segment)
            else:
                segment.close()
        if self._spare:
            self._spent.append(self._spare)
        self._discard_spent()

    def _add_segment(self, records: list[bytes]) -> None:
        self._current = self._begin(records)
        self._segments.append(self._current)

    def _begin(self, records: list[bytes]) -> Segment:
        """The next file, which begins with these records."""
        self._count += 1
        path = self._folder / f"{self._name}-{self._count:08}{_SUFFIX}"
        least = self._carried_bytes = sum(len(record) + 1 for record in records)
        spare = self._spare
        if spare is not None and spare.size >= least:
            spare.rename(path)
            self._spare = None
            segment = spare
        else:
            segment = Segment.make(path, max(self._segment_bytes, least))
        for record in records:
            segment.append(record)
        self._made_bytes += segment.size
        return segment

    def _discard_spent(self) -> None:
        """Removes the files that are done; those that cannot be removed, another time."""
        for _ in range(len(self._spent)):
            segment = self._spent[0]
            try:
                segment.discard()
            except OSError as error:
                logger.error("the journal file {} stays for now: {}", segment.path.name, error)
                return
            self._spent.popleft()
            self._deleted_bytes += segment.size


def left_behind(folder: Path) -> Iterator[Segment]:
    """What dead processes left, of each in the order in which it was written.

    Each is locked; it is to be discarded once its records are safe, or closed.
    """
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        try:
            segment = Segment.claim(path)
        except OSError as error:
            logger.critical("the journal file {} cannot be read: {}", path, error)
            continue
        if segment is not None:
            yield segment
    for path in folder.glob(f"*{_NEW_SUFFIX}"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED_SECONDS:
                path.unlink()


def _read(descriptor: int, size: int) -> bytes:
    """The content of a file, with zeros for what the disk does not give."""
    content = bytearray()
    for start in range(0, size, BLOCK_BYTES):
        wanted = min(BLOCK_BYTES, size - start)
        try:
            block = os.pread(descriptor, wanted, start)
        except OSError:
            block = b""
        content += block.ljust(wanted, b"\0")
    return bytes(content)


def _shown(places: Sequence[int]) -> str:
    more = len(places) - SHOWN_PLACES
    shown = ", ".join(map(str, places[:SHOWN_PLACES]))
    return f"{shown} and {more} more" if more > 0 else shown
