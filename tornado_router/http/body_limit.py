"""Bounds the body of a request, and lets a client that sent too much know it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate

DISCARDED_BODIES = 8
"""A body of up to this many times the limit is read and thrown away, so that its sender gets to
see the refusal; the connection of a larger one is closed."""


def may_exceed(headers: HTTPHeaders, limit: int) -> bool:
    """Whether a body may turn out larger than the limit: no front reads more than is announced."""
    length = headers.get("Content-Length", "")
    if length.isdecimal() and int(length) <= limit:
        return False
    return bool(length) or "Transfer-Encoding" in headers


class BodyLimit(HTTPMessageDelegate):
    """Passes a request on to its handler, but one with a body over the limit to a refusal.

    Tornado itself closes the connection of such a request, so that its sender never learns why.

    Args:
        delegate: gets the request.
        limit: of its body, in bytes.
        refuse: makes what gets a request over the limit.
    """

    def __init__(
        self,
        delegate: HTTPMessageDelegate,
        limit: int,
        refuse: Callable[[], HTTPMessageDelegate],
    ) -> None:
        self._delegate = delegate
        self._limit = self._room = limit
        self._make_refusal = refuse

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> Any:
        """See `HTTPMessageDelegate`."""
        length = headers.get("Content-Length", "")
        if length.isdecimal() and int(length) > self._limit:
            self._refuse()
        return self._delegate.headers_received(start_line, headers)

    def data_received(self, chunk: bytes) -> Any:
        """See `HTTPMessageDelegate`."""
        if self._room < 0:
            return None
        self._room -= len(chunk)
        if self._room < 0:
            self._refuse()
            return None
        return self._delegate.data_received(chunk)

    def finish(self) -> None:
        """See `HTTPMessageDelegate`."""
        self._delegate.finish()

    def on_connection_close(self) -> None:
        """See `HTTPMessageDelegate`."""
        self._delegate.on_connection_close()

    def _refuse(self) -> None:
        self._room = -1
        self._delegate = self._make_refusal()
