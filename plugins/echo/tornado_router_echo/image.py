"""Images of the echo: a dot whose colour comes of the prompt. Pure."""

from __future__ import annotations

import struct
import zlib
from binascii import b2a_base64
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

_TRUE_COLOUR = 2


def images(body: Mapping[str, Any]) -> dict[str, Any]:
    """The response to a valid request for images; each is a token. Variations have no prompt."""
    count = int(body.get("n") or 1)  # for JSON Schema, 2.0 is an integer
    return {
        "created": 0,
        "data": [{"b64_json": _picture(body.get("prompt", ""), index)} for index in range(count)],
        "background": "opaque",
        "output_format": "png",
        "size": "1x1",
        "quality": "low",
        "usage": _usage(body, count),
    }


def events(body: Mapping[str, Any], kind: str = "image_generation") -> Iterator[dict[str, Any]]:
    """The same as events, with as many partial images as are wanted.

    Args:
        body: of the request.
        kind: what the types of the events begin with.
    """
    whole = images(body)
    common = {name: whole[name] for name in ("background", "output_format", "size", "quality")} | {
        "created_at": whole["created"]
    }
    for index, image in enumerate(whole["data"]):
        for number in range(int(body.get("partial_images") or 0)):
            partial = {"type": f"{kind}.partial_image", "partial_image_index": number}
            yield {**partial, **common, **image}
        words = body if index == 0 else {"prompt": ""}
        yield {
            "type": f"{kind}.completed",
            **common,
            **image,
            "usage": _usage(words, 1),
        }


def _picture(prompt: str, index: int) -> str:
    """A PNG of one pixel, in base64: https://www.w3.org/TR/png/#11Chunks."""
    name = f"{prompt.casefold()} {index}".encode("utf-8", "surrogatepass")
    colour = blake2b(name, digest_size=3).digest()
    head = struct.pack(">IIBBBBB", 1, 1, 8, _TRUE_COLOUR, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" + colour)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b2a_base64(data, newline=False).decode()


def _usage(body: Mapping[str, Any], count: int) -> dict[str, Any]:
    """A word is a token, and so is an image."""
    words = len(body.get("prompt", "").split())
    return {
        "input_tokens": words,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": words},
        "output_tokens": count,
        "total_tokens": words + count,
    }
