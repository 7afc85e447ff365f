"""Decodes bodies that clients compressed (RFC 9110 section 8.4), in pieces of a bounded size."""

from __future__ import annotations

from collections.abc import Iterator

from tornado.httputil import HTTPHeaders

from tornado_router.background.inflating import INFLATED, InflateError, Inflater
from tornado_router.error_codes import Invalid
from tornado_router.errors import MAX_QUOTED, ApiError

ACCEPTED = "gzip, deflate, zstd"
"""As `Accept-Encoding` lists them."""


class Decoder:
    """Decodes one body.

    Args:
        encoding: one of `ACCEPTED`.
    """

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._inflater = Inflater(encoding)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Takes the next bytes of the body, and gives what they decode to, piece by piece.

        Raises:
            ApiError: 400, they are something else.
        """
        try:
            yield from self._inflater.feed(data)
        except InflateError:
            raise self._refusal() from None

    def finish(self) -> None:
        """The body has ended.

        Raises:
            ApiError: 400, its compressed form has not.
        """
        try:
            self._inflater.finish()
        except InflateError:
            raise self._refusal() from None

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
    if len(encodings) > 1 or encodings[0] not in INFLATED:
        raise Invalid.unsupported_content_encoding(
            got=given[:MAX_QUOTED], expected=ACCEPTED, headers={"Accept-Encoding": ACCEPTED}
        )
    del headers["Content-Encoding"]
    return Decoder(encodings[0])
