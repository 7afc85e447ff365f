"""The file that says which process serves a router.toml, so that a command can signal it.

The process holds a lock on it for as long as it lives, so a number that was left behind, and may
be another process's by now, is never taken for a router.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tornado_router.errors import RouterError


class PidFileError(RouterError):
    """The file cannot be written, or another router has it."""


@contextmanager
def pid_file(path: Path | None) -> Iterator[None]:
    """Holds the file while this process serves.

    Args:
        path: of the file; None for none.

    Raises:
        PidFileError: it cannot be written, or another process holds it.
    """
    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise PidFileError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PidFileError(f"another router holds {path}") from None
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def running(path: Path) -> int | None:
    """The process that holds the file, or None."""
    try:
        with path.open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                text = file.read().strip()
                return int(text) if text.isdecimal() else None
    except OSError:
        pass
    return None
