"""Sees to it that one router alone serves a database whose limits are in its memory."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from tornado_router.errors import RouterError


class LockedError(RouterError):
    """Another process holds the lock."""


class ProcessLock:
    """A lock on a file that the system frees when the process ends, however it ends.

    Args:
        path: of the file; made if absent, and left behind empty.

    Raises:
        LockedError: another process holds it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file: IO[bytes] = path.open("ab")
        try:
            _lock(self._file)
        except OSError:
            self._file.close()
            raise LockedError(str(path)) from None

    def release(self) -> None:
        """Lets another process have it."""
        self._file.close()


def _lock(file: IO[bytes]) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
