"""The database: its tables, and how a coroutine asks them.

Peewee blocks, so the event loop never calls it: `Storage.run` does, on a few threads. Models are
bound to the one database of the process when it is opened, as Peewee's documentation has it.
"""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from peewee import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    FloatField,
    ForeignKeyField,
    IntegerField,
    InterfaceError,
    Model,
    OperationalError,
    TextField,
)

from tornado_router.background.supervisor import SupervisedThread, thread_pool
from tornado_router.error_codes import Refusal
from tornado_router.storage import migrator
from tornado_router.storage.databases import open_engine
from tornado_router.usage import QUANTITIES

T = TypeVar("T")

THREADS = 4
PATIENCE_SECONDS = 30.0
"""How long a coroutine waits for its queries."""

STOP_SECONDS = 3.0
"""How long a stop waits for queries that still run; nobody is waiting for their answers."""

EPOCH = datetime.datetime(1970, 1, 1)


def now() -> datetime.datetime:
    """The time as the tables hold it: UTC, without a zone."""
    return utc(time.time())


def utc(timestamp: float) -> datetime.datetime:
    """A time in seconds since 1970, as the tables hold it."""
    return EPOCH + datetime.timedelta(seconds=timestamp)


BILLION = Decimal(1_000_000_000)
"""Amounts of US dollars are held as whole billionths, so that sums are exact everywhere."""


def billionths(amount: Decimal) -> int:
    """An amount of dollars in billionths."""
    return int(amount * BILLION)


def dollars(amount: int) -> Decimal:
    """An amount of billionths in dollars."""
    return amount / BILLION


class MoneyField(BigIntegerField):
    """An amount of US dollars, held as whole billionths."""

    def db_value(self, value: Decimal | int | None) -> int | None:
        """The whole billionths of an amount."""
        return None if value is None else int((Decimal(value) * BILLION).to_integral_value())

    def python_value(self, value: int | None) -> Decimal | None:
        """The amount of so many billionths."""
        return None if value is None else value / BILLION


class User(Model):
    """Somebody who holds keys.

    `credits` is what is left, `spent` what was paid from them for calls, and their sum what was
    ever put in: it changes with a `CreditEntry` alone, so that no read of it races with a call.
    A token of a log-in carries the `session_version` that it was made under, and dies with it.
    A deleted user's row stays for its usage, without a name or an address: its id is never reused.
    """

    id = AutoField()
    email = CharField(unique=True)
    name = CharField()
    password_hash = CharField()
    plan = CharField(default="free")
    credits = MoneyField(default=0)
    spent = MoneyField(default=0)
    is_admin = BooleanField(default=False)
    is_active = BooleanField(default=True)
    session_version = IntegerField(default=1)
    deleted_at = DateTimeField(null=True)
    created_at = DateTimeField(default=now)
    updated_at = DateTimeField(default=now)

    class Meta:
        table_name = "users"


class ApiKey(Model):
    """What a client shows. Only its digest is kept; `prefix` lets a person tell keys apart.

    A limit that is null does not hold, and a null in `log_requests` leaves that to the route.
    `permissions` is a JSON object (see `accounts.permissions`). After a rotation the digest before
    works on for a while. A revoked key stays, for its usage.
    """

    id = AutoField()
    user = ForeignKeyField(User, backref="keys", on_delete="CASCADE")
    key_hash = CharField(max_length=64, unique=True)
    prefix = CharField(max_length=16)
    name = CharField()
    permissions = TextField(default="[]")
    rate_limit_rpm = IntegerField(default=60, null=True)
    rate_limit_tpm = IntegerField(default=10_000, null=True)
    max_in_flight = IntegerField(null=True)
    budget = MoneyField(null=True)
    budget_period = CharField(max_length=16, default="month")
    is_active = BooleanField(default=True)
    expires_at = DateTimeField(null=True)
    revoked_at = DateTimeField(null=True)
    previous_hash = CharField(max_length=64, null=True, unique=True)
    previous_expires_at = DateTimeField(null=True)
    log_requests = BooleanField(null=True)
    created_at = DateTimeField(default=now)
    last_used_at = DateTimeField(null=True)

    class Meta:
        table_name = "api_keys"


class UsageLog(Model):
    """What one call used. Rows outlive the user and the key that they were made for.

    `call_id` is the router's own and unique, so a row is never written twice; `request_id` is
    what the client saw, and may have chosen. `cost` is what was charged, and `uncharged` what the
    call cost beyond the money that was there; `from_credits` says whether its user's credits paid
    it. `prices` is the JSON object of the prices that were
    used, or null for a model without.
    """

    id = BigAutoField()
    call_id = CharField(max_length=40, unique=True)
    request_id = CharField(max_length=128)
    user = ForeignKeyField(User, null=True, on_delete="SET NULL", index=False)
    api_key = ForeignKeyField(ApiKey, null=True, on_delete="SET NULL", index=False)
    endpoint = CharField()
    provider = CharField(null=True)
    model = CharField()
    target_model = CharField(null=True)
    stream = BooleanField()
    status = IntegerField()
    error_code = CharField(null=True)
    total_tokens = IntegerField()
    usage_estimated = BooleanField()
    cache_hit = BooleanField(default=False)
    cost = MoneyField(default=0)
    uncharged = MoneyField(default=0)
    from_credits = BooleanField(default=False)
    prices = TextField(null=True)
    duration_ms = FloatField()
    first_chunk_ms = FloatField(null=True)
    created_at = DateTimeField(default=now)

    class Meta:
        table_name = "usage_logs"
        indexes = (
            (("user", "created_at"), False),
            (("api_key", "created_at"), False),
            (("created_at",), False),
        )


class UsageDay(Model):
    """The sums of the rows of one day, in UTC, so that nobody has to add up millions of them.

    Written with the rows, in one transaction. `user_id` and `api_key_id` stay when the user and
    the key are gone; `provider` is empty for calls that reached none.
    """

    id = BigAutoField()
    day = DateField()
    user_id = IntegerField()
    api_key_id = IntegerField()
    provider = CharField(default="")
    model = CharField()
    requests = IntegerField(default=0)
    errors = IntegerField(default=0)
    cost = MoneyField(default=0)

    class Meta:
        table_name = "usage_days"
        indexes = (
            (("user_id", "day", "api_key_id", "provider", "model"), True),
            (("api_key_id", "day"), False),
            (("day",), False),
        )


for _name in QUANTITIES:  # each is a column of both tables
    UsageLog._meta.add_field(_name, IntegerField(default=0))
    UsageDay._meta.add_field(_name, BigIntegerField(default=0))

SUMS = ("requests", "errors", *QUANTITIES, "cost")
"""The columns of `UsageDay` that are sums."""


class CreditEntry(Model):
    """One change of a user's credits that no call made: how much, why, and by whom."""

    id = AutoField()
    user = ForeignKeyField(User, backref="credit_entries", on_delete="CASCADE")
    amount = MoneyField()
    balance = MoneyField()
    kind = CharField(max_length=16)
    reason = CharField()
    actor = CharField()
    created_at = DateTimeField(default=now)

    class Meta:
        table_name = "credit_entries"


class Invite(Model):
    """Lets one person register. Only the digest of its code is kept."""

    id = AutoField()
    code_hash = CharField(max_length=64, unique=True)
    email = CharField(null=True)
    plan = CharField(null=True)
    created_by = CharField()
    created_at = DateTimeField(default=now)
    expires_at = DateTimeField()
    used_at = DateTimeField(null=True)
    used_by = ForeignKeyField(User, null=True, on_delete="SET NULL")

    class Meta:
        table_name = "invites"


class RequestLog(Model):
    """What one call asked and was answered, where request logging is on; see `request_log`.

    Rows hold no foreign keys, so that writing them never fails; a user's are deleted with the user.
    """

    id = BigAutoField()
    call_id = CharField(max_length=40, unique=True)
    request_id = CharField(max_length=128, index=True)
    user_id = IntegerField(index=True)
    api_key_id = IntegerField()
    endpoint = CharField()
    model = CharField()
    status = IntegerField()
    request = TextField()
    request_bytes = IntegerField()
    response = TextField()
    response_bytes = IntegerField()
    created_at = DateTimeField(index=True)

    class Meta:
        table_name = "request_logs"


MAX_ID = 2**31 - 1
"""Of a row: larger numbers do not fit into the column on every database."""

MODELS = (User, ApiKey, UsageLog, UsageDay, CreditEntry, Invite, RequestLog)


def transaction() -> AbstractContextManager[Any]:
    """A transaction of this thread that writes: what is read in it is still true at its end.

    Inside of another it is a part of that one.
    """
    writing: AbstractContextManager[Any] = User._meta.database.writing()
    return writing


class Storage:
    """The open database of this process.

    Args:
        location: of an SQLite file, or the URL of a PostgreSQL database.
        migrate: whether its schema is brought up to date; otherwise one that is not is refused.

    Raises:
        MissingDriverError: it needs a package that is not installed.
        SchemaError: its schema is newer than this version of the router, or older.

    Attributes:
        away: whether the last queries of a coroutine were not done.
    """

    def __init__(self, location: Path | str, *, migrate: bool = True) -> None:
        self.away = False
        self.database = open_engine(location)
        self.database.bind(MODELS)
        self._threads = thread_pool("database", THREADS)
        self._stopped_at = float("inf")
        self.database.open()
        try:
            if migrate:
                migrator.migrate(self.database)
            elif migrator.pending(self.database):
                raise migrator.SchemaError(
                    "its schema is not that of this version; run: tornado-router db migrate"
                )
        finally:
            self.database.close()

    def call(self, work: Callable[[], T]) -> T:
        """Runs queries on a connection of this thread's own, and blocks until they are done."""
        with self.database.session():
            return work()

    async def run(self, work: Callable[[], T]) -> T:
        """Runs queries on one of the database's threads.

        Raises:
            DatabaseAwayError: they were not done, or not in time.
        """
        loop = asyncio.get_running_loop()
        try:
            done = loop.run_in_executor(self._threads, self.call, work)
            result = await asyncio.wait_for(done, PATIENCE_SECONDS)
        except (InterfaceError, OperationalError, TimeoutError) as error:
            self.away = True
            raise Refusal.database_away() from error
        self.away = False
        return result

    def stop(self) -> None:
        """Begins no more work of coroutines; `call` still works. Returns at once."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._stopped_at = min(self._stopped_at, time.monotonic())

    def close(self) -> None:
        """Ends the threads once they are done, or cuts off what takes too long since `stop`."""
        self.stop()
        left = self._stopped_at + STOP_SECONDS - time.monotonic()
        if left <= 0:
            self.database.cut_off()
        done = threading.Event()
        SupervisedThread("database cut-off", lambda: done.wait(left) or self.database.cut_off())
        self._threads.shutdown()
        done.set()
        self.database.end_sessions()
