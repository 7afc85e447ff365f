"""Thought signatures: opaque to us, and wanted back by Google on the next turn.

Gemini 3 and later refuse a turn of function calls whose first lacks its signature, and take a
placeholder for history that another model made:
https://ai.google.dev/gemini-api/docs/thought-signatures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PLACEHOLDER = "skip_thought_signature_validator"
_KEY = "thoughtSignature"


def to_keep(signature: str) -> dict[str, str]:
    """What the core shall keep for a tool call."""
    return {_KEY: signature}


def signature_of(tool_call: Mapping[str, Any], memory: Mapping[str, Any]) -> str | None:
    """The signature of a replayed call: from the core's memory, or from the client.

    Google's own compatibility layer gives it to clients as `extra_content`:
    https://ai.google.dev/gemini-api/docs/openai.
    """
    kept = memory.get(tool_call["id"])
    if isinstance(kept, Mapping) and isinstance(kept.get(_KEY), str):
        return str(kept[_KEY])
    value: Any = tool_call
    for key in ("extra_content", "google", "thought_signature"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) and value else None
