"""Runs one batch: its lines are calls of their own, and each has one result, whatever happens.

A result is written before the call is charged. So a line that has one is not run again, and one
that is run again was not charged: `kill -9` at any point leaves a line with its result, or waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

from loguru import logger

from tornado_router.accounts.key_lookup import Key
from tornado_router.background.held_memory import UNCOUNTED, HeldMemory, Hold, request_hold
from tornado_router.background.supervisor import child_task, end_task
from tornado_router.calls.client import Envelope
from tornado_router.calls.collector import Collector
from tornado_router.calls.gateway import Gateway
from tornado_router.calls.passed.kept import batch_rows
from tornado_router.calls.passed.kept.batch_rows import CANCELLING
from tornado_router.calls.passed.kept.lines import ReadLine
from tornado_router.calls.passed.kept.slots import Slots
from tornado_router.config.options import BatchOptions
from tornado_router.endpoints import ENDPOINTS
from tornado_router.error_codes import Refusal
from tornado_router.errors import (
    ApiError,
    DatabaseAwayError,
    ProviderError,
    StoppedError,
    describe_exception,
)
from tornado_router.plugins.registry import FAULTS
from tornado_router.storage.kept_tables import KeptBatch, KeptLine
from tornado_router.storage.storage import Storage
from tornado_router.storage.values import now

CLAIM_SECONDS = 15.0
RENEW_SECONDS = 2.0
"""A batch is claimed for so long, and renewed so often, which is when it learns that it is
cancelled. Of a router that was killed, another takes it over after the first."""

MOST_TRIES = 3
"""Of a line that a vendor fails, or a router dies of, before that is its result."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Between lines of a batch while they fail."""

AWAY_SECONDS = 1.0
"""The database is asked again after this time."""

_AT_ONCE = 200
"""Lines that are ended in one transaction."""

_TOO_MANY = 429
_FAILURES = frozenset((408, 409))
"""Statuses below 500 after which a client tries again."""

_WAITS = frozenset(("insufficient_quota", "rate_limit_exceeded"))
"""Codes of the router's own limits: with `Retry-After`, waiting helps."""

_OWN_TROUBLE = frozenset(
    row.code
    for row in (
        *(Refusal.overloaded, Refusal.ledger_full, Refusal.limits_unavailable),
        *(Refusal.stopped, Refusal.database_away),
    )
)
"""Codes of refusals that no line is to blame for."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Means:
    """What batches are run with.

    Attributes:
        storage: where they are.
        gateway: asked for what serves calls now.
        options: asked for `[batches]` as it is now.
        find_key: the key with an id, as it is now; None if it may not be used any more.
        slots: let lines run.
        memory: that lines hold.
        is_stopping: asked whether no more lines are to begin.
    """

    storage: Storage
    gateway: Callable[[], Gateway]
    options: Callable[[], BatchOptions]
    find_key: Callable[[int], Awaitable[Key | None]]
    slots: Slots
    memory: HeldMemory
    is_stopping: Callable[[], bool]


class BatchRun:
    """One batch that was claimed.

    Args:
        means: to run it with.
        row: of it.
        runner: by whose name it was claimed.
    """

    def __init__(self, means: Means, row: KeptBatch, runner: str) -> None:
        self.row = row
        self._means = means
        self._runner = runner
        self._endpoint = ENDPOINTS[row.endpoint]
        self._status = ""  # that it ends with before its time
        self._over = asyncio.Event()
        self._pause = 0.0
        self._paused_until = 0.0

    async def run(self) -> None:
        """Runs it to its end, or until this router stops, or another one has it."""
        self._look(self.row)
        watch = child_task("batch claim", self._watch())
        workers = [
            child_task("batch lines", self._work())
            for _ in range(self._means.options().lines_at_once)
        ]
        try:
            await asyncio.gather(*workers)
            if self._status or not self.is_over:
                await self._finish(self._status or "completed")
        finally:
            await end_task(watch)
            for worker in workers:
                await end_task(worker)
            await self._surely(lambda: batch_rows.release(self.row.id, self._runner))

    @property
    def is_over(self) -> bool:
        """Whether no more of its lines are to begin here."""
        return self._over.is_set() or self._means.is_stopping()

    def stop(self) -> None:
        """Begins no more lines."""
        self._over.set()

    # The claim

    async def _watch(self) -> None:
        """Keeps the claim, and learns whether the batch is to end."""
        while not self._over.is_set():
            await asyncio.sleep(RENEW_SECONDS)
            try:
                row = await self._means.storage.run(
                    lambda: batch_rows.renew(self.row.id, self._runner, CLAIM_SECONDS)
                )
            except DatabaseAwayError:
                continue  # results of a batch that another takes meanwhile do not count
            if row is None:
                logger.warning("batch {} is run by another router", self.row.batch_id)
                self._over.set()
            else:
                self._look(row)

    def _look(self, row: KeptBatch) -> None:
        if row.status == CANCELLING:
            self._end("cancelled")
        elif row.ends_at <= now():
            self._end("expired")

    def _end(self, status: str) -> None:
        self._status = self._status or status
        self._over.set()

    async def _finish(self, status: str) -> None:
        keep_seconds = self._means.options().keep_seconds

        def over(line: KeptLine) -> str:
            return ReadLine(self._request_id(line), line.data).over(status).decode()

        while await self._surely(
            lambda: batch_rows.end_waiting(self.row.id, self._runner, _AT_ONCE, over, keep_seconds)
        ):
            pass
        await self._surely(lambda: batch_rows.finish(self.row, self._runner, status, keep_seconds))

    # Lines

    async def _work(self) -> None:
        """Runs lines, one after the other."""
        slots = self._means.slots
        while not self.is_over:
            await self._rest(self._paused_until - time.monotonic())
            if not await slots.take(lambda: self.is_over):
                return
            turn = Turn(slots)
            try:
                line = await self._surely(lambda: batch_rows.begin_line(self.row.id, self._runner))
                if line is None:
                    return
                await self._run_line(line, turn)
            finally:
                turn.end()

    async def _run_line(self, line: KeptLine, turn: Turn) -> None:
        read = ReadLine(self._request_id(line), line.data)
        if line.tries > MOST_TRIES:  # each time its router died, maybe of it
            error = Refusal.internal_error()
            await self.end_line(line, read.failed(self._endpoint, error), served=False)
            return
        hold = Hold(self._means.memory)
        try:
            size = len(line.data)
            if size > UNCOUNTED and not hold.grow(size):
                raise Refusal.overloaded()
            request_hold.set(hold)
            key = await self._means.find_key(self.row.key_id)
            if key is None:
                self._end("cancelled")
                raise Refusal.revoked_api_key()
            errand = _Errand(self, line, read, turn)
            envelope = Envelope(key, read.request_id, time.monotonic(), deferred=errand)
            call = read.call(self._endpoint, self._call_id(line))
            await self._means.gateway().run(call, envelope, Collector())
            self._pause = 0.0
        except asyncio.CancelledError:
            await self._put_back(line, counts=False)
            raise
        except ApiError as error:
            await self._failed(line, read, error)
        except FAULTS as error:  # of this line: the others go on
            logger.error("batch {}: {}", self.row.batch_id, describe_exception(error))
            await self._failed(line, read, Refusal.internal_error())
        finally:
            hold.free()

    async def _failed(self, line: KeptLine, read: ReadLine, error: ApiError) -> None:
        """Has a line wait again, or makes the error its result."""
        is_own = isinstance(error, StoppedError) or error.code in _OWN_TROUBLE
        is_waiting = error.code in _WAITS and "Retry-After" in error.headers
        is_crowd = isinstance(error, ProviderError) and error.status == _TOO_MANY
        if is_own or is_waiting or is_crowd or (self._status and error.status == 401):
            await self._put_back(line, counts=False)
            self._back_off()
        elif (error.status >= 500 or error.status in _FAILURES) and line.tries < MOST_TRIES:
            await self._put_back(line, counts=True)
            self._back_off()
        else:
            await self.end_line(line, read.failed(self._endpoint, error), served=False)

    async def end_line(self, line: KeptLine, data: bytes, *, served: bool) -> bool:
        """Writes the result of a line; False if another router has the batch."""
        text = data.decode("utf-8", "replace").replace("\0", "")
        keep_seconds = self._means.options().keep_seconds
        return await self._surely(
            lambda: batch_rows.end_line(line, text, len(data), keep_seconds, served=served)
        )

    async def wait(self, seconds: float, turn: Turn) -> bool:
        """Waits with a line that a limit has no room for; whether it is to be tried again."""
        turn.end()
        await self._rest(min(seconds, LONGEST_PAUSE))
        return await turn.begin(lambda: self.is_over)

    async def _put_back(self, line: KeptLine, *, counts: bool) -> None:
        await self._surely(lambda: batch_rows.put_back(line, counts=counts))

    def _back_off(self) -> None:
        self._pause = min(max(FIRST_PAUSE, 2 * self._pause), LONGEST_PAUSE)
        self._paused_until = time.monotonic() + self._pause

    async def _rest(self, seconds: float) -> None:
        """Sleeps, unless the batch is over."""
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._over.wait()
            except TimeoutError:
                pass

    async def _surely(self, work: Callable[[], T]) -> T:
        """Has the database do something, be it away for now."""
        while True:
            try:
                return await self._means.storage.run_often(work)
            except DatabaseAwayError:
                if self._means.is_stopping():
                    raise
                await asyncio.sleep(AWAY_SECONDS)

    def _request_id(self, line: KeptLine) -> str:
        return f"batch_req_{self._digest(line.number)}"

    def _call_id(self, line: KeptLine) -> str:
        return f"line-{self._digest(line.number, line.tries)}"

    def _digest(self, *numbers: int) -> str:
        name = f"{self.row.batch_id}:{numbers}"
        return blake2b(name.encode(), digest_size=16).hexdigest()


class Turn:
    """The slot of one line, which it has but while it waits."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._has = True

    async def begin(self, give_up: Callable[[], bool]) -> bool:
        """Takes it again; False if the line need not run any more."""
        self._has = await self._slots.take(give_up)
        return self._has

    def end(self) -> None:
        """Gives it back, unless it was."""
        if self._has:
            self._has = False
            self._slots.give_back()


class _Errand:
    """What a call knows of the line that it is (`Deferred`)."""

    def __init__(self, run: BatchRun, line: KeptLine, read: ReadLine, turn: Turn) -> None:
        self._run = run
        self._line = line
        self._read = read
        self._turn = turn

    async def wait(self, refusal: ApiError) -> None:
        """Waits for room in a limit.

        Raises:
            ApiError: the same, if that is of no use.
        """
        seconds = refusal.headers.get("Retry-After")
        if refusal.code not in _WAITS or seconds is None:
            raise refusal
        if not await self._run.wait(float(seconds), self._turn):
            raise refusal

    async def keep(self, data: bytes) -> None:
        """Writes the response.

        Raises:
            ApiError: another router has the batch.
        """
        if not await self._run.end_line(self._line, self._read.served(data), served=True):
            raise Refusal.stopped()
