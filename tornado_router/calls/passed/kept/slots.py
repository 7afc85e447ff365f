"""How many lines of batches run in a process at a time: few, and behind the calls of clients."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

BUSY_SECONDS = 0.1
"""How often it is asked whether the process is still busy."""


class Slots:
    """Lets lines run, those first that have waited for longest.

    Args:
        most: asked for how many may run.
        is_busy: asked whether none may begin, as clients wait.

    Attributes:
        taken: how many run.
    """

    def __init__(self, most: Callable[[], int], is_busy: Callable[[], bool]) -> None:
        self._most = most
        self._is_busy = is_busy
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.taken = 0

    async def take(self, give_up: Callable[[], bool]) -> bool:
        """Waits until a line may run; then it has to be given back.

        Args:
            give_up: asked whether it need not run any more.

        Returns:
            Whether it may run.
        """
        if self.taken < self._most() and not self._waiting:
            self.taken += 1
        else:
            await self._turn()
        while not give_up():
            if not self._is_busy():
                return True
            await asyncio.sleep(BUSY_SECONDS)
        self.give_back()
        return False

    def give_back(self) -> None:
        """A line is over, or waits for something else."""
        self.taken -= 1
        while self._waiting and self.taken < self._most():
            turn = self._waiting.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            raise
