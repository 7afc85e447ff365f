"""Stores that keep bytes for a while: in this process, or (see `redis.store`) for all routers."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol

from tornado_router.background.supervisor import start_task

ENTRY_BYTES = 300
"""Memory of an entry beside its key and its value, measured with 10,000 entries and more."""

WRITE_BYTES = 4096
"""Memory of a write under way beside its values: a task, and a place in line for a connection."""


class Store(Protocol):
    """Keeps values whose loss does little harm: one may be gone before its time."""

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keeps values, by key, for so many seconds."""
        ...

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values that are still kept, in the order of the keys."""
        ...

    async def close(self) -> None:
        """Frees what it holds."""
        ...


class ProcessStore:
    """A store of this process: the oldest values go first when it is full.

    Args:
        max_bytes: of all entries together, with what Python needs to hold them.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keeps values, by key, for so many seconds."""
        until = time.monotonic() + seconds
        for key, data in values.items():
            self._forget(key)
            if _size(key, data) <= self._max_bytes:
                self._values[key] = (until, data)
                self._bytes += _size(key, data)
        while self._values and (self._bytes > self._max_bytes or self._is_old()):
            self._forget(next(iter(self._values)))

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values that are still kept, in the order of the keys."""
        now = time.monotonic()
        found = [self._values.get(key, (0.0, b"")) for key in keys]
        return [data if until > now else None for until, data in found]

    async def close(self) -> None:
        """Forgets everything."""
        self._values.clear()
        self._bytes = 0

    def _is_old(self) -> bool:
        until, _ = next(iter(self._values.values()))
        return until <= time.monotonic()

    def _forget(self, key: str) -> None:
        found = self._values.pop(key, None)
        if found is not None:
            self._bytes -= _size(key, found[1])


class WriteBehind:
    """A store in front of a slow one: `put` returns before the values are written.

    Args:
        store: that keeps the values.
        max_bytes: of writes under way; beyond that, values are not kept.
    """

    def __init__(self, store: Store, max_bytes: int) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._bytes = 0
        self._writes: set[asyncio.Task[None]] = set()

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Begins to write values."""
        size = WRITE_BYTES + sum(map(len, values.values()))
        if self._writes and self._bytes + size > self._max_bytes:
            return
        self._bytes += size
        write = start_task("response cache", self._write(values, seconds, size))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """The values that are written already, in the order of the keys."""
        return await self._store.get(keys)

    async def close(self) -> None:
        """Waits for the writes, and closes the store."""
        await asyncio.gather(*self._writes, return_exceptions=True)
        await self._store.close()

    async def _write(self, values: Mapping[str, bytes], seconds: float, size: int) -> None:
        try:
            await self._store.put(values, seconds)
        finally:
            self._bytes -= size


def _size(key: str, data: bytes) -> int:
    return len(key) + len(data) + ENTRY_BYTES
