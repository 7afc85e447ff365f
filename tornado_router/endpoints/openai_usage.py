"""OpenAI's `usage` object: read from a vendor's response, or written for a client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tornado_router.usage import Usage

MAX_TOKENS = 1_000_000_000
"""No call uses more; a vendor that reports more is not believed."""

MAX_SECONDS = 1_000_000
"""The same of audio."""

_OBJECT = (dict, Mapping)
"""A JSON object, or what a plugin made of one; a dict is recognised much faster."""


def read_usage(value: object) -> Usage | None:
    """Reads a `usage` object; None if it is not one, or holds what cannot be true.

    An explicit zero is believed: it is not the same as reporting nothing.
    """
    if not isinstance(value, _OBJECT):
        return None
    prompt = count(value.get("prompt_tokens"))
    completion = count(value.get("completion_tokens", 0))  # embeddings have none
    if prompt is None or completion is None:
        return None
    cached = written = reasoning = heard = seen = spoken = drawn = 0
    details = value.get("prompt_tokens_details")
    if details and isinstance(details, _OBJECT) and any(details.values()):  # most are of zeros
        cached = min(count(details.get("cached_tokens")) or 0, prompt)
        written = min(count(details.get("cache_write_tokens")) or 0, prompt - cached)
        heard, seen = media_tokens(details, prompt - cached - written)
    details = value.get("completion_tokens_details")
    if details and isinstance(details, _OBJECT) and any(details.values()):
        reasoning = min(count(details.get("reasoning_tokens")) or 0, completion)
        spoken, drawn = media_tokens(details, completion - reasoning)
    seconds = value.get("seconds")
    return Usage(
        prompt,
        completion,
        cached,
        written,
        reasoning,
        heard,
        spoken,
        seen,
        drawn,
        0,
        0.0 if seconds is None else read_seconds(seconds),
    )


def media_tokens(details: Mapping[str, Any], most: int) -> tuple[int, int]:
    """The tokens of audio and of images in a `..._tokens_details` object, together `most` at most.

    Args:
        details: the object.
        most: what is left of the whole for them.
    """
    audio = min(count(details.get("audio_tokens")) or 0, most)
    return audio, min(count(details.get("image_tokens")) or 0, most - audio)


def usage_body(usage: Usage) -> dict[str, int]:
    """The object for a client."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


def with_cost(usage: Mapping[str, Any], dollars: float | None) -> dict[str, Any]:
    """A usage object of any dialect with what it costs; a vendor's own `cost` is not the client's.

    Args:
        usage: the object.
        dollars: None if nothing has a price, for 0 would say that it is free.
    """
    kept = {name: value for name, value in usage.items() if name != "cost"}
    return kept if dollars is None else {**kept, "cost": dollars}


def count(value: object) -> int | None:
    """A number of tokens; None for what cannot be one."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS:
        return value
    return None


def read_seconds(value: object) -> float:
    """A length of audio; 0 for what cannot be one."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_SECONDS:
        return float(value)
    return 0.0
