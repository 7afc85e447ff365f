"""The usage of a call: its quantities, read from a `usage` object or estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

BYTES_PER_TOKEN = 4
IMAGE_TOKENS = 765
"""Of an image of 1024 x 1024 pixels: https://platform.openai.com/docs/guides/images-vision."""

MAX_TOKENS = 1_000_000_000
"""No call uses more; a vendor that says so is not believed."""

_OBJECT = (dict, Mapping)
"""A JSON object, or what a plugin made of one; a dict is recognised much faster."""

MAX_SECONDS = 1_000_000
"""The same of audio."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The quantities of one call.

    Tokens of every kind are columns of the ledger's tables; see `QUANTITIES`.

    Attributes:
        prompt_tokens: tokens of the request.
        completion_tokens: tokens of the response, as far as it was generated.
        cached_tokens: prompt tokens that the vendor read from its cache.
        cache_write_tokens: prompt tokens that the vendor wrote to its cache.
        reasoning_tokens: completion tokens that the vendor spent on reasoning.
        seconds: of audio.
        estimated: whether the vendor reported nothing, so that this is an estimate.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    seconds: float = 0.0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Prompt and completion; the other kinds of tokens are parts of these."""
        return self.prompt_tokens + self.completion_tokens

    def body(self) -> dict[str, int]:
        """OpenAI's `usage` object."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }


QUANTITIES = tuple(field.name for field in fields(Usage) if field.name.endswith("_tokens"))
"""The quantities that are recorded and summed.

Each is a field of `Usage`, a column of the tables, a metric's `kind` and a property of the API:
code that handles all of them iterates over this.
"""

QUANTITIES_AND_TOTAL = (*QUANTITIES[:2], "total_tokens", *QUANTITIES[2:])
"""The same in the order of the API, with the total behind its two parts."""


def read_usage(value: object) -> Usage | None:
    """Reads a `usage` object; None if it is not one, or holds what cannot be true.

    An explicit zero is believed: it is not the same as saying nothing.
    """
    if not isinstance(value, _OBJECT):
        return None
    prompt = _count(value.get("prompt_tokens"))
    completion = _count(value.get("completion_tokens", 0))  # embeddings have none
    if prompt is None or completion is None:
        return None
    cached = written = reasoning = 0
    details = value.get("prompt_tokens_details")
    if isinstance(details, _OBJECT):
        cached = min(_count(details.get("cached_tokens")) or 0, prompt)
        written = min(_count(details.get("cache_write_tokens")) or 0, prompt - cached)
    details = value.get("completion_tokens_details")
    if isinstance(details, _OBJECT):
        reasoning = min(_count(details.get("reasoning_tokens")) or 0, completion)
    seconds = value.get("seconds")
    return Usage(
        prompt,
        completion,
        cached,
        written,
        reasoning,
        0.0 if seconds is None else _seconds(seconds),
    )


def estimate_usage(request: Mapping[str, Any], generated_bytes: int) -> Usage:
    """A guess for a vendor that gave no usage, or a call that ended before it could.

    Args:
        request: the client's body.
        generated_bytes: UTF-8 bytes of the text that was generated.
    """
    return Usage(estimate_prompt(request), tokens_of(generated_bytes), estimated=True)


def estimate_prompt(request: Mapping[str, Any]) -> int:
    """A guess at the tokens of a request.

    Args:
        request: the client's body.
    """
    return sum(estimate_tokens(request.get(name)) for name in ("messages", "tools", "input"))


def media_parts(request: Mapping[str, Any]) -> list[str]:
    """The types of the parts of messages that are not text: images, audio, files."""
    types = []
    for message in request.get("messages") or ():
        content = message.get("content")
        if isinstance(content, list):
            types += [part["type"] for part in content if part["type"] != "text"]
    return types


def estimate_tokens(value: object) -> int:
    """A guess at the tokens of a part of a request: a flat figure for an image, not its data."""
    if isinstance(value, str):
        return tokens_of(len(value.encode("utf-8", "replace")))
    if isinstance(value, Mapping):
        if value.get("type") in ("image_url", "input_audio", "file"):
            return IMAGE_TOKENS
        return sum(estimate_tokens(item) for item in value.values())
    if isinstance(value, int) and not isinstance(value, bool):
        return 1  # embeddings take tokens by their numbers
    if isinstance(value, list):
        return sum(estimate_tokens(item) for item in value)
    return 0


def tokens_of(size: int) -> int:
    """A guess at the tokens of so many bytes of text."""
    return -(-size // BYTES_PER_TOKEN)


def _count(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS:
        return value
    return None


def _seconds(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MAX_SECONDS:
        return float(value)
    return 0.0
