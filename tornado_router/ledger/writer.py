"""The record of usage: one row for each call, written in batches off the event loop.

On its way to the database a call is in a journal, which outlives the process.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from loguru import logger
from peewee import CharField, IntegrityError

from tornado_router.background.batch import STOP_SECONDS, BackgroundThread
from tornado_router.config.options import LedgerOptions
from tornado_router.errors import first_line
from tornado_router.hookspecs import RequestFinished
from tornado_router.ledger.journal import Journal, Segment, left_behind
from tornado_router.storage import bulk_insert
from tornado_router.storage.bulk_insert import Row
from tornado_router.storage.tables import SUMS, ApiKey, Storage, UsageLog, User, billionths, utc
from tornado_router.usage import QUANTITIES

FLUSH_SECONDS = 0.25
LONGEST_STOP_SECONDS = 8.0
"""A stop waits no longer than this, even for a database that still takes rows."""

DAY_SECONDS = 24 * 3600
COMPLAINT_SECONDS = 60
"""How often it is said that the database takes nothing."""

BATCH_BYTES = 200_000
"""Of the journal, some 500 calls: the database is locked for as long as they take."""

MEGABYTE = 1024 * 1024
_TEXTS = {
    field.name: field.max_length
    for field in UsageLog._meta.sorted_fields
    if isinstance(field, CharField) and field.name in RequestFinished._fields
}
"""The columns with a text that somebody else chose, and its length."""

_ONCE = "ON CONFLICT (call_id) DO NOTHING RETURNING call_id"
_DAY = ("user_id", "day", "api_key_id", "provider", "model")
_ADD_TO_DAY = f"ON CONFLICT ({', '.join(_DAY)}) DO UPDATE SET " + ", ".join(
    f"{name} = usage_days.{name} + excluded.{name}" for name in SUMS
)

Day = tuple[int, int, int, str, str]
"""User, days since 1970, key, provider and model, as the index of the table has them."""


class RunningCall(NamedTuple):
    """What is known of a call when it begins; see `RequestFinished`."""

    call_id: str
    request_id: str
    endpoint: str
    user_id: int
    key_id: int
    key_name: str
    model: str
    stream: bool


_FIELDS = orjson.dumps(["fields", RunningCall._fields, RequestFinished._fields])
"""The first record of each file of the journal: an older or newer router may have to read it."""

_DECIMALS = [RequestFinished._fields.index(name) for name in ("cost", "uncharged")]

_BEGUN, _RUNNING, _FINISHED = b"[0,", b"[1,", b"[2,"
"""How the other records begin."""

_NULLABLE = ("provider", "target_model", "error_code", "prices", "first_chunk")
_UNKNOWN = {**dict.fromkeys(_NULLABLE), "dropped_params": (), "client_address": ""}
"""What is not known of a call that has just begun; any other field is 0."""


class Ledger:
    """Keeps the books: rows of usage, their sums by day, and what they took from whose credits.

    A call is in the journal before its answer is whole, and from there it gets into the database.
    All three books change in one transaction, and only by rows that were not there before, so a
    call that is written again changes nothing.

    To be made before anybody is served: it first writes what killed routers left behind.

    Args:
        storage: the open database.
        options: how large the journal may grow, and what happens then.
        folder: of the journal.

    Attributes:
        lost: calls that were not recorded.
        limit: the most bytes that the journal may have.
        stuck: whether the database did not accept usage at the last try.

    Raises:
        OSError: the journal cannot be written.
    """

    def __init__(self, storage: Storage, options: LedgerOptions, folder: Path) -> None:
        self.lost = 0
        self._invalid = 0
        self._storage = storage
        self.limit = options.journal_mb * MEGABYTE
        self._refuses = options.when_full == "refuse"
        self._running: dict[str, bytes] = {}
        self._homeless: deque[bytes] = deque()
        self.stuck = False
        self._complained = float("-inf")
        self._alarmed = False
        self._recover(folder)
        self._journal = Journal(folder, lambda: [_FIELDS, *self._running.values()])
        self._thread = BackgroundThread(
            "usage rows", self._work, interval=FLUSH_SECONDS, close=self._close_connection
        )

    @property
    def backlog(self) -> int:
        """Bytes of the journal that wait for the database."""
        return self._journal.waiting

    def takes_more(self) -> bool:
        """Whether another call may begin: not if it could not be recorded."""
        if self._homeless:
            self._house()
        elif self._journal.size < self.limit // 2:
            self._alarmed = False
            return True
        self._alarm()
        return not self._refuses or not self._is_full()

    def begin(self, call: RunningCall) -> None:
        """Notes a call that is sent to a provider now."""
        record = self._running[call.call_id] = _record(_BEGUN, call)
        self._append(record)

    def note(self, call: RequestFinished) -> None:
        """Notes what a call that runs has come to, for which it is charged if the router dies."""
        record = self._running[call.call_id] = _record(_RUNNING, call)
        self._append(record)

    def add(self, call: RequestFinished) -> None:
        """Records a finished call."""
        self._running.pop(call.call_id, None)
        self._append(_record(_FINISHED, call))
        self._thread.wake()

    def close(self) -> None:
        """Writes what is left; what the database does not take waits for the next start."""
        self._house()
        if self._end_thread():
            self._journal.close()
        self.lost += len(self._homeless)
        if self.lost:
            logger.critical("the usage of {} calls was not recorded", self.lost)

    def _end_thread(self) -> bool:
        """Waits for the thread while it makes progress; False if it has not ended in time."""
        deadline = time.monotonic() + LONGEST_STOP_SECONDS
        waiting = self._journal.waiting
        while not self._thread.close(min(STOP_SECONDS, deadline - time.monotonic())):
            before, waiting = waiting, self._journal.waiting
            if before == waiting or time.monotonic() >= deadline:
                logger.error("the database is too slow; the next start writes the usage that waits")
                self._complained = time.monotonic()  # so that is said once
                return False
        return True

    def _append(self, record: bytes) -> None:
        if not self._refuses and self._is_full():
            self.lost += record.startswith(_FINISHED)
            return
        self._homeless.append(record)
        self._house()

    def _house(self) -> None:
        """Puts into the journal what is not there: one record, or all since the disk is full."""
        try:
            while self._homeless:
                self._journal.append(self._homeless[0])
                self._homeless.popleft()
        except OSError as error:
            self._alarm(f"its journal cannot be written: {error}")

    def _is_full(self) -> bool:
        return bool(self._homeless) or self._journal.size >= self.limit

    def _alarm(self, why: str = "the database takes none") -> None:
        """Says once that there will be no room for usage, if nobody does something about it."""
        if not self._alarmed:
            self._alarmed = True
            logger.critical("{} MB of usage wait: {}", self._journal.size // MEGABYTE, why)

    def _work(self) -> bool:
        """Writes what is in the journal; False if the database does not take it."""
        written = 0
        while records := self._journal.unread(BATCH_BYTES):
            calls = list(_finished(records))
            try:
                written += self._write(calls)
            except Exception as error:  # noqa: BLE001 - whatever it is, nothing must be lost
                self._complain(len(calls), error)
                self._journal.sync()
                return False
            self._journal.done()
            self._storage.away = False
        if self.stuck:
            self.stuck = False
            self._complained = float("-inf")
            logger.info("the database accepts usage again; rows written: {}", written)
        return True

    def _complain(self, count: int, error: Exception) -> None:
        self.stuck = True
        now = time.monotonic()
        if now >= self._complained + COMPLAINT_SECONDS:
            self._complained = now
            wait = "1 call waits" if count == 1 else f"{count} calls wait"
            logger.error(
                "the database does not accept usage; {} in the journal: {}: {}",
                wait,
                type(error).__name__,
                first_line(error),
            )

    def _recover(self, folder: Path) -> None:
        """Writes what routers left behind that did not end well."""
        segments = list(left_behind(folder))
        running: dict[str, RequestFinished] = {}
        finished = 0
        for segment in segments:
            for calls in _recorded(segment, running):
                finished += self._write(calls, long=True)
        interrupted = self._write(
            [call._replace(status=500, error_code="interrupted") for call in running.values()],
            long=True,
        )
        self._close_connection()
        for segment in segments:
            segment.delete()
        if finished or interrupted:
            logger.warning(
                "recovered from the journal: {} finished and {} interrupted calls",
                finished,
                interrupted,
            )

    def _write(self, batch: Sequence[RequestFinished], *, long: bool = False) -> int:
        """Writes calls; returns how many were not there yet.

        Args:
            batch: the calls.
            long: whether to wait for as long as somebody else writes.
        """
        if not batch:
            return 0
        batch = [_storable(call) for call in batch]
        database = self._storage.database
        self._invalid = 0
        with database.session(lasting=True), database.writing(long=long):
            written = self._insert([_row(call) for call in batch])
            calls = {call.call_id: call for call in batch if call.call_id in written}
            self._add_to_days(calls.values())
            self._take_credits(calls.values())
            last_used = {call.key_id: call.finished_at for call in batch}
            for key_id in sorted(last_used):
                moment = utc(last_used[key_id])
                ApiKey.update(last_used_at=moment).where(ApiKey.id == key_id).execute()
        self.lost += self._invalid  # not before: a batch that fails comes again
        return len(calls)

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
        except database.row_faults:
            return self._insert_each(rows)  # one bad row must not hold up those behind it

    def _insert_each(self, rows: Sequence[Row]) -> set[str]:
        written: set[str] = set()

        def insert(row: Sequence[Row]) -> None:
            written.update(self._insert_many(_without_deleted(row)))

        def complain(row: Row, error: Exception) -> None:
            self._invalid += 1
            logger.critical(
                "the usage of {} cannot be written: {}", row["call_id"], first_line(error)
            )

        bulk_insert.insert_each(self._storage.database, rows, insert, complain)
        return written

    def _insert_many(self, rows: Sequence[Row]) -> set[str]:
        inserted = bulk_insert.insert(self._storage.database, "usage_logs", rows, _ONCE)
        return {call_id for (call_id,) in inserted}

    def _add_to_days(self, calls: Iterable[RequestFinished]) -> None:
        days: dict[Day, dict[str, int]] = {}
        for call in calls:
            day = int(call.finished_at // DAY_SECONDS)
            key = (call.user_id, day, call.key_id, call.provider or "", call.model)
            sums = days.get(key)
            if sums is None:
                sums = days[key] = dict.fromkeys(SUMS, 0)
            sums["requests"] += 1
            sums["errors"] += call.status >= 400
            sums["cost"] += billionths(call.cost)
            for name in QUANTITIES:
                sums[name] += getattr(call, name)
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
                    **days[key],
                }
            )
        bulk_insert.insert(self._storage.database, "usage_days", rows, _ADD_TO_DAY)

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


def _record(head: bytes, call: RunningCall | RequestFinished) -> bytes:
    values = tuple(call)
    try:
        return head + orjson.dumps(values, default=str)[1:]
    except TypeError:  # half a surrogate pair, which a plugin's error may hold
        values = tuple(_unicode(value) if isinstance(value, str) else value for value in values)
        return head + orjson.dumps(values, default=str)[1:]


def _unicode(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _finished(records: Iterable[bytes]) -> Iterator[RequestFinished]:
    """The finished calls among the records of this version of the router."""
    for record in records:
        if record.startswith(_FINISHED):
            yield _call(orjson.loads(record)[1:])


def _recorded(
    segment: Segment, running: dict[str, RequestFinished]
) -> Iterator[list[RequestFinished]]:
    """The finished calls of a file, in batches.

    Args:
        segment: of a router that may have been of another version.
        running: the calls that had not ended, by id; brought up to date.
    """
    begun: Sequence[str] = RunningCall._fields
    fields: Sequence[str] = RequestFinished._fields
    died_at = segment.path.stat().st_mtime
    while records := segment.unread(BATCH_BYTES):
        calls = []
        for record in records.splitlines():
            kind, *values = orjson.loads(record)
            if kind == "fields":
                begun, fields = values
                continue
            names = begun if record.startswith(_BEGUN) else fields
            known = {**_UNKNOWN, "finished_at": died_at, **dict(zip(names, values, strict=True))}
            call = _call([known.get(name, 0) for name in RequestFinished._fields])
            if record.startswith(_FINISHED):
                running.pop(call.call_id, None)
                calls.append(call)
            else:
                running[call.call_id] = call
        segment.read += len(records)
        if calls:
            yield calls


def _call(values: list[Any]) -> RequestFinished:
    for index in _DECIMALS:
        values[index] = Decimal(values[index])
    return RequestFinished._make(values)


def _storable(call: RequestFinished) -> RequestFinished:
    """The call with its texts as every database takes them: not too long, and without a NUL."""
    changes: dict[str, Any] = {}
    for name, most in _TEXTS.items():
        text = getattr(call, name)
        if isinstance(text, str) and (len(text) > most or "\0" in text):
            changes[name] = text.replace("\0", "")[:most]
    return call._replace(**changes) if changes else call


def _row(call: RequestFinished) -> Row:
    first_chunk = call.first_chunk
    return {
        "call_id": call.call_id,
        "request_id": call.request_id,
        "user_id": call.user_id,
        "api_key_id": call.key_id,
        "endpoint": call.endpoint,
        "provider": call.provider,
        "model": call.model,
        "target_model": call.target_model,
        "stream": bool(call.stream),
        "status": call.status,
        "error_code": call.error_code,
        **{name: getattr(call, name) for name in QUANTITIES},
        "total_tokens": call.prompt_tokens + call.completion_tokens,
        "usage_estimated": bool(call.usage_estimated),
        "cache_hit": bool(call.cache_hit),
        "cost": billionths(call.cost),
        "uncharged": billionths(call.uncharged),
        "from_credits": bool(call.paid_from_credits),
        "prices": call.prices,
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
