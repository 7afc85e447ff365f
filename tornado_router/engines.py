"""The two databases that the router knows, behind one interface: SQLite and PostgreSQL.

What differs is how a thread gets its connection, and how writers are kept apart.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from peewee import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    PostgresqlDatabase,
    ProgrammingError,
)
from peewee import SqliteDatabase as PeeweeSqlite

from tornado_router.errors import RouterError
from tornado_router.process_lock import LockedError, ProcessLock

PRAGMAS: dict[str, Any] = {
    "journal_mode": "wal",  # readers never wait for the writer
    "synchronous": "normal",
    "foreign_keys": 1,
    "busy_timeout": 5000,
}

CONNECT_SECONDS = 5
"""For which PostgreSQL is waited for; `connect_timeout` in the URL says otherwise."""

KEEPALIVES = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,  # ms
}
"""A machine that is gone is noticed within half a minute:
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES."""

WRITER = int.from_bytes(b"tr:write")
"""The advisory lock of whoever writes: any number that nobody else uses."""

ROUTER = int.from_bytes(b"tr:alone")
"""The advisory lock of a router that keeps its limits to itself."""

LET_GO_SECONDS = 2.0
"""For which a router waits for that lock."""


class MissingDriverError(RouterError):
    """The database needs a package that is not installed."""


class Sqlite(PeeweeSqlite):
    """A file of this machine.

    Args:
        path: its folder is made if absent.
    """

    row_faults = (IntegrityError, InterfaceError, ProgrammingError, OverflowError)
    """What says that a row is at fault, and not the database."""

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
        """Closes the connections of threads that do nothing any more: there are none."""

    def writing(self) -> AbstractContextManager[Any]:
        """A transaction that is the only one to write from its beginning to its end.

        Inside of another it is a part of that one.
        """
        return self._transaction(() if self.in_transaction() else ("IMMEDIATE",))

    def reading(self) -> AbstractContextManager[Any]:
        """A transaction that sees the database as it is at one moment."""
        return self._transaction(())

    def claim(self) -> ProcessLock:
        """Keeps other routers away until it is released.

        Raises:
            LockedError: one is there.
        """
        return ProcessLock(self.path.with_name(self.path.name + ".lock"))

    def _transaction(self, mode: tuple[str, ...]) -> AbstractContextManager[Any]:
        atomic: AbstractContextManager[Any] = self.atomic(*mode)
        return atomic


class Postgres(PostgresqlDatabase):
    """A PostgreSQL server.

    Args:
        url: as libpq takes it: `postgresql://user:password@host:5432/name?sslmode=verify-full`.

    Raises:
        MissingDriverError: psycopg is not installed.
    """

    row_faults = (IntegrityError, DataError)
    """What says that a row is at fault, and not the database."""

    def __init__(self, url: str) -> None:
        try:
            import psycopg  # noqa: F401, PLC0415 - 9 MB, and an extra
        except ImportError:
            raise MissingDriverError(
                "PostgreSQL needs a package: pip install 'tornado-llm-router[postgres]'"
            ) from None
        # One form of the URL is enough for Peewee.
        self.url = "postgresql://" + url.partition("://")[2]
        self._connections: set[Any] = set()
        super().__init__(
            self.url,
            autoconnect=False,
            prefer_psycopg3=True,
            prepare_threshold=None,  # a pooler between may give each transaction another session
            **_defaults(url),
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
        """
        if not self._is_alive():
            self.hang_up()
            self.connect()
        try:
            yield
        except (OperationalError, InterfaceError):
            self.hang_up()
            raise

    def end_sessions(self) -> None:
        """Closes the connections of threads that do nothing any more."""
        while self._connections:
            self._connections.pop().close()

    def hang_up(self) -> None:
        """Closes this thread's connection, whatever state it is in."""
        with suppress(DatabaseError, InterfaceError):
            self.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that is the only one to write from its beginning to its end.

        As on SQLite: what is read in it is still true when it is written, and no two of them wait
        for each other crosswise. Inside of another it is a part of that one.
        """
        outermost = not self.in_transaction()
        with self.atomic():
            if outermost:
                self.execute_sql("SELECT pg_advisory_xact_lock(%s)", (WRITER,))
            yield

    def reading(self) -> AbstractContextManager[Any]:
        """A transaction that sees the database as it is at one moment."""
        atomic: AbstractContextManager[Any] = self.atomic("REPEATABLE READ")
        return atomic

    def claim(self) -> _SessionLock:
        """Keeps other routers away until it is released.

        Raises:
            LockedError: one is there.
        """
        return _SessionLock(self)

    def _connect(self) -> Any:
        connection = super()._connect()  # type: ignore[misc]  # Peewee types only what is public
        self._connections.add(connection)
        return connection

    def _close(self, connection: Any) -> None:
        self._connections.discard(connection)
        super()._close(connection)  # type: ignore[misc]

    def _is_alive(self) -> bool:
        if self.is_closed():
            return False
        try:
            self.execute_sql("SELECT 1")
        except (OperationalError, InterfaceError):
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
    """What a person knows a database by; the password of a URL is left out."""
    if isinstance(location, Path):
        return str(location)
    parts = urlsplit(location)
    return f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"


class _SessionLock:
    """Held by a connection of its own, so that it ends with the process, however that ends.

    Args:
        database: that it is about.

    Raises:
        LockedError: somebody else holds it.
    """

    def __init__(self, database: Postgres) -> None:
        import psycopg  # noqa: PLC0415 - see above

        self._connection = psycopg.connect(database.url, autocommit=True, **_defaults(database.url))
        # The server may still be about to notice that the process before has ended.
        deadline = time.monotonic() + LET_GO_SECONDS
        while not self._take():
            if time.monotonic() > deadline:
                self._connection.close()
                raise LockedError(title(database.url))
            time.sleep(0.05)

    def _take(self) -> bool:
        row = self._connection.execute("SELECT pg_try_advisory_lock(%s)", (ROUTER,)).fetchone()
        return bool(row and row[0])

    def release(self) -> None:
        """Lets another router have it."""
        self._connection.close()


def _defaults(url: str) -> dict[str, Any]:
    """Settings of a connection, but for those that the URL has."""
    settings = {"connect_timeout": CONNECT_SECONDS, "application_name": "tornado-router"}
    query = urlsplit(url).query
    given = {part.partition("=")[0] for part in query.split("&")}
    return {name: value for name, value in (settings | KEEPALIVES).items() if name not in given}
