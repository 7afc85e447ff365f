"""Marks of a prompt's cached prefixes, in the words that a vendor has.

Clients of Claude mark parts, messages and tools with `cache_control`, as OpenRouter and LiteLLM
have it, too. OpenAI has `prompt_cache_breakpoint` of parts, from GPT-5.6 on:
https://developers.openai.com/api/docs/guides/prompt-caching. Other vendors cache by themselves, and
the strict ones refuse a field that they do not know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

CONTROL, BREAKPOINT = "cache_control", "prompt_cache_breakpoint"
REQUEST_FIELDS = (CONTROL, "prompt_cache_options")
"""What a request has of it as a whole; only OpenAI's newer models have the second."""

_MARKS = (CONTROL, BREAKPOINT)
_ALL = frozenset((*_MARKS, "prompt_cache_options"))
CONTROL_ALONE = frozenset((CONTROL,))
_MODEL = re.compile(r"gpt-(\d{1,3})(?:\.(\d{1,3}))?(?!\d)")
_FIRST_WITH_BREAKPOINTS = (5, 6)

Message = Mapping[str, Any]


def has_marks(body: Mapping[str, Any], names: frozenset[str] = _ALL) -> bool:
    """Whether a request has such marks; to look for them in its bytes takes ten times as long."""
    if not names.isdisjoint(body):
        return True
    for item in (*(body.get("messages") or ()), *(body.get("tools") or ())):
        if not names.isdisjoint(item):
            return True
        for parts in (item.get("content"), item.get("tool_calls"), (item.get("function"),)):
            if isinstance(parts, list | tuple):
                for part in parts:
                    if isinstance(part, Mapping) and not names.isdisjoint(part):
                        return True
    return False


def has_breakpoints(model: str) -> bool:
    """Whether a model of OpenAI's takes breakpoints."""
    found = _MODEL.match(model)
    return found is not None and (int(found[1]), int(found[2] or 0)) >= _FIRST_WITH_BREAKPOINTS


def edit_marks(messages: list[Message], *, breakpoints: bool) -> list[Message]:
    """Messages with their marks as breakpoints, or with none."""
    return [_edited(message, breakpoints) for message in messages]


def without_marks(tools: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Tools without marks, which OpenAI has no place for."""
    return [_unmarked(tool) for tool in tools]


def _edited(message: Message, breakpoints: bool) -> Message:
    mark = message.get(CONTROL) if breakpoints else None
    message = _unmarked(message)
    content = message.get("content")
    if isinstance(content, str) and mark and content:
        content = [{"type": "text", "text": content}]
    if not isinstance(content, list) or not content:
        return message
    parts = [_part(part, breakpoints) for part in content]
    if mark and isinstance(parts[-1], dict):
        parts[-1] = {**parts[-1], BREAKPOINT: _breakpoint()}
    return {**message, "content": parts}


def _part(part: Any, breakpoints: bool) -> Any:
    if not isinstance(part, Mapping) or not any(name in part for name in _MARKS):
        return part
    mark = part.get(BREAKPOINT) or (part.get(CONTROL) and _breakpoint())
    known = {name: value for name, value in part.items() if name not in _MARKS}
    return {**known, BREAKPOINT: mark} if mark and breakpoints else known


def _unmarked(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """A message or a tool without marks of its own, or of its function or calls."""
    known = {name: value for name, value in item.items() if name not in _MARKS}
    function, calls = known.get("function"), known.get("tool_calls")
    if isinstance(function, Mapping):
        known["function"] = _unmarked(function)
    if isinstance(calls, list):
        known["tool_calls"] = [
            _unmarked(call) if isinstance(call, Mapping) else call for call in calls
        ]
    return known


def _breakpoint() -> dict[str, str]:
    return {"mode": "explicit"}
