"""Estimates of tokens, for what must be known before a vendor counts, or where none does."""

from __future__ import annotations

from collections.abc import Mapping

from tornado_router.usage import BYTES_PER_TOKEN

IMAGE_TOKENS = 765
"""Of an image of 1024 x 1024 pixels: https://platform.openai.com/docs/guides/images-vision."""


def estimate_tokens(value: object) -> int:
    """An estimate of the tokens of a part of a request: of an image a flat figure, not its data."""
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
    """An estimate of the tokens of so many bytes of text."""
    return -(-size // BYTES_PER_TOKEN)
