"""The two databases that the router knows, behind one interface: SQLite and PostgreSQL.

What differs is how a thread gets its connection, and how writers are kept apart.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import peewee
from peewee import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    PostgresqlDatabase,
    ProgrammingError,
)
from peewee import SqliteDatabase as PeeweeSqlite

from tornado_router.errors import RouterError
from tornado_router.storage.postgres_connection import (
    SET_UP,
    check_url,
    connection_settings,
    url_title,
)
from tornado_router.storage.process_lock import ProcessLock
from tornado_router.storage.session_lock import SessionLock

PRAGMAS: dict[str, Any] = {
    "journal_mode": "wal",  # readers never wait for the writer
    "synchronous": "normal",
    "foreign_keys": 1,
    "busy_timeout": 5000,
}

TURN = {"lock_timeout": "5s", "idle_in_transaction_session_timeout": "10s"}
"""Settings of a transaction that writes: a router that is frozen in one is hung up on, and the
others do not wait for it that long."""

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
"""The advisory lock of whoever writes: any number that nobody else uses."""


class MissingDriverError(RouterError):
    """The database needs a package that is not installed."""


class Sqlite(PeeweeSqlite):
    """A file of this machine.

    Args:
        path: its folder is made if absent.
    """

    row_faults = (IntegrityError, InterfaceError, ProgrammingError, OverflowError)
    """Exceptions that mean the row is invalid, not that the database is down."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(str(path), pragmas=PRAGMAS, autoconnect=False)
        self.path = path

    def open(self) -> None:
        """Connects this thread, however many routers do so at once with a new file.

        SQLite waits for every lock but the one that turns on a file's write-ahead log.
        """
        deadline = time.monotonic() + PRAGMAS["busy_timeout"] / 1000
        while True:
            try:
                self.connect()
                return
            except OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

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
        """Keeps those away who need the file for themselves, until it is released.

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


class Postgres(PostgresqlDatabase):
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
        try:
            import psycopg  # noqa: F401, PLC0415 - 9 MB, and an extra
        except ImportError:
            raise MissingDriverError(
                "PostgreSQL needs a package: pip install 'tornado-llm-router[postgres]'"
            ) from None
        check_url(url)
        # One form of the URL is enough for Peewee.
        self.url = "postgresql://" + url.partition("://")[2]
        self._connections: set[Any] = set()
        self._is_cut_off = False
        self._new = threading.local()
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
            if _state(error) not in UNUSABLE:
                raise
            self.hang_up()
            raise OperationalError(*error.args) from error

    def end_sessions(self) -> None:
        """Closes the connections of threads that have nothing left to do."""
        while self._connections:
            self._connections.pop().close()

    def cut_off(self) -> None:
        """Makes queries fail that still run: nobody waits for their answers any more.

        Nor does a thread connect any more, which would take as long again.
        """
        from psycopg import Error  # noqa: PLC0415 - see above

        self._is_cut_off = True
        for connection in tuple(self._connections):
            # Its thread is using it, so the line is closed, and not the connection itself.
            with suppress(Error, OSError), _line(connection) as line:
                line.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Closes this thread's connection, whatever state it is in."""
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
        session to somebody else.
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

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Connects this thread, while others may do so too: see Peewee.

        Peewee's own lets one thread at a time wait for the server. If that hangs, the last of them
        would wait for as long as all of them together.
        """
        if self.is_closed():
            with peewee.__exception_wrapper__:  # type: ignore[attr-defined]  # for its extensions
                self._new.connection = self._new_connection()
        connected: bool = super().connect(reuse_if_open)
        return connected

    def _connect(self) -> Any:
        return self._new.connection

    def _new_connection(self) -> Any:
        self._refuse_if_cut_off()
        connection = super()._connect()  # type: ignore[misc]  # Peewee types only what is public
        self._connections.add(connection)  # before a statement runs, which may have to be cut off
        try:
            self._refuse_if_cut_off()
            connection.execute(SET_UP)
        except BaseException:
            self._connections.discard(connection)
            connection.close()
            raise
        return connection

    def _refuse_if_cut_off(self) -> None:
        if self._is_cut_off:
            raise OperationalError("the router stops")

    def _close(self, connection: Any) -> None:
        self._connections.discard(connection)
        super()._close(connection)  # type: ignore[misc]

    def _is_alive(self) -> bool:
        if self.is_closed():
            return False
        try:
            self.execute_sql("SELECT 1")
        except (DatabaseError, InterfaceError):
            return False
        return True


Engine = Sqlite | Postgres


def open_engine(location: Path | str) -> Engine:
    """The database of a location; nothing is connected yet.

    Args:
        location: of an SQLite file, or the URL of a PostgreSQL database.

    Raises:
        MissingDriverError: it needs a package that is not installed.
    """
    return Sqlite(location) if isinstance(location, Path) else Postgres(location)


def title(location: Path | str) -> str:
    """What a person knows a database by, without a password."""
    return str(location) if isinstance(location, Path) else url_title(location)


def _line(connection: Any) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))


def _state(error: Exception) -> str | None:
    """The SQLSTATE of the driver's exception that Peewee wrapped."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)
