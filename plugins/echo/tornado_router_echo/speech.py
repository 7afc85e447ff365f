"""Speech of the echo: a tone for each word, always the same for the same word. Pure."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

RATE = 8000
"""Samples a second, of 16 bits each, on one channel."""

WORD_SECONDS = 0.05
_ENDLESS = 0xFFFFFFFF  # what a WAV file says that is written before its length is known


def content_type(body: Mapping[str, Any]) -> str:
    """Of the speech for a request: bare samples if it asks for `pcm`, else a WAV file."""
    return "audio/pcm" if body.get("response_format") == "pcm" else "audio/wav"


def pieces(body: Mapping[str, Any]) -> Iterator[bytes]:
    """The speech for a valid `audio.speech` request, a piece for each word."""
    words = str(body["input"]).split()
    if content_type(body) == "audio/wav":
        yield _wav_head()
    for word in words:
        yield _tone(word)


def usage(body: Mapping[str, Any]) -> dict[str, int]:
    """A word is a token; tones are none."""
    words = len(str(body["input"]).split())
    return {"prompt_tokens": words, "completion_tokens": 0, "total_tokens": words}


def _tone(word: str) -> bytes:
    digest = blake2b(word.casefold().encode("utf-8", "surrogatepass"), digest_size=1).digest()
    step = 2 * math.pi * (200 + 4 * digest[0]) / RATE
    samples = [round(12_000 * math.sin(step * at)) for at in range(round(RATE * WORD_SECONDS))]
    return struct.pack(f"<{len(samples)}h", *samples)


def _wav_head() -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", _ENDLESS, b"WAVE") + form + b"data\xff\xff\xff\xff"
