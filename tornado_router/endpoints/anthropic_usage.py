"""Anthropic's `usage` object: read from a vendor's response, or written for a client.

What was read from the cache or written to it counts as prompt here, not as `input_tokens` there:
https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.endpoints.openai_usage import count
from tornado_router.usage import Usage

_INPUT = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def read_usage(value: object) -> Usage | None:
    """Reads a `usage` object; None if it is not one, or holds what cannot be true."""
    if not isinstance(value, Mapping):
        return None
    given, output = count(value.get("input_tokens")), count(value.get("output_tokens"))
    if given is None or output is None:
        return None
    read = count(value.get("cache_read_input_tokens")) or 0
    written = _written(value)
    details = value.get("output_tokens_details")
    thought = count(details.get("thinking_tokens")) if isinstance(details, Mapping) else None
    return Usage(given + read + written, output, read, written, min(thought or 0, output))


def merge_usage(known: dict[str, Any], news: object) -> None:
    """Adds what an event says of usage to what earlier ones of its stream said.

    Counts are cumulative, and come in two events, so that a later zero of the input says nothing:
    https://platform.claude.com/docs/en/build-with-claude/streaming.
    """
    if isinstance(news, Mapping):
        for name, value in news.items():
            is_news = value is not None and not (name in _INPUT and value == 0)
            if is_news or name not in known:
                known[name] = value


def usage_body(usage: Usage) -> dict[str, int]:
    """The object for a client."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
    }


def _written(usage: Mapping[str, Any]) -> int:
    """What was written to the cache: a total, or one number for each time to live."""
    total = count(usage.get("cache_creation_input_tokens"))
    parts = usage.get("cache_creation")
    if total or not isinstance(parts, Mapping):
        return total or 0
    return sum(count(part) or 0 for part in parts.values())
