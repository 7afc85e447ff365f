"""Reasoning that a model wants back with the results of its tools, kept by tool call id.

A model that thinks between calls of tools goes on where it was only if its reasoning comes back:
https://developers.openai.com/api/docs/guides/reasoning#keeping-reasoning-items-in-context. Chat
completions have no place for it. It is encrypted, as nothing is stored at the vendor's, and only
the model that made it can read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado_router.provider import Call

_ITEMS = "reasoning_items"
_ENCRYPTED = "encrypted_content"


def kept_item(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of a reasoning item; None if no model could read it again.

    Without its id: it stands for an item that the vendor stored, and there is none.
    """
    encrypted = item.get(_ENCRYPTED)
    if not isinstance(encrypted, str) or not encrypted:
        return None
    return {"type": "reasoning", "summary": item.get("summary") or [], _ENCRYPTED: encrypted}


def keep_items(call: Call, tool_call_id: str, items: Sequence[Mapping[str, Any]]) -> None:
    """Has the core keep the reasoning that led to a tool call."""
    call.keep(tool_call_id, {"model": call.model, _ITEMS: list(items)})


def recall_items(call: Call, tool_call_id: object) -> list[dict[str, Any]]:
    """The reasoning that led to a tool call, if the same model made it."""
    kept = call.memory.get(tool_call_id) if isinstance(tool_call_id, str) else None
    if not isinstance(kept, Mapping) or kept.get("model") != call.model:
        return []
    items = kept.get(_ITEMS)
    known = (
        kept_item(item)
        for item in (items if isinstance(items, list) else ())
        if isinstance(item, Mapping) and isinstance(item.get("summary"), list)
    )
    return [item for item in known if item]
