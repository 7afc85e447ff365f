"""Responses that are bytes, such as speech: code that their endpoints share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tornado_router.endpoints.base import Encoded
from tornado_router.endpoints.openai_usage import read_usage
from tornado_router.error_codes import Failure
from tornado_router.errors import ApiError
from tornado_router.provider import Binary, Body, Said
from tornado_router.usage import Usage


class BytesEncoder:
    """Passes the bytes of a stream on, and remembers the reported usage (`StreamEncoder`).

    Bytes have no place for an error, nor for a reason why they end: such a stream is broken off.

    Args:
        estimate: the usage of a stream whose vendor reports none.

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
    complete = False
    response: Mapping[str, Any] | None = None

    def __init__(self, estimate: Callable[[], Usage]) -> None:
        self._estimate = estimate
        self._reported: Usage | None = None
        self.content_type = ""
        self.generated = 0

    def encode(self, chunk: Body) -> bytes:
        """The bytes of one piece.

        Raises:
            ProviderError: it is not a `Binary`.
        """
        piece = _binary(chunk)
        self.content_type = self.content_type or piece.content_type
        self._reported = read_usage(piece.usage) or self._reported
        return piece.data

    def said(self, chunk: Body) -> Said | None:
        """Nothing: bytes are not text."""
        return None

    def usage(self, prompt: int | None = None) -> Usage:
        """What the vendor reported, or an estimate."""
        return self._reported or self._estimate()

    def finish(self) -> bytes:
        """Nothing: the bytes are complete."""
        return b""

    def cut(self, reason: ApiError) -> None:
        """Nothing can be said; see the class."""

    def error(self, error: ApiError) -> None:
        """Nothing can be said; see the class."""


def whole_bytes(response: Body, estimate: Callable[[], Usage]) -> Encoded:
    """A whole response for the client.

    Args:
        response: the provider's.
        estimate: the usage, if the vendor reports none.

    Raises:
        ProviderError: it is not a `Binary`.
    """
    binary = _binary(response)
    return Encoded(binary.data, binary.content_type, read_usage(binary.usage) or estimate())


def _binary(body: Body) -> Binary:
    if isinstance(body, Binary) and isinstance(body.data, bytes) and body.content_type:
        return body
    raise Failure.unreadable_response()
