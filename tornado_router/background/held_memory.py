"""Counts the bytes of bodies that a process holds, in memory or on disk, and bounds them.

A body is bounded by an option of its own; a thousand of them at once would still be too much. What
reads a body beyond `UNCOUNTED` bytes asks here for each further piece before it keeps it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

from tornado_router.background.turns import Turns

SLOW_BYTES = 256 * 1024
"""Of a request: a smaller one takes 10 ms at most to be parsed, and as long to be translated."""

UNCOUNTED = 64 * 1024
"""A smaller body is not counted: the bounds on connections and calls bound those, and most are."""

PIECES_AT_ONCE = 16
"""So many pieces of 64 KB inflate in one turn of the event loop, of all bodies: 5 ms of work."""


class HeldMemory:
    """The bytes that all bodies of a process hold together: of memory, or of its disk.

    Args:
        limit: the most that they may.

    Attributes:
        limit: as it was given.
        held: that they hold now.
        refused: how often there was no room for a piece.
        pieces: turns for those that come faster than from a network, as what inflates does.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held = 0
        self.refused = 0
        self._turns = asyncio.Lock()
        self.pieces = Turns("pieces of bodies", PIECES_AT_ONCE)

    async def turn(self) -> None:
        """Waits for a turn of the event loop in which no other large body is worked on.

        Calls that came together go on together, from one await to the next: ten bodies of 10 MB,
        at 15 ms each, would hold everything else up for 150 ms.
        """
        async with self._turns:
            await asyncio.sleep(0)


class Hold:
    """What the bodies of one request hold, its own and the response's; freed at its end.

    Args:
        memory: that it is a part of.

    Attributes:
        over: whether it was freed; a task that outlives its request may still know it.
    """

    __slots__ = ("_at_end", "_bytes", "_memory", "over")

    def __init__(self, memory: HeldMemory) -> None:
        self._memory = memory
        self._bytes = 0
        self._at_end: list[Callable[[], None]] = []
        self.over = False

    def at_end(self, work: Callable[[], None]) -> None:
        """Has something else given back with it, such as files."""
        self._at_end.append(work)

    async def turn(self) -> None:
        """See `HeldMemory.turn`."""
        await self._memory.turn()

    async def piece(self) -> None:
        """Waits, if many pieces are worked on in this turn: see `HeldMemory.pieces`."""
        await self._memory.pieces.wait()

    def grow(self, count: int) -> bool:
        """Takes room for so many more bytes; False if there is none."""
        memory = self._memory
        if memory.held + count > memory.limit:
            memory.refused += 1
            return False
        memory.held += count
        self._bytes += count
        return True

    def take_part(self, count: int) -> bool:
        """Takes room for a part of a message, unless it is small.

        Args:
            count: bytes of it; a negative number gives some back.

        Returns:
            Whether there is room.
        """
        if count < 0:
            self.shrink(-count)
            return True
        return count < UNCOUNTED or self.grow(count)

    def shrink(self, count: int) -> None:
        """Gives so many bytes back."""
        count = min(count, self._bytes)
        self._bytes -= count
        self._memory.held -= count

    def free(self) -> None:
        """Gives all of them back, at its end."""
        self.over = True
        self.shrink(self._bytes)
        while self._at_end:
            self._at_end.pop()()


request_hold: ContextVar[Hold | None] = ContextVar("request_hold", default=None)
"""Of the request whose task runs: a response that is read in it counts until it is delivered."""
