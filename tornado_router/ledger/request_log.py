"""Request logging: keeps what calls asked and were answered, redacted and for a time.

The gateway hands exchanges over; a thread of their own makes rows of them. What is not written
yet is bounded: beyond it, exchanges are dropped and the log says how many.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from loguru import logger
from peewee import fn

from tornado_router.background.batch import BatchThread
from tornado_router.config.options import RequestLogOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.error_codes import Refusal
from tornado_router.observability.redaction import BYTES_PER_CHARACTER, Redaction, as_json
from tornado_router.observability.text import storable_text
from tornado_router.storage import bulk_insert
from tornado_router.storage.bulk_insert import Row
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import RequestLog, User
from tornado_router.storage.values import now, utc

FLUSH_SECONDS = 0.5
TIDY_SECONDS = 60.0
WAITING_BYTES = 64 * 1024 * 1024
ROWS_PER_TRANSACTION = 100
"""Written or deleted: the database is locked for as long as they take."""

_LISTED = [
    field for field in RequestLog._meta.sorted_fields if field.name not in ("request", "response")
]


class Exchange(NamedTuple):
    """What one call asked and was answered.

    Attributes:
        response: the body, or the events of a stream; may be the start of them only.
        response_bytes: of all of it.
    """

    call_id: str
    request_id: str
    user_id: int
    key_id: int
    endpoint: str
    model: str
    status: int
    stream: bool
    finished_at: float
    request: bytes
    response: bytes
    response_bytes: int


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
    """Decides what is kept, and keeps it.

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
        """How many bytes of an answer are worth copying."""
        return self._options.max_chars * BYTES_PER_CHARACTER

    def keep_out(self, secrets: Sequence[str]) -> None:
        """Says what must never be kept, beside what `[request_log]` takes out."""
        options = self._options
        self._redaction = Redaction(
            options.redact, options.redact_fields, secrets, options.max_chars
        )

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
            logger.error("request log: {} were lost, as the database did not take them", lost)

    def _write(self, batch: Sequence[_Entry | None]) -> None:
        rows = [entry.row(self._row) for entry in batch if entry is not None]
        if rows:
            self._storage.call(lambda: self._insert(rows))
        if None in batch:
            self._tidy()

    def _insert(self, rows: Sequence[Row]) -> None:
        database = self._storage.database

        def insert(some: Sequence[Row]) -> None:
            bulk_insert.insert(database, "request_logs", some, "ON CONFLICT (call_id) DO NOTHING")

        with database.writing():
            rows = _of_living_users(rows)
            try:
                with database.atomic():
                    insert(rows)
            except database.row_faults:
                bulk_insert.insert_each(database, rows, insert, _complain)

    def _tidy(self) -> None:
        try:
            self._storage.call(self._delete_old)
        except Exception as error:  # noqa: BLE001 - it is tried again in a minute
            logger.warning("request log: old rows stay after {}", type(error).__name__)

    def _delete_old(self) -> None:
        """Deletes what is older than it may be, and the oldest rows that are too many."""
        self._delete(RequestLog.created_at < now() - datetime.timedelta(days=self._options.days))
        first, last = RequestLog.select(fn.MIN(RequestLog.id), fn.MAX(RequestLog.id)).scalar(
            as_tuple=True
        )
        if first is None or last - first < self._options.max_rows:
            return  # ids only grow, so there cannot be more rows than that
        surplus = (
            RequestLog.select(RequestLog.id)
            .order_by(RequestLog.id.desc())
            .offset(self._options.max_rows)
            .limit(1)
            .scalar()
        )
        if surplus is not None:
            self._delete(RequestLog.id <= surplus)

    def _delete(self, condition: Any) -> None:
        """Deletes rows a few at a time. Nobody else has to wait if there are none."""
        some = RequestLog.select(RequestLog.id).where(condition).limit(ROWS_PER_TRANSACTION)
        while ids := [row.id for row in some.clone()]:
            with self._storage.database.writing():
                RequestLog.delete().where(RequestLog.id.in_(ids)).execute()

    def _row(self, exchange: Exchange) -> Row:
        request_bytes = len(exchange.request)
        model = storable_text(self._redaction.text(exchange.model))
        return {
            "call_id": exchange.call_id,
            "request_id": exchange.request_id,
            "user_id": exchange.user_id,
            "api_key_id": exchange.key_id,
            "endpoint": exchange.endpoint,
            "model": model[: RequestLog.model.max_length],
            "status": exchange.status,
            "request": self._text(lambda: self._redaction.body(exchange.request), request_bytes),
            "request_bytes": request_bytes,
            "response": self._text(lambda: self._answer(exchange), exchange.response_bytes),
            "response_bytes": exchange.response_bytes,
            "created_at": str(utc(exchange.finished_at)),
        }

    def _text(self, make: Callable[[], str], size: int) -> str:
        try:
            return storable_text(make())[: self._options.max_chars]
        except Exception as error:  # noqa: BLE001 - one that is odd must not hold up the others
            logger.error("request log: a text was not readable: {}", type(error).__name__)
            return f"[{size} bytes that could not be read]"

    def _answer(self, exchange: Exchange) -> str:
        whole = len(exchange.response) == exchange.response_bytes
        if not exchange.stream or exchange.response.startswith(b"{"):
            return self._redaction.body(exchange.response, whole=whole)
        endpoint = ENDPOINTS[exchange.endpoint]
        joined = self._redaction.value(endpoint.join(exchange.response))
        if not whole:
            # What was cut off may end with half a secret, or half a property, which no rule knows.
            joined["cut_off"] = True
            endpoint.trim(joined, self._redaction.without_end)
        return as_json(joined)


def _complain(row: Row, error: Exception) -> None:
    logger.error("request log: {} cannot be written: {}", row["call_id"], type(error).__name__)


def _of_living_users(rows: Sequence[Row]) -> list[Row]:
    """The rows of users who were not deleted while their calls ran or waited here."""
    ids = {row["user_id"] for row in rows}
    living = User.select(User.id).where(User.id.in_(ids), User.deleted_at.is_null())
    known = {user.id for user in living}
    return [row for row in rows if row["user_id"] in known]


def find_rows(chosen: Mapping[str, Any], limit: int, after: int | None) -> list[RequestLog]:
    """Rows without their texts, newest first. Blocks.

    Args:
        chosen: values of columns that they have to have; None for any.
        limit: the most there are.
        after: id of the row that they come behind; None for the newest.
    """
    query = RequestLog.select(*_LISTED).order_by(RequestLog.id.desc()).limit(limit)
    for name, value in chosen.items():
        if value is not None:
            query = query.where(getattr(RequestLog, name) == value)
    if after is not None:
        query = query.where(RequestLog.id < after)
    return list(query)


def find_row(row_id: int) -> RequestLog:
    """One row. Blocks.

    Raises:
        ApiError: 404.
    """
    row: RequestLog | None = RequestLog.get_or_none(RequestLog.id == row_id)
    if row is None:
        raise Refusal.request_log_not_found(id=row_id)
    return row


def delete_row(row_id: int) -> None:
    """Deletes one row. Blocks.

    Raises:
        ApiError: 404.
    """
    with RequestLog._meta.database.writing():
        find_row(row_id).delete_instance()
