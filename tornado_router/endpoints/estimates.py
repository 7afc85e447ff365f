"""Estimates of tokens, for what must be known before a vendor counts, or where none does."""

from __future__ import annotations

import math
from collections.abc import Mapping

from tornado_router.usage import BYTES_PER_TOKEN

LABELS = frozenset(
    (
        "annotations",
        "data",
        "expires_at",
        "format",
        "id",
        "index",
        "object",
        "role",
        "signature",
        "type",
    )
)
"""Fields of a message that hold no text of the model's own, in any vendor's format."""

MOST_VALUES = 100_000
"""Of one chunk or message, so many values are looked at for text."""

IMAGE_TOKENS = 765
"""Of an image of 1024 x 1024 pixels: https://platform.openai.com/docs/guides/images-vision."""

_MEDIA = ("image_url", "input_audio", "file", "input_image", "input_file")
"""Types of parts of a request whose data is not text."""

_OBJECT = (dict, Mapping)
"""A JSON object, or what a plugin made of one; a dict is recognised much faster."""

PCM16_BYTES_PER_SECOND = 48_000
"""24,000 samples of 16 bits: https://platform.openai.com/docs/guides/audio."""

AUDIO_TOKENS_PER_SECOND = 20
"""Of speech that a model makes, a token for 50 ms:
https://platform.openai.com/docs/guides/realtime-costs."""


def estimate_tokens(value: object) -> int:
    """An estimate of the tokens of a part of a request: of an image a flat figure, not its data."""
    tokens = 0
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, str):
            tokens += tokens_of(byte_size(value))
        elif isinstance(value, list):
            left += value
        elif isinstance(value, _OBJECT):
            kind = value.get("type")
            if kind in _MEDIA:
                tokens += IMAGE_TOKENS
            elif kind != "base64":  # Anthropic's: counted with the block that it is the source of
                left += value.values()
        elif isinstance(value, int) and not isinstance(value, bool):
            tokens += 1  # embeddings take tokens by their numbers
    return tokens


def byte_size(text: str) -> int:
    """UTF-8 bytes of a text."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def text_size(value: object) -> int:
    """UTF-8 bytes of all text in a part of a response, whatever its shape.

    Of an object, `LABELS` do not count; in arguments of a tool that are JSON, names do. An image in
    place of a text counts as a flat figure, and a number as a token.
    """
    size = 0
    left: list[tuple[object, bool]] = [(value, False)]
    for _ in range(MOST_VALUES):
        if not left:
            break
        value, counts_names = left.pop()
        if isinstance(value, str):
            is_data = value.startswith("data:")
            size += IMAGE_TOKENS * BYTES_PER_TOKEN if is_data else byte_size(value)
        elif isinstance(value, Mapping):
            for name, item in value.items():
                if counts_names:
                    size += byte_size(str(name))
                    left.append((item, True))
                elif item and name not in LABELS:
                    left.append((item, name == "arguments"))
        elif isinstance(value, list | tuple):
            left += [(item, counts_names) for item in value[:MOST_VALUES]]
        elif isinstance(value, int | float) and not isinstance(value, bool):
            size += BYTES_PER_TOKEN
    return size


def audio_size(audio: object) -> int:
    """Bytes of text that audio of a response counts for: its transcript, and its length.

    The data is taken for `pcm16`, the only format that OpenAI streams; others are shorter, so that
    their estimate is too low.
    """
    data = audio.get("data") if isinstance(audio, Mapping) else None
    if not isinstance(data, str):
        return text_size(audio)
    seconds = len(data) * 3 // 4 / PCM16_BYTES_PER_SECOND
    rest = {name: value for name, value in audio.items() if name != "data"}  # type: ignore[attr-defined]
    return math.ceil(seconds * AUDIO_TOKENS_PER_SECOND * BYTES_PER_TOKEN) + text_size(rest)


def tokens_of(size: int) -> int:
    """An estimate of the tokens of so many bytes of text."""
    return -(-size // BYTES_PER_TOKEN)
