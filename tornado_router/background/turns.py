"""Spreads the work of a crowd over turns of the event loop.

A turn runs all that is due before it listens again, so a thousand clients who come at once, or who
wait for the same thing, would hold everything else up for as long as all of them take.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial

from tornado_router.background.supervisor import report


class Turns:
    """Lets so many go on in one turn of the event loop; those behind them wait for the next ones.

    Turns are not counted while few come: out of so many, one waits for the next turn, which costs
    less than to begin a count anew in each.

    Args:
        name: of the work, for the log.
        at_once: that go on in one turn.
    """

    def __init__(self, name: str, at_once: int) -> None:
        self._name = name
        self._at_once = self._left = at_once
        self._waiting: deque[Callable[[], object]] = deque()
        self._is_due = False

    def run(self, work: Callable[[], object]) -> bool:
        """Calls a function, now or once it is its turn.

        Returns:
            Whether it was called now, in which case it may raise.
        """
        if self._left and not self._waiting:
            self._left -= 1
            work()
            return True
        self._waiting.append(work)
        self._go_on()
        return False

    async def wait(self) -> None:
        """Returns once it is the caller's turn."""
        if self._left and not self._waiting:
            self._left -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.run(partial(_begin, turn))
        await turn

    def _go_on(self) -> None:
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._is_due = False
        self._left = self._at_once
        waiting = self._waiting
        while waiting and self._left:
            self._left -= 1
            try:
                waiting.popleft()()
            except Exception as error:  # noqa: BLE001 - the others go on
                report(self._name, error)
        if waiting:
            self._go_on()


def _begin(turn: asyncio.Future[None]) -> None:
    if not turn.done():  # as it is if who waited for it was cancelled
        turn.set_result(None)
