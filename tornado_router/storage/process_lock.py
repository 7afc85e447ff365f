"""Locks of a database's file: for one process alone, or shared by several routers."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from tornado_router.errors import RouterError
from tornado_router.storage.private_files import make_file


class LockedError(RouterError):
    """Another process holds the lock."""


class ProcessLock:
    """A lock on a file that the system frees when the process ends, however it ends.

    Args:
        path: of the file; made if absent, and left behind empty.
        shared: whether others may hold it at the same time, if they share it as well.

    Raises:
        LockedError: another process holds it.
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        make_file(path)
        self._file: IO[bytes] = path.open("ab")
        try:
            _lock(self._file, shared)
        except OSError:
            self._file.close()
            raise LockedError(str(path)) from None

    def release(self) -> None:
        """Lets another process have it."""
        self._file.close()


def _lock(file: IO[bytes], shared: bool) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
