"""Reads a vendor's body whole: bounded, alone and together with all others, and in pieces."""

from __future__ import annotations

import asyncio

import aiohttp

from tornado_router.background.held_memory import UNCOUNTED, HeldMemory, Hold, request_hold
from tornado_router.config.options import ProviderOptions
from tornado_router.error_codes import Failure, Refusal

TURN_BYTES = 64 * 1024
"""After so many bytes others get their turn: what inflates comes faster than from a network."""


class BodyReader:
    """Reads the bodies of one provider.

    A body is cut off where it is known to be too large: at its head, if that announces its length.
    What counts is what is held, so a compressed body counts inflated.

    Args:
        provider: its name, for messages.
        options: the bounds.
        memory: what the bodies of all providers and of all clients hold together.
    """

    def __init__(self, provider: str, options: ProviderOptions, memory: HeldMemory) -> None:
        self._provider = provider
        self._max_response = options.max_response_bytes
        self._max_error = options.max_error_bytes
        self._memory = memory

    async def read(self, response: aiohttp.ClientResponse) -> bytes:
        """The rest of a body.

        Raises:
            ProviderError: 502, it is too large.
            ApiError: 503, all bodies together hold too much.
        """
        limit = self._max_response if 200 <= response.status < 300 else self._max_error
        hold = request_hold.get()
        is_own = hold is None or hold.over
        if hold is None or is_own:
            hold = Hold(self._memory)
        try:
            if (response.content_length or 0) > limit:
                raise Failure.response_too_large(provider=self._provider, limit=limit)
            pieces = await self._pieces(response.content, limit, hold)
            return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        except BaseException:
            response.close()  # so that no more of it arrives
            raise
        finally:
            if is_own:
                hold.free()

    async def _pieces(self, content: aiohttp.StreamReader, limit: int, hold: Hold) -> list[bytes]:
        pieces: list[bytes] = []
        size, counted, turn = 0, 0, TURN_BYTES
        try:
            while piece := await content.readany():
                size += len(piece)
                pieces.append(piece)
                if size <= UNCOUNTED:
                    continue
                if size > limit:
                    raise Failure.response_too_large(provider=self._provider, limit=limit)
                if not hold.grow(size - counted):
                    raise Refusal.overloaded()
                counted = size
                if size > turn:
                    turn = size + TURN_BYTES
                    await asyncio.sleep(0)
        except BaseException:
            hold.shrink(counted)
            pieces.clear()  # the error's frames hold this list until the client has a response
            raise
        return pieces
