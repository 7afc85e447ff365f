"""Embeddings of texts. Pure, and always the same for the same text.

Each word points in a direction of its own, and a text where its words point together. So texts that
share words are near to each other, which is enough to try a search with.
"""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

from tornado_router.errors import ApiError

DIMENSIONS = 256
MAX_DIMENSIONS = 3072
"""As many as OpenAI's largest model has."""


def embed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The response to a request: https://platform.openai.com/docs/api-reference/embeddings.

    Raises:
        ApiError: 400, it asks for too many dimensions.
    """
    dimensions = int(body.get("dimensions") or DIMENSIONS)
    if dimensions > MAX_DIMENSIONS:
        raise ApiError(
            400,
            f"Invalid 'dimensions': at most {MAX_DIMENSIONS}, but got {dimensions} instead.",
            param="dimensions",
            code="integer_above_max_value",
        )
    inputs = [_words(text) for text in _texts(body["input"])]
    vectors = [_vector(words, dimensions) for words in inputs]
    in_base64 = body.get("encoding_format") == "base64"
    tokens = sum(map(len, inputs))
    return {
        "object": "list",
        "model": body["model"],
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _as_base64(vector) if in_base64 else vector,
            }
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _texts(given: Any) -> Sequence[Any]:
    """The inputs: a text or a list of tokens stands for one, a list of either for several."""
    is_one = not isinstance(given, list) or all(isinstance(item, int | float) for item in given)
    return [given] if is_one else given


def _words(text: Any) -> list[str]:
    if isinstance(text, str):
        return text.casefold().split()
    return [str(token) for token in (text if isinstance(text, list) else [text])]


def _vector(words: Sequence[str], dimensions: int) -> list[float]:
    """A vector of length 1."""
    sums = [0.0] * dimensions
    for word in words or [""]:
        digest = int.from_bytes(
            blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        )
        sums[(digest >> 1) % dimensions] += 1.0 if digest & 1 else -1.0
    length = math.sqrt(math.fsum(value * value for value in sums))
    if not length:  # words that cancel each other out
        return _vector([" ".join(words)], dimensions)
    return [value / length for value in sums]


def _as_base64(vector: Sequence[float]) -> str:
    """As OpenAI's SDK asks for it: 32-bit floats, the lowest byte first."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
