"""PostgreSQL: a server, as the router uses it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any

from peewee import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
)

from tornado_router.errors import RouterError
from tornado_router.storage.drivers import load_driver
from tornado_router.storage.peewee_private import ParallelPostgres, sql_state
from tornado_router.storage.postgres_connection import SET_UP, check_url, connection_settings
from tornado_router.storage.session_lock import SessionLock

TURN = {"lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
"""Settings of a transaction that writes: the connection of a router that is frozen in one is
closed, and the others do not wait for it that long."""

LONG_TURN = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "10min",
}
"""The same for migrations and copies."""

UNUSABLE = ("25006", "25P03", "25P04")
"""States that PostgreSQL files under internal errors, but that only another connection heals: a
read-only session, and transactions that the server ended:
https://www.postgresql.org/docs/current/errcodes-appendix.html."""

WRITER = int.from_bytes(b"tr:write")
"""The advisory lock of the writer: any number that is used for nothing else."""


class MissingDriverError(RouterError):
    """The database needs a package that is not installed."""


def require_driver() -> None:
    """Loads psycopg, or refuses to go on without it.

    Raises:
        MissingDriverError: it is not installed.
    """
    try:
        load_driver()
    except ImportError:
        raise MissingDriverError(
            "PostgreSQL needs a package: pip install 'tornado-llm-router[postgres]'"
        ) from None


class Postgres(ParallelPostgres):
    """A PostgreSQL server.

    Args:
        url: as libpq takes it: `postgresql://user:password@host:5432/name?sslmode=verify-full`.

    Raises:
        LocationError: the URL cannot be what was meant.
        MissingDriverError: psycopg is not installed.
    """

    row_faults = (IntegrityError, DataError)
    """Exceptions that mean the row is invalid, not that the database is down."""

    def __init__(self, url: str) -> None:
        require_driver()
        check_url(url)
        # One form of the URL is enough for Peewee.
        self.url = "postgresql://" + url.partition("://")[2]
        self._connections: set[Any] = set()
        self._is_cut_off = False
        super().__init__(
            self.url,
            autoconnect=False,
            prefer_psycopg3=True,
            prepare_threshold=None,  # a pooler between may give each transaction another session
            **connection_settings(url),
        )

    def open(self) -> None:
        """Connects this thread."""
        self.connect()

    @contextmanager
    def session(self, *, lasting: bool = True) -> Iterator[None]:
        """A connection of this thread's own.

        One that the server has closed since is replaced, so that no query fails because of a
        restart in between.

        Args:
            lasting: has no meaning here. It stays open, as opening one takes many milliseconds.

        Raises:
            OperationalError: the database is away, read-only, or does not answer in time.
        """
        if not self._is_alive():
            self.hang_up()
            self.connect()
        try:
            yield
        except (OperationalError, InterfaceError):
            self.hang_up()
            raise
        except InternalError as error:
            if sql_state(error) not in UNUSABLE:
                raise
            self.hang_up()
            raise OperationalError(*error.args) from error

    def end_sessions(self) -> None:
        """Closes the connections of threads that have nothing left to do."""
        while self._connections:
            self._connections.pop().close()

    def cut_off(self) -> None:
        """Makes queries fail that still run, as their results are not awaited any more.

        Nor does a thread connect any more, which would take as long again.
        """
        from psycopg import Error  # noqa: PLC0415 - 9 MB, and an extra

        self._is_cut_off = True
        for connection in tuple(self._connections):
            # Its thread is using it, so the line is closed, and not the connection itself.
            with suppress(Error, OSError), _line(connection) as line:
                line.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Closes this thread's connection, in any state."""
        with suppress(DatabaseError, InterfaceError):
            self.close()

    @contextmanager
    def writing(self, *, long: bool = False) -> Iterator[None]:
        """A transaction that is the only one to write from its beginning to its end.

        As on SQLite: what is read in it is still true when it is written, and no two of them wait
        for each other crosswise. Inside of another it is a part of that one.

        Args:
            long: whether it may take, and wait for its turn, as long as it needs to.

        Raises:
            OperationalError: it was not its turn in time.
        """
        outermost = not self.in_transaction()
        with self.atomic():
            if outermost:
                self._take_turn(long=long)
            yield

    def altering(self) -> AbstractContextManager[None]:
        """A transaction like `writing` that may alter tables, for as long as it needs to."""
        return self.writing(long=True)

    def reading(self) -> AbstractContextManager[Any]:
        """A transaction that sees the database as it is at one moment."""
        atomic: AbstractContextManager[Any] = self.atomic("REPEATABLE READ")
        return atomic

    def claim(self, lost: Callable[[], None] = lambda: None) -> SessionLock:
        """Keeps other routers away until it is released.

        Args:
            lost: called, on another thread, when another router has taken its place, as the
                connection that held the lock had broken.

        Raises:
            LockedError: one is there.
        """
        return SessionLock(self.url, lost)

    def share(self) -> None:
        """Does nothing: routers that share their limits may be many."""

    def _take_turn(self, *, long: bool) -> None:
        """Waits until this transaction is the only one that writes.

        The settings are for this transaction alone: between transactions, a pooler may give the
        session to another client.
        """
        turn = LONG_TURN if long else TURN
        settings = ", ".join(["set_config(%s, %s, true)"] * len(turn))
        values = [word for pair in turn.items() for word in pair]
        lock = "pg_advisory_xact_lock(%s)"
        if long:
            # First, as the time that a statement may take is fixed when it begins.
            self.execute_sql(f"SELECT {settings}", values)
            self.execute_sql(f"SELECT {lock}", (WRITER,))
        else:
            self.execute_sql(f"SELECT {settings}, {lock}", (*values, WRITER))

    def open_connection(self) -> Any:
        """See `ParallelPostgres`."""
        self._refuse_if_cut_off()
        connection = super().open_connection()
        self._connections.add(connection)  # before a statement runs, which may have to be cut off
        try:
            self._refuse_if_cut_off()
            connection.execute(SET_UP)
        except BaseException:
            self._connections.discard(connection)
            connection.close()
            raise
        return connection

    def close_connection(self, connection: Any) -> None:
        """See `ParallelPostgres`."""
        self._connections.discard(connection)
        super().close_connection(connection)

    def _refuse_if_cut_off(self) -> None:
        if self._is_cut_off:
            raise OperationalError("the router stops")

    def _is_alive(self) -> bool:
        if self.is_closed():
            return False
        try:
            self.execute_sql("SELECT 1")
        except (DatabaseError, InterfaceError):
            return False
        return True


def _line(connection: Any) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))
