"""Bounds what made-up API keys cost: they are looked up in turn, and never push out real ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tornado_router.accounts.recent import Recent
from tornado_router.accounts.throttle import network_of
from tornado_router.error_codes import Refusal
from tornado_router.limits.retry_after import duration, retry_headers

NETWORKS = 10_000
"""Networks whose tries are counted."""

FREE_TRIES = 20
"""Keys that do not exist, which one network may send in a minute before its look-ups queue."""

MINUTE = 60.0

WAITING = 100
"""Look-ups that may queue."""

RETRY_SECONDS = 1.0


class UnknownKeyThrottle:
    """Lets a network that sends many keys which do not exist look up one key at a time.

    A key that this process has once found is not looked up here, and one that is new to it is
    still found, behind at most `WAITING` others: so a flood of made-up keys takes one thread of
    the database at most, and no real key is refused because of it unless it comes from the same
    network, for the first time, while the queue is full.
    """

    def __init__(self) -> None:
        self._tries: Recent[str, tuple[int, float]] = Recent(NETWORKS)
        self._turn = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Waits until a key that this process has not seen may be looked up.

        Args:
            address: of the client.

        Raises:
            ApiError: 429, too many wait already.
        """
        tries, since = self._tries.get(network_of(address), (0, 0.0))
        if tries < FREE_TRIES or time.monotonic() >= since + MINUTE:
            yield
            return
        if self._waiting >= WAITING:
            raise Refusal.too_many_attempts(
                wait=duration(RETRY_SECONDS), headers=retry_headers(RETRY_SECONDS)
            )
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turn.release()

    def count(self, address: str) -> None:
        """Counts a key that does not exist."""
        network, now = network_of(address), time.monotonic()
        tries, since = self._tries.get(network, (0, now))
        self._tries[network] = (1, now) if now >= since + MINUTE else (tries + 1, since)
