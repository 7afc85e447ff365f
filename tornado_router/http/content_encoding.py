"""Decodes bodies that clients compressed (RFC 9110 section 8.4), in pieces of a bounded size.

So what reads them can stop at any bound: a few KB may inflate to gigabytes.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

from tornado.httputil import HTTPHeaders

from tornado_router.error_codes import Invalid
from tornado_router.errors import MAX_QUOTED, ApiError

PIECE = 64 * 1024
"""The most bytes that are decoded at once."""

MAX_FRAMES = 100
"""Compressed data may be several files behind each other, as both gzip and zstd have it."""

_ZSTD_WINDOW = 23
"""As a power of two: 8 MB, which is all that RFC 9659 lets a client ask for."""


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


class _Inflater:
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
    return _Inflater(16 + zlib.MAX_WBITS)


def _deflate(data: bytes) -> _Frame:
    """By the RFC it has the header of zlib; many clients send it bare."""
    has_header = data[0] & 0x0F == zlib.DEFLATED
    return _Inflater(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)


def _zstd(_: bytes) -> _Frame:
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415 - few clients send it
    else:
        from backports import zstd  # noqa: PLC0415
    window = {int(zstd.DecompressionParameter.window_log_max): _ZSTD_WINDOW}
    return zstd.ZstdDecompressor(options=window)


_ENCODINGS: dict[str, Callable[[bytes], _Frame]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "zstd": _zstd,
}
ACCEPTED = "gzip, deflate, zstd"
"""As `Accept-Encoding` lists them."""


class Decoder:
    """Decodes one body.

    Args:
        encoding: one of `ACCEPTED`.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._frame: _Frame | None = None
        self._frames = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Takes the next bytes of the body, and gives what they decode to, piece by piece.

        Raises:
            ApiError: 400, they are something else.
        """
        while data or self._frame is not None:
            if self._frame is None:
                self._frame = self._begin(data)
            frame = self._frame
            try:
                piece = frame.decompress(data, PIECE)
            except Exception:  # noqa: BLE001 - zlib and zstd share no class of errors
                raise self._refusal() from None
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
            ApiError: 400, its compressed form has not.
        """
        if self._frame is not None:
            raise self._refusal()

    def _begin(self, data: bytes) -> _Frame:
        self._frames += 1
        if self._frames > MAX_FRAMES:
            raise self._refusal()
        return _ENCODINGS[self._encoding](data)

    def _refusal(self) -> ApiError:
        return Invalid.invalid_content_encoding(encoding=self._encoding)


def take_decoder(headers: HTTPHeaders) -> Decoder | None:
    """What decodes a body with these headers, which describe a decoded one from now on.

    None for a body that is as it is.

    Raises:
        ApiError: 415, it is encoded in another way, or more than once.
    """
    given = headers.get("Content-Encoding", "")
    encodings = [name for name in map(str.strip, given.lower().split(",")) if name]
    encodings = [name for name in encodings if name != "identity"]
    if not encodings:
        return None
    if len(encodings) > 1 or encodings[0] not in _ENCODINGS:
        raise Invalid.unsupported_content_encoding(
            got=given[:MAX_QUOTED], expected=ACCEPTED, headers={"Accept-Encoding": ACCEPTED}
        )
    del headers["Content-Encoding"]
    return Decoder(encodings[0])
