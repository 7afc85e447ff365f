"""What a client of vendors is, whichever library it sends requests by."""

from __future__ import annotations

from typing import Protocol

from tornado_router.provider import HTTPClient, UpstreamStream


class PoolNumbers(Protocol):
    """How many connections there are to one provider."""

    @property
    def limit(self) -> int:
        """How many may be in use at once."""
        ...

    @property
    def in_use(self) -> int:
        """Connections that requests have, or that are being made for them."""
        ...

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        ...

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection."""
        ...


class Upstream(HTTPClient, Protocol):
    """The connections to one provider: pooled, with time-outs, read no faster than clients read."""

    @property
    def pool(self) -> PoolNumbers:
        """The connections."""
        ...

    async def close(self) -> None:
        """Closes every connection."""
        ...


class ByteStream(UpstreamStream, Protocol):
    """A response of these clients, which comes in pieces of a size that may be chosen.

    That of some has a method `offer`, too; see `UpstreamStream`.
    """

    def widen(self, most: int) -> None:
        """Takes up to so many bytes at once from now on, as they go on unread.

        What is parsed comes in small pieces, and its vendor is not let run ahead by much.
        """
        ...
