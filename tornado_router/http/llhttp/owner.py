"""What a connection needs of the front that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tornado.httputil import HTTPServerConnectionDelegate

from tornado_router.background.turns import Turns
from tornado_router.http.half_closed import HalfClosed

if TYPE_CHECKING:
    from tornado_router.http.llhttp.connection import LlhttpConnection


class Owner(Protocol):
    """What a connection needs of its front.

    Attributes:
        application: serves the requests.
        max_header_bytes: of a head.
        max_body_bytes: of a body, where it is not refused before by the application.
        half_closed: watches connections whose clients have ended their side; None if it cannot.
        read_buffer: what is read at once, and thus what each keeps that is not looked at yet.
        body_buffer: the same, of a body, which is larger.
        turns: that clients take who send much at once.
    """

    application: HTTPServerConnectionDelegate
    max_header_bytes: int
    max_body_bytes: int
    half_closed: HalfClosed | None
    read_buffer: memoryview
    body_buffer: memoryview
    turns: Turns

    def ended(self, connection: LlhttpConnection) -> None:
        """Nothing more is read of a connection."""
        ...

    def closed(self, connection: LlhttpConnection) -> None:
        """A connection is closed."""
        ...
