"""The record of usage: one row for each call, written in batches off the event loop."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from loguru import logger
from peewee import IntegrityError, OperationalError

from tornado_router.batch import BatchThread
from tornado_router.db import ApiKey, Storage, UsageLog, User, utc
from tornado_router.hookspecs import RequestFinished

FLUSH_SECONDS = 0.25
ROWS_PER_STATEMENT = 200
"""SQLite takes 32,766 parameters in a statement: https://www.sqlite.org/limits.html."""

_COLUMNS = [field.column_name for field in UsageLog._meta.sorted_fields if field.name != "id"]
_INSERT = f"INSERT INTO usage_logs ({', '.join(_COLUMNS)}) VALUES "  # noqa: S608 - names are ours
_IGNORE = " ON CONFLICT (call_id) DO NOTHING"

Row = tuple[Any, ...]


class Ledger:
    """Writes usage to the database, each call once.

    Args:
        storage: the open database.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._thread = BatchThread[RequestFinished](
            "usage rows", self._write, interval=FLUSH_SECONDS, close=self._close_connection
        )

    def add(self, call: RequestFinished) -> None:
        """Leaves a finished call to be written."""
        self._thread.add(call)

    def close(self) -> None:
        """Writes what is left."""
        lost = self._thread.close()
        if lost:
            logger.critical("{} usage rows could not be written and are lost", lost)

    def _write(self, batch: Sequence[RequestFinished]) -> None:
        rows = [_row(call) for call in batch]
        last_used = {call.key_id: utc(call.finished_at) for call in batch}
        # The thread keeps its connection: closing the last one makes SQLite fold its whole
        # write-ahead log into the file.
        self._storage.database.connect(reuse_if_open=True)
        self._insert(rows, last_used)

    def _close_connection(self) -> None:
        if not self._storage.database.is_closed():
            self._storage.database.close()

    def _insert(self, rows: Sequence[Row], last_used: dict[int, datetime.datetime]) -> None:
        database = self._storage.database
        with database.atomic("IMMEDIATE"):
            try:
                with database.atomic():
                    self._insert_many(rows)
            except IntegrityError:
                # A user or a key was deleted while its call ran: its rows stay, without it.
                self._insert_many(_without_deleted(rows))
            except OperationalError:
                raise  # the database is busy or away: the whole batch is tried again
            except Exception:  # noqa: BLE001 - one bad row must not hold up those behind it
                self._insert_each(rows)
            for key_id, time in last_used.items():
                ApiKey.update(last_used_at=time).where(ApiKey.id == key_id).execute()

    def _insert_each(self, rows: Sequence[Row]) -> None:
        for row in rows:
            try:
                with self._storage.database.atomic():
                    self._insert_many(_without_deleted([row]))
            except OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - see above
                logger.critical("the usage of {} cannot be written: {}", row[0], error)

    def _insert_many(self, rows: Sequence[Row]) -> None:
        # Plain SQL: Peewee's insert_many costs 30 us a row, and this thread shares the processor
        # with the event loop.
        database = self._storage.database
        one = "(" + ", ".join([database.param] * len(_COLUMNS)) + ")"
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            part = rows[start : start + ROWS_PER_STATEMENT]
            values = [value for row in part for value in row]
            database.execute_sql(  # type: ignore[no-untyped-call]
                _INSERT + ", ".join([one] * len(part)) + _IGNORE, values
            )


def _row(call: RequestFinished) -> Row:
    """The values of a row, in the order of `_COLUMNS`."""
    first_chunk = call.first_chunk
    return (
        call.call_id,
        call.request_id,
        call.user_id,
        call.key_id,
        call.endpoint,
        call.provider,
        call.model,
        call.target_model,
        call.stream,
        call.status,
        call.error_code,
        call.prompt_tokens,
        call.completion_tokens,
        call.prompt_tokens + call.completion_tokens,
        call.cached_tokens,
        call.reasoning_tokens,
        call.usage_estimated,
        0,  # no prices yet
        round(call.duration * 1000, 3),
        None if first_chunk is None else round(first_chunk * 1000, 3),
        str(utc(call.finished_at)),
    )


def _without_deleted(rows: Sequence[Row]) -> list[Row]:
    user_column, key_column = _COLUMNS.index("user_id"), _COLUMNS.index("api_key_id")
    user_ids = {row[user_column] for row in rows}
    key_ids = {row[key_column] for row in rows}
    users = {user.id for user in User.select(User.id).where(User.id.in_(user_ids))}
    keys = {key.id for key in ApiKey.select(ApiKey.id).where(ApiKey.id.in_(key_ids))}
    kept = []
    for row in rows:
        values = list(row)
        if values[user_column] not in users:
            values[user_column] = None
        if values[key_column] not in keys:
            values[key_column] = None
        kept.append(tuple(values))
    return kept
