"""Threads that do what the event loop leaves for them, a batch at a time.

Writing a line or a row costs far more alone than in a batch, and must not be done on the loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from loguru import logger

T = TypeVar("T")

RETRY_SECONDS = 2.0
LAST_TRIES = 3


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
        self._work = work
        self._close = close
        self._interval = interval
        self._awake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Says that there is work. Returns at once."""
        if not self._awake.is_set():
            self._awake.set()

    def close(self) -> None:
        """Does what is left to do, if it can be done, and ends the thread."""
        self._closing.set()
        self._awake.set()
        self._thread.join()

    def _run(self) -> None:
        pause = self._interval
        while not self._closing.is_set():
            self._awake.wait()
            self._closing.wait(pause)
            self._awake.clear()
            if self._work():
                pause = self._interval
            else:
                self._awake.set()
                pause = RETRY_SECONDS
        for _ in range(LAST_TRIES):
            if self._work():
                break
        self._close()


class BatchThread(Generic[T]):
    """Hands items to `consume` in the order they were added, in batches.

    A batch that `consume` raises on stays at the head and is tried again.

    Args:
        name: of the thread.
        consume: takes a batch; runs on the thread, never on the loop.
        interval: seconds for which a batch is gathered.
    """

    def __init__(
        self, name: str, consume: Callable[[Sequence[T]], None], *, interval: float
    ) -> None:
        self._name = name
        self._consume = consume
        self._items: list[T] = []
        self._thread = BackgroundThread(name, self._consume_items, interval=interval)

    def add(self, item: T) -> None:
        """Leaves an item for the thread. Returns at once."""
        self._items.append(item)
        self._thread.wake()

    def close(self) -> int:
        """Consumes what is left and ends the thread.

        Returns:
            How many items were lost because `consume` still failed at the end.
        """
        self._thread.close()
        return len(self._items)

    def _consume_items(self) -> bool:
        count = len(self._items)  # the loop may append while a batch is consumed, but only behind
        if not count:
            return True
        try:
            self._consume(self._items[:count])
        except Exception as error:  # noqa: BLE001 - whatever it is, the items must not be lost
            logger.error("{}: {} wait after {}: {}", self._name, count, type(error).__name__, error)
            return False
        del self._items[:count]
        return True
