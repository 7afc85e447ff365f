"""The request log: keeps the requests and responses of calls, redacted and for a time.

The gateway adds exchanges; a thread makes rows of them. Those that wait are bounded: beyond
that, exchanges are dropped and the log says how many.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from loguru import logger

from tornado_router.background.batch import BatchThread
from tornado_router.config.options import RequestLogOptions
from tornado_router.ledger.exchange import Exchange, ExchangeRedaction
from tornado_router.ledger.request_log_rows import (
    ROWS_PER_TRANSACTION,
    delete_old_rows,
    insert_rows,
)
from tornado_router.observability.redaction import BYTES_PER_CHARACTER
from tornado_router.storage.bulk_insert import Row
from tornado_router.storage.storage import Storage

FLUSH_SECONDS = 0.5
TIDY_SECONDS = 60.0
WAITING_BYTES = 64 * 1024 * 1024


class _Entry:
    """An exchange that waits to be written.

    Attributes:
        size: bytes that it counts for.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.size = len(exchange.request) + len(exchange.response)
        self._exchange: Exchange | None = exchange
        self._row: Row = {}

    def row(self, make: Callable[[Exchange], Row]) -> Row:
        """Its row, which is made once, however often the database refuses it."""
        if self._exchange is not None:
            self._row = make(self._exchange)
            self._exchange = None
        return self._row


class RequestRecorder:
    """Decides which calls the request log keeps, and has them written.

    Args:
        storage: where.
        options: `[request_log]`.
    """

    def __init__(self, storage: Storage, options: RequestLogOptions) -> None:
        self._storage = storage
        self._options = options
        self.keep_out(())
        self._tidied = 0.0
        # None asks for old rows to be deleted, which is done even if none are added any more.
        self._thread = BatchThread[_Entry | None](
            "request log",
            self._write,
            interval=FLUSH_SECONDS,
            most=WAITING_BYTES,
            size=lambda entry: entry.size if entry else 0,
            batch=ROWS_PER_TRANSACTION,
        )

    @property
    def dropped(self) -> int:
        """Calls that should have been kept, but were too many."""
        return self._thread.dropped

    @property
    def room(self) -> int:
        """How many bytes of a response are worth copying."""
        return self._options.max_chars * BYTES_PER_CHARACTER

    def keep_out(self, secrets: Sequence[str]) -> None:
        """Sets the texts that are never kept, beside what `[request_log]` takes out."""
        self._redaction = ExchangeRedaction(self._options, secrets)

    def wants(self, by_route: bool, by_key: bool | None) -> bool:
        """Whether a call is to be kept.

        Args:
            by_route: whether its route says so.
            by_key: whether its key says so; None if it says nothing.
        """
        if self._options.calls == "none" or by_key is False:
            return False
        return self._options.calls == "all" or by_route or bool(by_key)

    def add(self, exchange: Exchange) -> None:
        """Leaves a call to be written. Returns at once."""
        self._thread.add(_Entry(exchange))

    def tidy(self) -> None:
        """Has what is too old deleted, now and then. Returns at once."""
        if time.monotonic() >= self._tidied + TIDY_SECONDS:
            self._tidied = time.monotonic()
            self._thread.add(None)

    def close(self) -> None:
        """Writes what is left."""
        lost = self._thread.close()
        if lost:
            logger.error("request log: {} were lost, as the database did not accept them", lost)

    def _write(self, batch: Sequence[_Entry | None]) -> None:
        rows = [entry.row(self._redaction.row) for entry in batch if entry is not None]
        if rows:
            self._storage.call(lambda: insert_rows(self._storage.database, rows))
        if None in batch:
            self._tidy()

    def _tidy(self) -> None:
        options = self._options
        try:
            self._storage.call(lambda: delete_old_rows(options.days, options.max_rows))
        except Exception as error:  # noqa: BLE001 - raised, it would have the batch written twice
            logger.warning("request log: old rows stay after {}", type(error).__name__)
