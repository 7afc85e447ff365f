"""A lock in PostgreSQL, held for as long as its process lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from loguru import logger

from tornado_router.background.supervisor import SupervisedThread
from tornado_router.storage.postgres_connection import SET_UP, connection_settings, url_title
from tornado_router.storage.process_lock import LockedError

if TYPE_CHECKING:
    import psycopg

ROUTER = int.from_bytes(b"tr:alone")
"""The advisory lock of a router that keeps its limits to itself: a number used for nothing else."""

PATIENCE_SECONDS = 2.0
"""At its start, a router waits this long: the server may be about to notice that another ended."""

CHECK_SECONDS = 5.0
"""How often it is made sure that the lock is still held."""

REGAIN_SECONDS = 60.0
"""For so long another may hold a lock that was lost: for the first half minute, that may be this
router's own broken connection, which the server has not noticed yet."""


class SessionLock:
    """Held by a connection of its own, so that it ends with the process, however that ends.

    A connection that breaks takes the lock with it: it is taken again once the server is back.

    Args:
        url: of the database.
        lost: called, on another thread, when another router has taken it meanwhile.

    Raises:
        LockedError: another router holds it.
    """

    def __init__(self, url: str, lost: Callable[[], None]) -> None:
        self._url = url
        self._lost = lost
        self._connection = self._connect()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._take():
            if time.monotonic() > deadline:
                self._connection.close()
                raise LockedError(url_title(url))
            time.sleep(0.05)
        self._held = True
        self._released = threading.Event()
        self._thread = SupervisedThread("database lock", self._keep, self._released)

    def release(self) -> None:
        """Lets another router have it."""
        self._released.set()
        self._thread.join(PATIENCE_SECONDS)  # no longer, if the server does not answer

    def _keep(self) -> None:
        """Looks after the lock until it is released or lost."""
        self._look_after()
        self._connection.close()

    def _look_after(self) -> None:
        import psycopg  # noqa: PLC0415 - 9 MB, and an extra

        refused_at: float | None = None
        while not self._released.wait(CHECK_SECONDS):
            try:
                if self._hold():
                    refused_at = None
                    continue
            except psycopg.Error:  # the lock of a server that is away cannot be taken
                self._connection.close()
                refused_at = None
                continue
            refused_at = refused_at or time.monotonic()
            if time.monotonic() >= refused_at + REGAIN_SECONDS:
                self._lost()
                return

    def _hold(self) -> bool:
        """Takes the lock again if its connection broke; False if another router has it."""
        if self._connection.closed:
            self._connection = self._connect()
            self._held = False
        if self._held:
            self._connection.execute("SELECT 1")
        elif self._take():
            self._held = True
            logger.warning("the lock on the database was lost for a while, and is held again")
        return self._held

    def _connect(self) -> psycopg.Connection:
        import psycopg  # noqa: PLC0415 - see above

        connection = psycopg.connect(
            self._url,
            autocommit=True,
            prepare_threshold=None,  # a pooler between may know nothing of prepared statements
            **connection_settings(self._url),
        )
        try:
            connection.execute(SET_UP)
        except BaseException:
            connection.close()
            raise
        return connection

    def _take(self) -> bool:
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", (ROUTER,)).fetchone()
        return bool(row and row[0])
