"""The record of usage: one row for each call, written in batches off the event loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from loguru import logger
from peewee import IntegrityError, OperationalError

from tornado_router.batch import BatchThread
from tornado_router.db import ApiKey, Storage, UsageLog, User, billionths, utc
from tornado_router.hookspecs import RequestFinished

FLUSH_SECONDS = 0.25
DAY_SECONDS = 24 * 3600
ROWS_PER_STATEMENT = 200
"""SQLite takes 32,766 parameters in a statement: https://www.sqlite.org/limits.html."""

_COLUMNS = [field.column_name for field in UsageLog._meta.sorted_fields if field.name != "id"]
_INSERT = f"INSERT INTO usage_logs ({', '.join(_COLUMNS)}) VALUES "  # noqa: S608 - names are ours
_ONCE = " ON CONFLICT (call_id) DO NOTHING RETURNING call_id"

_SUMS = (
    "requests",
    "errors",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost",
)
_DAY = ("user_id", "day", "api_key_id", "provider", "model")
_ADD_TO_DAY = (
    f"INSERT INTO usage_days ({', '.join(_DAY + _SUMS)}) VALUES {{}} "  # noqa: S608 - names are ours
    f"ON CONFLICT ({', '.join(_DAY)}) DO UPDATE SET "
    + ", ".join(f"{name} = usage_days.{name} + excluded.{name}" for name in _SUMS)
)

Row = tuple[Any, ...]
Day = tuple[int, int, int, str, str]
"""User, days since 1970, key, provider and model, as the index of the table has them."""


class Ledger:
    """Keeps the books: rows of usage, their sums by day, and what they took from whose credits.

    All three change in one transaction, and only by rows that were not there before, so a batch
    that is written again changes nothing.

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
        # The thread keeps its connection: closing the last one makes SQLite fold its whole
        # write-ahead log into the file.
        self._storage.database.connect(reuse_if_open=True)
        with self._storage.database.atomic("IMMEDIATE"):
            written = self._insert([_row(call) for call in batch])
            calls = {call.call_id: call for call in batch if call.call_id in written}
            self._add_to_days(calls.values())
            self._take_credits(calls.values())
            last_used = {call.key_id: call.finished_at for call in batch}
            for key_id in sorted(last_used):
                moment = utc(last_used[key_id])
                ApiKey.update(last_used_at=moment).where(ApiKey.id == key_id).execute()

    def _close_connection(self) -> None:
        if not self._storage.database.is_closed():
            self._storage.database.close()

    def _insert(self, rows: Sequence[Row]) -> set[str]:
        """Writes rows; returns the call ids of those that were not there yet."""
        database = self._storage.database
        try:
            with database.atomic():
                return self._insert_many(rows)
        except IntegrityError:
            # A user or a key was deleted while its call ran: its rows stay, without it.
            return self._insert_many(_without_deleted(rows))
        except OperationalError:
            raise  # the database is busy or away: the whole batch is tried again
        except Exception:  # noqa: BLE001 - one bad row must not hold up those behind it
            return self._insert_each(rows)

    def _insert_each(self, rows: Sequence[Row]) -> set[str]:
        written: set[str] = set()
        for row in rows:
            try:
                with self._storage.database.atomic():
                    written |= self._insert_many(_without_deleted([row]))
            except OperationalError:
                raise
            except Exception as error:  # noqa: BLE001 - see above
                logger.critical("the usage of {} cannot be written: {}", row[0], error)
        return written

    def _insert_many(self, rows: Sequence[Row]) -> set[str]:
        # Plain SQL: Peewee's insert_many costs 30 us a row, and this thread shares the processor
        # with the event loop.
        written: set[str] = set()
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            part = rows[start : start + ROWS_PER_STATEMENT]
            cursor = self._execute(_INSERT + self._places(part) + _ONCE, part)
            written.update(call_id for (call_id,) in cursor.fetchall())
        return written

    def _add_to_days(self, calls: Iterable[RequestFinished]) -> None:
        days: dict[Day, list[int]] = {}
        for call in calls:
            day = int(call.finished_at // DAY_SECONDS)
            key = (call.user_id, day, call.key_id, call.provider or "", call.model)
            sums = days.get(key)
            if sums is None:
                sums = days[key] = [0] * len(_SUMS)
            sums[0] += 1
            sums[1] += call.status >= 400
            sums[2] += call.prompt_tokens
            sums[3] += call.completion_tokens
            sums[4] += call.cached_tokens
            sums[5] += call.cache_write_tokens
            sums[6] += call.reasoning_tokens
            sums[7] += billionths(call.cost)
        # In order, so that two routers never wait for each other's rows crosswise.
        rows: list[Row] = []
        for key in sorted(days):
            user_id, day, *rest = key
            rows.append((user_id, utc(day * DAY_SECONDS).date(), *rest, *days[key]))
        for start in range(0, len(rows), ROWS_PER_STATEMENT):
            part = rows[start : start + ROWS_PER_STATEMENT]
            self._execute(_ADD_TO_DAY.format(self._places(part)), part)

    def _take_credits(self, calls: Iterable[RequestFinished]) -> None:
        spent: dict[int, Decimal] = {}
        for call in calls:
            if call.paid_from_credits and call.cost:
                spent[call.user_id] = spent.get(call.user_id, Decimal(0)) + call.cost
        for user_id in sorted(spent):
            cost = spent[user_id]
            User.update(credits=User.credits - cost, spent=User.spent + cost).where(
                User.id == user_id
            ).execute()

    def _places(self, rows: Sequence[Row]) -> str:
        """The placeholders for the values of rows."""
        one = "(" + ", ".join([self._storage.database.param] * len(rows[0])) + ")"
        return ", ".join([one] * len(rows))

    def _execute(self, sql: str, rows: Sequence[Row]) -> Any:
        values = [value for row in rows for value in row]
        return self._storage.database.execute_sql(sql, values)  # type: ignore[no-untyped-call]


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
        call.cache_write_tokens,
        call.reasoning_tokens,
        call.usage_estimated,
        billionths(call.cost),
        billionths(call.uncharged),
        call.paid_from_credits,
        call.prices,
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
