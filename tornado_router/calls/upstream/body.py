"""Reads a vendor's body whole: bounded, alone and together with all others, and in pieces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tornado_router.background.held_memory import (
    SLOW_BYTES,
    UNCOUNTED,
    HeldMemory,
    Hold,
    request_hold,
)
from tornado_router.config.options import ProviderOptions
from tornado_router.error_codes import Failure, Refusal
from tornado_router.validation.value_count import holds_more_by_turns

TURN_BYTES = 64 * 1024
"""After so many bytes others get their turn: what inflates comes faster than from a network."""


class BodyBounds:
    """The bounds on the bodies of one provider.

    A body is cut off where it is known to be too large: at its head, if that announces its length.
    What counts is what is held, so a compressed body counts inflated.

    Args:
        provider: its name, for messages.
        options: the bounds.
        memory: what the bodies of all providers and of all clients hold together.

    Attributes:
        provider: its name.
        max_response: bytes of a body that reports success.
        max_error: bytes of one that reports an error.
        max_values: of a body that is JSON.
        memory: as it was given.
    """

    def __init__(self, provider: str, options: ProviderOptions, memory: HeldMemory) -> None:
        self.provider = provider
        self.max_response = options.max_response_bytes
        self.max_error = options.max_error_bytes
        self.max_values = options.max_response_values
        self.memory = memory


class BodyCount:
    """Counts one body, which belongs to the request whose task makes this.

    Used as `with count:` around all that reads the body: what is left behind after a failure does
    not count, nor does a body without a request once it was read.

    Args:
        bounds: on it.
    """

    __slots__ = ("_bounds", "_counted", "_hold", "_is_own", "_limit", "_size")

    def __init__(self, bounds: BodyBounds) -> None:
        self._bounds = bounds
        self._limit = bounds.max_response
        self._size = self._counted = 0
        hold = request_hold.get()
        self._is_own = hold is None or hold.over
        self._hold = None if self._is_own else hold

    def begin(self, status: int, length: int | None) -> None:
        """Takes what the head says.

        Args:
            status: of the response.
            length: of the body, in bytes; None if the head does not say.

        Raises:
            ProviderError: 502, it will be too large.
        """
        if not 200 <= status < 300:
            self._limit = self._bounds.max_error
        if length and length > self._limit:
            raise self._too_large()

    def add(self, count: int) -> None:
        """Counts so many more bytes.

        Raises:
            ProviderError: 502, it is too large.
            ApiError: 503, all bodies together hold too much.
        """
        self._size += count
        if self._size <= UNCOUNTED:
            return
        if self._size > self._limit:
            raise self._too_large()
        if self._hold is None:
            self._hold = Hold(self._bounds.memory)
        if not self._hold.grow(self._size - self._counted):
            raise Refusal.overloaded()
        self._counted = self._size

    async def turn(self) -> None:
        """Waits for a turn of the event loop in which few other bodies are read on."""
        await self._bounds.memory.pieces.wait()

    async def look_through(self, body: bytes) -> bytes:
        """Returns a body that may be parsed, in a turn of the event loop of its own.

        Raises:
            ProviderError: 502, it holds too many values.
        """
        if len(body) <= SLOW_BYTES:
            return body
        limit, turn = self._bounds.max_values, self._bounds.memory.turn
        is_json = body[:UNCOUNTED].lstrip()[:1] in (b"{", b"[")
        if is_json and await holds_more_by_turns(body, limit, turn):
            raise Failure.too_many_values_in_response(provider=self._bounds.provider, limit=limit)
        await turn()
        return body

    def __enter__(self) -> BodyCount:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._hold is None:
            return
        if kind is not None:
            self._hold.shrink(self._counted)
        if self._is_own:
            self._hold.free()

    def _too_large(self) -> Exception:
        return Failure.response_too_large(provider=self._bounds.provider, limit=self._limit)


async def read_whole(read: Callable[[], Awaitable[bytes]], count: BodyCount) -> bytes:
    """A body in one.

    Args:
        read: the next piece of it; nothing at its end.
        count: that the pieces are counted by.

    Raises:
        ProviderError: 502, it is too large.
        ApiError: 503, all bodies together hold too much.
    """
    pieces: list[bytes] = []
    size, turn = 0, TURN_BYTES
    try:
        while piece := await read():
            count.add(len(piece))
            size += len(piece)
            pieces.append(piece)
            if size > turn:
                turn = size + TURN_BYTES
                await count.turn()
    except BaseException:
        pieces.clear()  # the error's frames hold this list until the client has a response
        raise
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
