"""What providers need back on the next turn of a conversation, kept by tool call id.

OpenAI clients replay a tool call's id but not the vendor's signatures beside it, so the router
keeps those: for a time, up to a size, and for the user alone whose call it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.calls.stores import Store
from tornado_router.provider import load_json, write_json

Owner = tuple[int, str]
"""The user who made a call, and the provider that served it."""


class ToolState:
    """Keeps small JSON values under the ids of the tool calls that they belong to.

    Args:
        store: where.
        seconds: for how long.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        self._store = store
        self._seconds = seconds

    async def keep(self, owner: Owner, values: Mapping[str, Any]) -> None:
        """Keeps values under their tool call ids."""
        data = {_key(owner, name): write_json(value) for name, value in values.items()}
        await self._store.put(data, self._seconds)

    async def recall(self, owner: Owner, tool_call_ids: list[str]) -> dict[str, Any]:
        """What is still kept of some tool calls."""
        values = await self._store.get([_key(owner, name) for name in tool_call_ids])
        found = zip(tool_call_ids, values, strict=True)
        return {name: load_json(data) for name, data in found if data is not None}

    async def close(self) -> None:
        """Closes the store."""
        await self._store.close()


def _key(owner: Owner, tool_call_id: str) -> str:
    user_id, provider = owner
    return f"memory:{user_id}:{provider}:{tool_call_id}"
