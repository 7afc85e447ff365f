"""Bodies that are sent to a vendor piece by piece: forms, and what a client is still sending."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from tornado_router.provider import Parts, Upload


async def form_pieces(parts: Parts) -> AsyncGenerator[bytes, None]:
    """A form in pieces. A file on disk is read by another thread."""
    pieces = parts.pieces()
    if not parts.on_disk:
        for piece in pieces:
            yield piece
        return
    while (read := await asyncio.to_thread(next, pieces, None)) is not None:
        yield read


async def chunks_of(upload: Upload) -> AsyncGenerator[bytes, None]:
    """An upload in pieces, as they are written: in chunks if its size is not known."""
    if upload.size is not None:
        async for piece in upload.pieces:
            yield piece
        return
    async for piece in upload.pieces:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"
