"""What a provider kept for a conversation, in the hands of the client: `encrypted_content`.

A client that has no state here sends reasoning items back with the tool calls that they led to. So
they carry what the provider wants to see again, such as the signature of a thought, and the
router's memory need not have it. It is sealed against a mix-up, not against the client: the
client may read it, and a provider has to check what it gets.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

from tornado_router.provider import load_json, write_json

PREFIX = "tornado-router."
"""How all that was made here begins; no vendor can read it, so none may get it."""


REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Of a message or a delta of a chat completion: what vendors call the text of their reasoning."""


class State(NamedTuple):
    """What a reasoning item says.

    Attributes:
        model: whose it is, by the vendor's own name; no other may see it.
        kept: what the provider kept, by the ids of tool calls.
        field: of a message of a chat completion, which the vendor had the summary in; empty if it
            was in none.
    """

    model: str
    kept: Mapping[str, Any]
    field: str = ""


def seal(model: str, kept: Mapping[str, Any] | None = None, field: str = "") -> str:
    """The `encrypted_content` of a reasoning item. Arguments as the attributes of `State`."""
    state: dict[str, Any] = {"model": model}
    if kept:
        state["kept"] = kept
    if field:
        state["field"] = field
    return PREFIX + base64.b64encode(write_json(state)).decode()


def unseal(encrypted_content: object) -> State | None:
    """What a reasoning item says; None if it is a vendor's, or damaged."""
    if not isinstance(encrypted_content, str) or not encrypted_content.startswith(PREFIX):
        return None
    try:
        state = load_json(base64.b64decode(encrypted_content[len(PREFIX) :]))
    except (binascii.Error, ValueError):
        return None
    if not isinstance(state, dict) or not isinstance(state.get("model"), str):
        return None
    kept, field = state.get("kept"), state.get("field")
    return State(
        state["model"],
        kept if isinstance(kept, dict) else {},
        field if field in REASONING_FIELDS else "",
    )
