"""Keeps bytes for a while: in this process, or (see `redis_store`) for all routers together."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Protocol


class Store(Protocol):
    """Keeps values that nobody misses much: one may be gone before its time."""

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keeps values, by key, for so long."""
        ...

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is still kept, in the order of the keys."""
        ...

    async def close(self) -> None:
        """Frees what it holds."""
        ...


class ProcessStore:
    """A store of this process: the oldest values go first when it is full.

    Args:
        max_bytes: of all values together.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._values: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def put(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keeps values, by key, for so long."""
        until = time.monotonic() + seconds
        for key, data in values.items():
            self._forget(key)
            if len(data) <= self._max_bytes:
                self._values[key] = (until, data)
                self._bytes += len(data)
        while self._values and (self._bytes > self._max_bytes or self._is_old()):
            self._forget(next(iter(self._values)))

    async def get(self, keys: Sequence[str]) -> list[bytes | None]:
        """What is still kept, in the order of the keys."""
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
        _, data = self._values.pop(key, (0.0, b""))
        self._bytes -= len(data)
