"""What providers need back on the next turn of a conversation, kept by tool call id.

OpenAI clients replay a tool call's id but not the vendor's signatures beside it, so the router
keeps those: for a time, up to a size, and for the user alone who made the call.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

import orjson

Owner = tuple[int, str]
"""The user who made a call, and the provider that served it."""


class Memory(Protocol):
    """Keeps small JSON values for a while."""

    async def keep(self, owner: Owner, values: Mapping[str, Any]) -> None:
        """Keeps values under their tool call ids."""
        ...

    async def recall(self, owner: Owner, tool_call_ids: list[str]) -> dict[str, Any]:
        """What is still kept of some tool calls."""
        ...

    async def close(self) -> None:
        """Frees what it holds."""
        ...


class ProcessMemory:
    """A memory of this process: the oldest values go first when it is full.

    Args:
        seconds: how long a value is kept.
        max_bytes: of all values together.
    """

    def __init__(self, seconds: float, max_bytes: int) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._bytes = 0
        self._values: OrderedDict[tuple[Owner, str], tuple[float, bytes]] = OrderedDict()

    async def keep(self, owner: Owner, values: Mapping[str, Any]) -> None:
        """Keeps values under their tool call ids."""
        until = time.monotonic() + self._seconds
        for tool_call_id, value in values.items():
            data = orjson.dumps(value)
            self._forget((owner, tool_call_id))
            if len(data) <= self._max_bytes:
                self._values[owner, tool_call_id] = (until, data)
                self._bytes += len(data)
        while self._values and (self._bytes > self._max_bytes or self._is_old()):
            self._forget(next(iter(self._values)))

    async def recall(self, owner: Owner, tool_call_ids: list[str]) -> dict[str, Any]:
        """What is still kept of some tool calls."""
        now = time.monotonic()
        found = {}
        for tool_call_id in tool_call_ids:
            until, data = self._values.get((owner, tool_call_id), (0.0, b""))
            if until > now:
                found[tool_call_id] = orjson.loads(data)
        return found

    async def close(self) -> None:
        """Forgets everything."""
        self._values.clear()
        self._bytes = 0

    def _is_old(self) -> bool:
        until, _ = next(iter(self._values.values()))
        return until <= time.monotonic()

    def _forget(self, key: tuple[Owner, str]) -> None:
        _, data = self._values.pop(key, (0.0, b""))
        self._bytes -= len(data)


def tool_call_ids(body: Mapping[str, Any]) -> list[str]:
    """The ids of the tool calls in the messages of a request."""
    return [
        tool_call["id"]
        for message in body.get("messages") or ()
        for tool_call in message.get("tool_calls") or ()
        if isinstance(tool_call.get("id"), str)
    ]
