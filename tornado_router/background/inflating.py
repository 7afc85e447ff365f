"""Decompresses bodies in pieces of a bounded size, so that what reads them can stop at any bound.

A few KB may inflate to gigabytes.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

PIECE = 64 * 1024
"""The most bytes that are decompressed at once."""

MAX_FRAMES = 100
"""Compressed data may be several files behind each other, as both gzip and zstd have it."""

_ZSTD_WINDOW = 23
"""As a power of two: 8 MB, which is all that RFC 9659 lets a sender ask for."""


class InflateError(Exception):
    """Data is not compressed as it should be, or ends too early."""


class _Frame(Protocol):
    """Decompresses one file: as `zstd.ZstdDecompressor`."""

    @property
    def eof(self) -> bool:
        """Whether its end was read."""
        ...

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing left to give of what came so far."""
        ...

    @property
    def unused_data(self) -> bytes:
        """What came behind its end."""
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Takes more, and gives so many bytes at most."""
        ...


class _Zlib:
    """A `_Frame` of zlib, gzip or bare deflate, by the `window_bits` of `zlib.decompressobj`."""

    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self.needs_input = len(piece) < max_length and not self._inner.unconsumed_tail
        return piece


def _gzip(_: bytes) -> _Frame:
    return _Zlib(16 + zlib.MAX_WBITS)


def _deflate(data: bytes) -> _Frame:
    """By the RFC it has the header of zlib; many senders leave it out."""
    has_header = data[0] & 0x0F == zlib.DEFLATED
    return _Zlib(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def _zstd_module() -> Any:
    """The module of zstd, loaded when it is needed: few send it."""
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415
    else:
        from backports import zstd  # noqa: PLC0415
    return zstd


def _zstd(_: bytes) -> _Frame:
    zstd = _zstd_module()
    window = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW}
    frame: _Frame = zstd.ZstdDecompressor(options=window)
    return frame


_ENCODINGS: dict[str, Callable[[bytes], _Frame]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}

INFLATED = frozenset(_ENCODINGS)
"""The encodings that can be read."""


class Inflater:
    """Decompresses one body.

    Args:
        encoding: one of `INFLATED`.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._frame: _Frame | None = None
        self._frames = 0

    def feed(self, data: bytes, piece_bytes: int = PIECE) -> Iterator[bytes]:
        """Takes the next bytes of the body, and gives what they inflate to, piece by piece.

        Args:
            data: the bytes. All of what they inflate to has to be taken before the next.
            piece_bytes: the most that a piece may have.

        Raises:
            InflateError: they are something else.
        """
        while data or self._frame is not None:
            if self._frame is None:
                self._frame = self._begin(data)
            frame = self._frame
            try:
                piece = frame.decompress(data, piece_bytes)
            except (zlib.error, _zstd_module().ZstdError):
                raise InflateError from None
            if piece:
                yield piece
            data = b""
            if frame.eof:
                data, self._frame = frame.unused_data, None
            elif frame.needs_input:
                return

    def finish(self) -> None:
        """The body has ended.

        Raises:
            InflateError: its compressed form has not.
        """
        if self._frame is not None:
            raise InflateError

    def _begin(self, data: bytes) -> _Frame:
        self._frames += 1
        if self._frames > MAX_FRAMES:
            raise InflateError
        return _ENCODINGS[self._encoding](data)
