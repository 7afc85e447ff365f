"""Reads a body that a vendor compressed, though it was asked not to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from tornado_router.background.inflating import INFLATED, InflateError, Inflater
from tornado_router.calls.upstream.failures import UnreadableEncodingError

ENCODINGS = INFLATED | {"br"}
"""Those that mean that a body is compressed, whether it can be read or not. What a vendor writes
there else, such as `utf-8`, says nothing."""


class InflatedBody:
    """A body as it was before it was compressed.

    Args:
        encoding: one of `ENCODINGS`.
        read: gives the next piece of its compressed form, of so many bytes at most; nothing at its
            end.
    """

    def __init__(self, encoding: str, read: Callable[[int], Awaitable[bytes]]) -> None:
        self._inflater = Inflater(encoding) if encoding in INFLATED else None
        self._read = read
        self._pieces: Iterator[bytes] = iter(())

    async def read(self, most: int) -> bytes:
        """The next piece, of so many bytes at most; nothing at the end.

        Raises:
            UnreadableEncodingError: it is not compressed in that way, or in one that is not known.
        """
        if self._inflater is None:
            if not await self._read(most):
                return b""
            raise UnreadableEncodingError("unknown Content-Encoding")
        try:
            while True:
                piece = next(self._pieces, b"")
                if piece:
                    return piece
                compressed = await self._read(most)
                if not compressed:
                    self._inflater.finish()
                    return b""
                self._pieces = self._inflater.feed(compressed, most)
        except InflateError:
            raise UnreadableEncodingError("wrong Content-Encoding") from None
