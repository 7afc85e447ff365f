"""Forms as they are sent to a vendor: piece by piece, read from disk by another thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tornado_router.provider import Parts


async def form_pieces(parts: Parts) -> AsyncGenerator[bytes, None]:
    """A form in pieces. A file on disk is read by another thread."""
    pieces = parts.pieces()
    if not parts.on_disk:
        for piece in pieces:
            yield piece
        return
    while (read := await asyncio.to_thread(next, pieces, None)) is not None:
        yield read
