"""The ledger: takes the records of calls into the journal, and from there into the database."""

from __future__ import annotations

import time
from collections import deque
from functools import partial
from pathlib import Path

from loguru import logger

from tornado_router.background.batch import STOP_SECONDS, BackgroundThread
from tornado_router.config.options import LedgerOptions
from tornado_router.errors import first_line
from tornado_router.ledger import codec
from tornado_router.ledger.journal import Journal
from tornado_router.ledger.record import CallRecord, RunningCall
from tornado_router.ledger.recovery import recover
from tornado_router.ledger.usage_rows import UsageRows
from tornado_router.storage.storage import Storage

FLUSH_SECONDS = 0.25
LONGEST_STOP_SECONDS = 8.0
"""The longest that a stop waits, even for a database that still accepts rows."""

COMPLAINT_SECONDS = 60
"""How often the log repeats that the database accepts no usage."""

BATCH_BYTES = 200_000
"""Of the journal, some 500 calls: the database is locked for as long as they take."""

MEGABYTE = 1024 * 1024


class Ledger:
    """Records each call once, also if the router is killed or the database is away.

    A call is in the journal before its response is whole, and from there it gets into the database.

    To be made before any call is served: it first writes what killed routers left behind.

    Args:
        storage: the open database.
        options: how large the journal may grow, and what happens then.
        folder: of the journal.

    Attributes:
        limit: the most bytes that the journal may have.
        stuck: whether the database did not accept usage at the last attempt.

    Raises:
        OSError: the journal cannot be written.
    """

    def __init__(self, storage: Storage, options: LedgerOptions, folder: Path) -> None:
        self._storage = storage
        self._rows = UsageRows(storage)
        self.limit = options.journal_mb * MEGABYTE
        self._refuses = options.when_full == "refuse"
        self._running: dict[str, bytes] = {}
        self._homeless: deque[bytes] = deque()
        self.stuck = False
        self._unrecorded = 0
        self._complained = float("-inf")
        self._alarmed = False
        self._damaged = recover(folder, partial(self._rows.write, long=True), BATCH_BYTES)
        self._rows.close()
        self._journal = Journal(folder, lambda: [codec.HEADER, *self._running.values()])
        self._thread = BackgroundThread(
            "usage rows", self._work, interval=FLUSH_SECONDS, close=self._rows.close
        )

    @property
    def lost(self) -> int:
        """Calls that were not recorded, with the damaged records of the journal."""
        return self._unrecorded + self._damaged + self._rows.refused

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
        record = self._running[call.call_id] = codec.encode_begun(call)
        self._append(record)

    def note(self, call: CallRecord) -> None:
        """Notes what a running call has come to, for which it is charged if the router dies."""
        record = self._running[call.call_id] = codec.encode_running(call)
        self._append(record)

    def add(self, call: CallRecord) -> None:
        """Records a finished call."""
        self._running.pop(call.call_id, None)
        self._append(codec.encode_finished(call))
        self._thread.wake()

    def hold(self) -> None:
        """Keeps calls that end from now on out of the database, until `release`.

        Raises:
            OSError: the journal cannot be written.
        """
        self._house()
        if self._homeless:
            raise OSError("usage is not in the journal")
        self._journal.hold()
        self._thread.wake()

    def release(self) -> None:
        """Writes all calls again."""
        self._journal.release()
        self._thread.wake()

    @property
    def is_written(self) -> bool:
        """Whether the database has all calls that ended before `hold`."""
        return self._journal.is_done

    def close(self) -> None:
        """Writes what is left; what the database does not accept waits for the next start."""
        self._journal.release()
        self._house()
        if self._end_thread():
            self._journal.close()
        self._unrecorded += len(self._homeless)
        if self.lost:
            logger.critical("the usage of {} calls was not recorded", self.lost)

    def _end_thread(self) -> bool:
        """Waits for the thread while it makes progress; False if it has not ended in time."""
        deadline = time.monotonic() + LONGEST_STOP_SECONDS
        waiting = self._journal.waiting
        while not self._thread.close(min(STOP_SECONDS, deadline - time.monotonic())):
            before, waiting = waiting, self._journal.waiting
            if before == waiting or time.monotonic() >= deadline:
                logger.error(
                    "shutdown timed out with usage still in the journal; the next start writes it"
                )
                self._complained = time.monotonic()  # so that it is logged once
                return False
        return True

    def _append(self, record: bytes) -> None:
        if not self._refuses and self._is_full():
            self._unrecorded += codec.is_finished(record)
            return
        if self._homeless:
            self._homeless.append(record)
            self._house()
            return
        try:
            self._journal.append(record)
        except OSError as error:
            self._homeless.append(record)
            self._alarm_of(error)

    def _house(self) -> None:
        """Puts into the journal what is not there: all since the disk is full."""
        try:
            while self._homeless:
                self._journal.append(self._homeless[0])
                self._homeless.popleft()
        except OSError as error:
            self._alarm_of(error)

    def _alarm_of(self, error: OSError) -> None:
        self._alarm(f"the journal cannot be written: {error}")

    def _is_full(self) -> bool:
        return bool(self._homeless) or self._journal.size >= self.limit

    def _alarm(self, why: str = "the database accepts none") -> None:
        """Logs once that the journal will be full unless its cause is removed."""
        if not self._alarmed:
            self._alarmed = True
            megabytes = self._journal.size // MEGABYTE
            logger.critical(
                "usage journal is filling up: {} MB not yet written ({})", megabytes, why
            )

    def _work(self) -> bool:
        """Writes what is in the journal; False if the database does not accept it."""
        self._journal.prepare()
        written = 0
        while records := self._journal.unread(BATCH_BYTES):
            calls, damaged = codec.read_finished(records)
            if damaged:
                self._journal.mark_damaged(damaged)
            try:
                written += self._rows.write(calls)
            except Exception as error:  # noqa: BLE001 - nothing must be lost
                self._complain(len(calls), error)
                self._journal.sync()
                return False
            self._journal.done()
            self._damaged += len(damaged)
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
