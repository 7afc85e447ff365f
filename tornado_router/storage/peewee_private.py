"""What the router uses of Peewee behind its documented interface: nothing else may.

Checked with Peewee 4.5.0 to 4.5.3. `tests/storage/test_peewee_private.py` fails if another version
has these parts no more, or calls them at other times.
"""

from __future__ import annotations

import threading
from typing import Any

import peewee
from peewee import PostgresqlDatabase

from tornado_router.storage.drivers import load_driver


class ParallelPostgres(PostgresqlDatabase):
    """A PostgreSQL database to which threads connect at the same time.

    Peewee's own `connect` holds a lock while it waits for the server, so threads connect one after
    the other. If the server hangs, the last of them waits for as long as all of them together.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        load_driver()
        self._new = threading.local()
        super().__init__(*args, **options)

    def connect(self, reuse_if_open: bool = False) -> bool:
        """Connects this thread: see Peewee."""
        if self.is_closed():
            with peewee.__exception_wrapper__:  # type: ignore[attr-defined]
                self._new.connection = self.open_connection()
        connected: bool = super().connect(reuse_if_open)
        return connected

    def open_connection(self) -> Any:
        """A new connection of the driver. May block; for subclasses to extend."""
        return super()._connect()  # type: ignore[misc]  # Peewee types only what is public

    def close_connection(self, connection: Any) -> None:
        """Closes a connection of the driver; for subclasses to extend."""
        super()._close(connection)  # type: ignore[misc]

    def _connect(self) -> Any:
        """Called by Peewee, which holds its lock meanwhile."""
        return self._new.connection

    def _close(self, connection: Any) -> None:
        """Called by Peewee."""
        self.close_connection(connection)


def sql_state(error: Exception) -> str | None:
    """The SQLSTATE of the driver's exception in one of Peewee's."""
    return getattr(getattr(error, "orig", None), "sqlstate", None)
