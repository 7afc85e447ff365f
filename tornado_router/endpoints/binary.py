"""Responses that are bytes, such as speech: code that their endpoints share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tornado_router.endpoints.base import Encoded
from tornado_router.endpoints.media_usage import read_media_usage
from tornado_router.error_codes import Failure
from tornado_router.errors import ApiError
from tornado_router.provider import Binary, Body, Said
from tornado_router.usage import Drawn, Usage

BYTES = "application/octet-stream"
"""The content type of bytes of which nothing is known."""


class BytesEncoder:
    """Passes the bytes of a stream on, and remembers the reported usage (`StreamEncoder`).

    Bytes have no place for an error, nor for a reason why they end: such a stream is broken off.

    Args:
        measured: makes the usage of what the vendor reported, or of None if it reports none.
        asked: the content type that was asked for, where the vendor only says that it is bytes.

    Attributes:
        content_type: of the first piece.
        keepalive: none: all bytes are content.
        cost: for nothing: bytes have no place for it.
        maker: for nothing.
        generated: always 0: the number of bytes does not show what they cost.
        complete: always False: only their end shows that the bytes are whole.
        response: always None: they are not kept.
    """

    keepalive = b""
    cost: Callable[[Usage], float | None] | None = None
    maker = ""
    request_id = ""
    tell: Callable[[Drawn], None] | None = None
    complete = False
    response: Mapping[str, Any] | None = None

    def __init__(self, measured: Callable[[Usage | None], Usage], asked: str = BYTES) -> None:
        self._measured = measured
        self._asked = asked
        self._reported: Usage | None = None
        self.content_type = ""
        self.generated = 0

    def encode(self, chunk: Body) -> bytes:
        """The bytes of one piece.

        Raises:
            ProviderError: it is not a `Binary`.
        """
        piece = _binary(chunk)
        if not self.content_type:
            is_known = not piece.content_type.startswith(BYTES)
            self.content_type = piece.content_type if is_known else self._asked
        self._reported = read_media_usage(piece.usage) or self._reported
        return piece.data

    def said(self, chunk: Body) -> Said | None:
        """Nothing: bytes are not text."""
        return None

    def usage(self, prompt: int | None = None) -> Usage:
        """What the vendor reported, or an estimate."""
        return self._measured(self._reported)

    def finish(self) -> bytes:
        """Nothing: the bytes are complete."""
        return b""

    def cut(self, reason: ApiError) -> None:
        """Nothing can be said; see the class."""

    def error(self, error: ApiError) -> None:
        """Nothing can be said; see the class."""


def whole_bytes(response: Body, measured: Callable[[Usage | None], Usage]) -> Encoded:
    """A whole response for the client.

    Args:
        response: the provider's.
        measured: makes the usage of what the vendor reported, or of None if it reports none.

    Raises:
        ProviderError: it is not a `Binary`.
    """
    binary = _binary(response)
    return Encoded(binary.data, binary.content_type, measured(read_media_usage(binary.usage)))


def _binary(body: Body) -> Binary:
    if isinstance(body, Binary) and isinstance(body.data, bytes) and body.content_type:
        return body
    raise Failure.unreadable_response()
