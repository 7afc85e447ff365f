"""A thread that takes what the event loop leaves for it, a batch at a time.

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


class BatchThread(Generic[T]):
    """Hands items to `consume` in the order they were added, in batches.

    A batch that `consume` raises on stays at the head and is tried again.

    Args:
        name: of the thread.
        consume: takes a batch; runs on the thread, never on the loop.
        interval: seconds for which a batch is gathered.
        close: called on the thread at its end, to free what `consume` opened.
    """

    def __init__(
        self,
        name: str,
        consume: Callable[[Sequence[T]], None],
        *,
        interval: float,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._consume = consume
        self._close = close
        self._interval = interval
        self._items: list[T] = []
        self._waiting = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, item: T) -> None:
        """Leaves an item for the thread. Returns at once."""
        self._items.append(item)
        if not self._waiting.is_set():
            self._waiting.set()

    def close(self) -> int:
        """Consumes what is left and ends the thread.

        Returns:
            How many items were lost because `consume` still failed at the end.
        """
        self._closing.set()
        self._waiting.set()
        self._thread.join()
        return len(self._items)

    def _run(self) -> None:
        pause = self._interval
        while not self._closing.is_set():
            self._waiting.wait()
            self._closing.wait(pause)
            self._waiting.clear()
            if self._consume_items():
                pause = self._interval
            else:
                self._waiting.set()
                pause = RETRY_SECONDS
        for _ in range(LAST_TRIES):
            if self._consume_items():
                break
        self._close()

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
