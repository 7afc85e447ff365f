"""The open database of this process, and how coroutines and threads use it.

Peewee blocks, so the event loop never calls it: `Storage.run` does, on a few threads. Tables are
bound to the one database of the process when it is opened, as Peewee's documentation has it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from peewee import InterfaceError, OperationalError

from tornado_router.background.supervisor import SupervisedThread, thread_pool
from tornado_router.error_codes import Refusal
from tornado_router.storage import migrator
from tornado_router.storage.databases import open_database
from tornado_router.storage.tables import TABLES, User

T = TypeVar("T")

THREADS = 4
PATIENCE_SECONDS = 30.0
"""How long a coroutine waits for its queries."""

STOP_SECONDS = 3.0
"""How long a stop waits for queries that still run; their results are not awaited any more."""


class Storage:
    """The open database of this process.

    Args:
        location: of an SQLite file, or the URL of a PostgreSQL database.
        migrate: whether its schema is brought up to date; otherwise one that is not is refused.

    Raises:
        MissingDriverError: it needs a package that is not installed.
        SchemaError: its schema is newer than this version of the router, or older.

    Attributes:
        away: whether the last queries of a coroutine were not done.
    """

    def __init__(self, location: Path | str, *, migrate: bool = True) -> None:
        self.away = False
        self.database = open_database(location)
        self.database.bind(TABLES)
        self._threads = thread_pool("database", THREADS)
        self._busy_thread = thread_pool("busy database", 1)
        self._stopped_at = float("inf")
        self.database.open()
        try:
            if migrate:
                migrator.migrate(self.database)
            elif migrator.pending(self.database):
                raise migrator.SchemaError(
                    "its schema is not that of this version; run: tornado-router db migrate"
                )
        finally:
            self.database.close()

    def call(self, work: Callable[[], T]) -> T:
        """Runs queries on a connection of this thread's own, and blocks until they are done."""
        with self.database.session():
            return work()

    async def run(self, work: Callable[[], T]) -> T:
        """Runs queries on one of the database's threads.

        Raises:
            DatabaseAwayError: they were not done, or not in time.
        """
        return await self._run(self._threads, partial(self.call, work))

    async def run_often(self, work: Callable[[], T]) -> T:
        """As `run`, for what calls wait for again and again: one such work after the other.

        The connection stays open: SQLite reads the schema and prepares each statement anew where
        it does not, which takes longer than to write a row. So no cursor may be left open: while
        there is one, what others write is not seen.
        """
        return await self._run(self._busy_thread, partial(self._call_lasting, work))

    def _call_lasting(self, work: Callable[[], T]) -> T:
        with self.database.session(lasting=True):
            return work()

    async def _run(self, threads: Executor, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        try:
            done = loop.run_in_executor(threads, work)
            result = await asyncio.wait_for(done, PATIENCE_SECONDS)
        except (InterfaceError, OperationalError, TimeoutError) as error:
            self.away = True
            raise Refusal.database_away() from error
        self.away = False
        return result

    def stop(self) -> None:
        """Begins no more work of coroutines; `call` still works. Returns at once."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._stopped_at == float("inf"):
            self._busy_thread.submit(self._end_lasting)
            self._busy_thread.shutdown(wait=False)
        self._stopped_at = min(self._stopped_at, time.monotonic())

    def close(self) -> None:
        """Ends the threads once they are done, or cuts off what takes too long since `stop`."""
        self.stop()
        left = self._stopped_at + STOP_SECONDS - time.monotonic()
        if left <= 0:
            self.database.cut_off()
        done = threading.Event()
        SupervisedThread("database cut-off", lambda: done.wait(left) or self.database.cut_off())
        self._threads.shutdown()
        self._busy_thread.shutdown()
        done.set()
        self.database.end_sessions()

    def _end_lasting(self) -> None:
        if not self.database.is_closed():
            self.database.close()


def transaction() -> AbstractContextManager[Any]:
    """A transaction of this thread that writes: what is read in it is still true at its end.

    Inside of another it is a part of that one.
    """
    writing: AbstractContextManager[Any] = User._meta.database.writing()
    return writing
