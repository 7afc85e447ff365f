"""Threads that do what the event loop leaves for them, a batch at a time.

Writing a line or a row costs far more alone than in a batch, and must not be done on the loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from loguru import logger

from tornado_router.background.supervisor import SupervisedThread, report
from tornado_router.errors import first_line

T = TypeVar("T")

RETRY_SECONDS = 2.0
LAST_TRIES = 3
STOP_SECONDS = 5.0
"""For so long a stop waits for a thread, which may hang in a write that is not read."""

BATCH = 1000


class BackgroundThread:
    """Calls `work` some time after each `wake`, and again until it went well.

    Args:
        name: of the thread.
        work: does all that there is to do; False if it has to be tried again.
        interval: seconds from the first `wake` to the work, in which more may come together.
        close: called on the thread at its end, to free what `work` opened.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], bool],
        *,
        interval: float,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._work = work
        self._close = close
        self._interval = interval
        self._awake = threading.Event()
        self._closing = threading.Event()
        self._thread = SupervisedThread(name, self._run, self._closing)

    def wake(self) -> None:
        """Says that there is work. Returns at once."""
        if not self._awake.is_set():
            self._awake.set()

    def close(self, seconds: float | None = None) -> bool:
        """Does what is left to do, if it can be done, and ends the thread.

        Args:
            seconds: for which it is waited for; None for as long as it takes.

        Returns:
            Whether it has ended; if not, it can be closed again, or left to die with the process.
        """
        self._closing.set()
        self._awake.set()
        return self._thread.join(seconds)

    def _run(self) -> None:
        pause = self._interval
        while not self._closing.is_set():
            self._awake.wait()
            self._closing.wait(pause)
            self._awake.clear()
            if self._try():
                pause = self._interval
            else:
                self._awake.set()
                pause = RETRY_SECONDS
        for _ in range(LAST_TRIES):
            if self._try():
                break
        self._close()

    def _try(self) -> bool:
        """Does the work; False if it has to be tried again, also because it raised."""
        try:
            return self._work()
        except Exception as error:  # noqa: BLE001 - one fault must not end the thread
            report(self._name, error, RETRY_SECONDS)
            return False


class BatchThread(Generic[T]):
    """Hands items to `consume` in the order they were added, in batches.

    A batch that `consume` raises on stays at the head and is tried again. What waits is bounded:
    items beyond the bound are dropped, and the log says how many.

    Args:
        name: of the thread, and of the items in messages, such as `access log`.
        consume: takes a batch; runs on the thread, never on the loop.
        interval: seconds for which a batch is gathered.
        most: how much may wait: the sum of the sizes of the items.
        size: of an item; it must not change while the item waits.
        batch: how many items `consume` is given at most.

    Attributes:
        dropped: items for which there was no room.
    """

    def __init__(
        self,
        name: str,
        consume: Callable[[Sequence[T]], None],
        *,
        interval: float,
        most: int,
        size: Callable[[T], int] = lambda _: 1,
        batch: int = BATCH,
    ) -> None:
        self._name = name
        self._consume = consume
        self._most = most
        self._size = size
        self._batch = batch
        self._items: list[T] = []
        # Each is written by one thread only, so they need no lock.
        self._added = 0
        self._done = 0
        self.dropped = 0
        self._told_dropped = 0
        self._thread = BackgroundThread(name, self._consume_items, interval=interval)

    def add(self, item: T) -> bool:
        """Leaves an item for the thread, if there is room. Returns at once.

        All calls must come from one thread.

        Returns:
            Whether there was room; otherwise the item is dropped.
        """
        size = self._size(item)
        if self._added - self._done + size > self._most:
            self.dropped += 1
            return False
        self._added += size
        self._items.append(item)
        self._thread.wake()
        return True

    def close(self, seconds: float = STOP_SECONDS) -> int:
        """Consumes what is left and ends the thread.

        Args:
            seconds: for which it is waited for.

        Returns:
            How many items, those of no size aside, were lost because `consume` failed to the end,
            or took too long.
        """
        self._thread.close(seconds)
        return sum(self._size(item) > 0 for item in self._items)

    def _consume_items(self) -> bool:
        while batch := self._items[: self._batch]:  # the loop may append meanwhile, but only behind
            try:
                self._consume(batch)
            except Exception as error:  # noqa: BLE001 - the items must not be lost
                count, kind = len(self._items), type(error).__name__
                logger.error("{}: {} wait after {}: {}", self._name, count, kind, first_line(error))
                return False
            del self._items[: len(batch)]
            self._done += sum(map(self._size, batch))
        dropped = self.dropped - self._told_dropped
        if dropped:
            self._told_dropped += dropped
            logger.warning("{}: {} were dropped, as too many were waiting", self._name, dropped)
        return True
