"""SQLite: a file of this machine, as the router uses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from peewee import IntegrityError, InterfaceError, OperationalError, ProgrammingError
from peewee import SqliteDatabase as PeeweeSqlite

from tornado_router.background.open_files import FREED_SECONDS, may_open
from tornado_router.storage.private_files import make_file, make_folder
from tornado_router.storage.process_lock import ProcessLock

PRAGMAS: dict[str, Any] = {
    "journal_mode": "wal",  # readers never wait for the writer
    "synchronous": "normal",
    "foreign_keys": 1,
    "busy_timeout": 5000,
}


_TRIES = 4
"""To open a file, while nothing else is known to be the cause."""


class Sqlite(PeeweeSqlite):
    """A file of this machine.

    Args:
        path: its folder is made if absent, and the file when it is opened, for this user alone.
    """

    row_faults = (IntegrityError, InterfaceError, ProgrammingError, OverflowError)
    """Exceptions that mean the row is invalid, not that the database is down."""

    def __init__(self, path: Path) -> None:
        make_folder(path.parent)
        super().__init__(str(path), pragmas=PRAGMAS, autoconnect=False)
        self.path = path

    def open(self) -> None:
        """Connects this thread.

        Raises:
            OSError: the file cannot be made.
            peewee.OperationalError: it cannot be opened.
        """
        make_file(self.path)  # SQLite makes its other files with the mode of this one
        self.connect()

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Connects this thread, however many routers do so at once with a new file.

        SQLite waits for every lock but the one that turns on a file's write-ahead log, and not for
        a descriptor.

        Args:
            reuse_if_open: whether a connection that is there will do.

        Raises:
            peewee.OperationalError: it cannot be opened.
        """
        deadline = time.monotonic() + PRAGMAS["busy_timeout"] / 1000
        left = _TRIES
        while True:
            try:
                is_new: bool = super().connect(reuse_if_open=reuse_if_open)
            except OperationalError as error:
                if "locked" not in str(error) and may_open():
                    left -= 1  # it may have been short of descriptors before it was asked
                if not left or time.monotonic() > deadline:
                    raise
            else:
                return is_new
            time.sleep(FREED_SECONDS)

    def session(self, *, lasting: bool = False) -> AbstractContextManager[Any]:
        """A connection of this thread's own.

        Args:
            lasting: whether it stays open. A file is opened at once, but closing the last
                connection makes SQLite fold its whole write-ahead log into it.
        """
        if lasting:
            self.connect(reuse_if_open=True)
            return nullcontext()
        context: AbstractContextManager[Any] = self.connection_context()
        return context

    def end_sessions(self) -> None:
        """Does nothing: SQLite sessions close themselves."""

    def cut_off(self) -> None:
        """Does nothing: no SQLite query waits for another machine."""

    def writing(self, *, long: bool = False) -> AbstractContextManager[Any]:
        """A transaction that is the only one to write from its beginning to its end.

        Inside of another it is a part of that one.

        Args:
            long: has no meaning here.
        """
        return self._transaction(() if self.in_transaction() else ("IMMEDIATE",))

    @contextmanager
    def altering(self) -> Iterator[None]:
        """A transaction like `writing` that may replace tables to which others refer.

        Foreign keys are not enforced in it: to drop a table would delete what refers to its rows.
        """
        assert not self.in_transaction(), "the pragma has no effect in one"
        self.pragma("foreign_keys", 0)
        try:
            with self.writing():
                yield
        finally:
            self.pragma("foreign_keys", PRAGMAS["foreign_keys"])

    def reading(self) -> AbstractContextManager[Any]:
        """A transaction that sees the database as it is at one moment."""
        return self._transaction(())

    def claim(self, lost: Callable[[], None] = lambda: None) -> ProcessLock:
        """Keeps other routers away until it is released.

        Args:
            lost: never called: the lock of a file stays.

        Raises:
            LockedError: one is there.
        """
        return ProcessLock(self._lock_path)

    def share(self) -> ProcessLock:
        """Keeps routers away that need the file for themselves, until it is released.

        Raises:
            LockedError: one is there.
        """
        return ProcessLock(self._lock_path, shared=True)

    @property
    def _lock_path(self) -> Path:
        return self.path.with_name(self.path.name + ".lock")

    def _transaction(self, mode: tuple[str, ...]) -> AbstractContextManager[Any]:
        atomic: AbstractContextManager[Any] = self.atomic(*mode)
        return atomic
