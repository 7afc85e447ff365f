"""The kind of a picture or document, by its first bytes: what clients label it is often wrong."""

from __future__ import annotations

from binascii import Error, a2b_base64

_HEAD = 16
"""Characters of base64 that hold the first twelve bytes."""

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
"""https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern."""


def sniffed_type(data: str) -> str | None:
    """The media type of what some base64 holds: PNG, JPEG, GIF, WebP or PDF; None for the rest."""
    try:
        head = a2b_base64(data[:_HEAD])
    except (Error, ValueError):
        return None
    for beginning, media_type in _BEGINNINGS:
        if head.startswith(beginning):
            return media_type
    return "image/webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else None
