"""Writes finished calls to the database: their rows, the sums by day, and what credits paid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import add
from typing import Any

from loguru import logger

from tornado_router.errors import first_line
from tornado_router.ledger.charging import take_credits
from tornado_router.ledger.record import CallRecord
from tornado_router.storage import bulk_insert
from tornado_router.storage.bulk_insert import Row
from tornado_router.storage.sql import CharField
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import SUMS, ApiKey, UsageLog, User
from tornado_router.storage.values import utc
from tornado_router.usage import COMMON, NO_RARE, QUANTITIES, RARE, quantities, rare

DAY_SECONDS = 24 * 3600

_TEXTS = {
    field.name: field.max_length
    for field in UsageLog._meta.sorted_fields
    if isinstance(field, CharField)
}
"""The columns whose texts are chosen by clients and vendors, and their lengths."""

_ONCE = "ON CONFLICT (call_id) DO NOTHING RETURNING call_id"
_DAY = ("user_id", "day", "api_key_id", "provider", "model")
_ADD_TO_DAY = f"ON CONFLICT ({', '.join(_DAY)}) DO UPDATE SET " + ", ".join(
    f"{name} = usage_days.{name} + excluded.{name}" for name in SUMS
)

Day = tuple[int, int, int, str, str]
"""User, days since 1970, key, provider and model, as the index of the table has them."""


class UsageRows:
    """Writes calls in batches, each in one transaction.

    Rows, sums and credits change together, and only by rows that were not there before: a call
    that is written again changes nothing.

    Args:
        storage: the open database.

    Attributes:
        refused: calls whose rows the database refused for good.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.refused = 0

    def write(self, batch: Sequence[CallRecord], *, long: bool = False) -> int:
        """Writes calls; returns the number of those that were not there yet.

        Args:
            batch: the calls.
            long: whether to wait for other writers without a limit.

        Raises:
            peewee.DatabaseError: the database did not accept them; nothing was written.
        """
        if not batch:
            return 0
        batch = [_storable(call) for call in batch]
        refused: set[str] = set()
        database = self._storage.database
        with database.session(lasting=True), database.writing(long=long):
            written = self._insert(_rows(batch), refused)
            calls = {call.call_id: call for call in batch if call.call_id in written}
            self._add_to_days(take_credits(calls.values()))
            _note_use(batch)
        self.refused += len(refused)  # not before: a batch that fails comes again
        return len(calls)

    def close(self) -> None:
        """Closes the connection of this thread."""
        if not self._storage.database.is_closed():
            self._storage.database.close()

    def _insert(self, rows: Sequence[Row], refused: set[str]) -> set[str]:
        """Inserts rows; returns the call ids of those that were not there yet."""
        database = self._storage.database
        try:
            with database.atomic():
                return self._insert_many(rows)
        except database.row_faults:
            pass
        try:
            with database.atomic():  # a user or a key may have been deleted while its call ran
                return self._insert_many(_without_deleted(rows))
        except database.row_faults:
            return self._insert_each(rows, refused)

    def _insert_each(self, rows: Sequence[Row], refused: set[str]) -> set[str]:
        written: set[str] = set()

        def insert(row: Sequence[Row]) -> None:
            written.update(self._insert_many(_without_deleted(row)))

        def complain(row: Row, error: Exception) -> None:
            refused.add(row["call_id"])
            kind = type(error).__name__
            logger.critical(
                "the usage of {} cannot be written: {}: {}", row["call_id"], kind, first_line(error)
            )

        bulk_insert.insert_each(self._storage.database, rows, insert, complain)
        return written

    def _insert_many(self, rows: Sequence[Row]) -> set[str]:
        inserted = bulk_insert.insert(self._storage.database, "usage_logs", rows, _ONCE)
        return {call_id for (call_id,) in inserted}

    def _add_to_days(self, calls: Iterable[CallRecord]) -> None:
        days: dict[Day, tuple[float, ...]] = {}
        for call in calls:
            day, charge = int(call.finished_at // DAY_SECONDS), call.charge
            key = (call.user_id, day, call.key_id, call.provider or "", call.model)
            unpriced = charge.prices is None and call.is_unpriced
            # In the order of `SUMS`.
            failed = int(call.status >= 400)  # PostgreSQL takes no truth for a number
            numbers = (1, failed, int(unpriced), *quantities(call.usage), charge.charged)
            sums = days.get(key)
            days[key] = numbers if sums is None else tuple(map(add, sums, numbers))
        # In order, so that two routers never wait for each other's rows crosswise.
        rows: list[Row] = []
        for key in sorted(days):
            user_id, day, key_id, provider, model = key
            rows.append(
                {
                    "user_id": user_id,
                    "day": utc(day * DAY_SECONDS).date(),
                    "api_key_id": key_id,
                    "provider": provider,
                    "model": model,
                    **dict(zip(SUMS, days[key], strict=True)),
                }
            )
        bulk_insert.insert(self._storage.database, "usage_days", rows, _ADD_TO_DAY)


def _note_use(batch: Sequence[CallRecord]) -> None:
    """Notes when keys were last used: by calls that may have waited longer than later ones."""
    last_used: dict[int, float] = {}
    for call in batch:
        last_used[call.key_id] = max(call.finished_at, last_used.get(call.key_id, 0.0))
    known = ApiKey.last_used_at
    for key_id in sorted(last_used):
        moment = utc(last_used[key_id])
        is_later = known.is_null() | (known < moment)
        ApiKey.update(last_used_at=moment).where((ApiKey.id == key_id) & is_later).execute()


def _storable(call: CallRecord) -> CallRecord:
    """The call with its texts as every database takes them: not too long, and without a NUL."""
    changes: dict[str, Any] = {}
    for name, most in _TEXTS.items():
        text = getattr(call, name)
        if isinstance(text, str) and (len(text) > most or "\0" in text):
            changes[name] = text.replace("\0", "")[:most]
    return call._replace(**changes) if changes else call


def _rows(calls: Iterable[CallRecord]) -> list[Row]:
    """The rows of calls, all with the same columns.

    Rare quantities are among them only if a call has some: they are 0 by default, and each column
    costs every row.
    """
    made = [(_row(call), rare(call.usage)) for call in calls]
    if all(numbers == NO_RARE for _, numbers in made):
        return [row for row, _ in made]
    return [row | dict(zip(RARE, numbers, strict=True)) for row, numbers in made]


def _row(call: CallRecord) -> dict[str, Any]:
    usage, charge, first_chunk = call.usage, call.charge, call.first_chunk
    return {
        "call_id": call.call_id,
        "request_id": call.request_id,
        "user_id": call.user_id,
        "api_key_id": call.key_id,
        "endpoint": call.endpoint,
        "provider": call.provider,
        "model": call.model,
        "target_model": call.target_model,
        "stream": call.stream,
        "status": call.status,
        "error_code": call.error_code,
        **dict(zip(QUANTITIES, usage[:COMMON], strict=False)),
        "total_tokens": usage.total_tokens,
        "usage_estimated": usage.estimated,
        "cache_hit": call.cache_hit,
        "cost": charge.charged,
        "uncharged": charge.uncharged,
        "from_credits": call.paid_from_credits,
        "prices": charge.prices,
        "duration_ms": round(call.duration * 1000, 3),
        "first_chunk_ms": None if first_chunk is None else round(first_chunk * 1000, 3),
        "created_at": str(utc(call.finished_at)),
    }


def _without_deleted(rows: Sequence[Row]) -> list[Row]:
    """The rows without the users and keys that were deleted since."""
    user_ids = {row["user_id"] for row in rows}
    key_ids = {row["api_key_id"] for row in rows}
    users = {user.id for user in User.select(User.id).where(User.id.in_(user_ids))}
    keys = {key.id for key in ApiKey.select(ApiKey.id).where(ApiKey.id.in_(key_ids))}
    return [
        {
            **row,
            "user_id": row["user_id"] if row["user_id"] in users else None,
            "api_key_id": row["api_key_id"] if row["api_key_id"] in keys else None,
        }
        for row in rows
    ]
