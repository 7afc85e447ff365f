"""The lanes of a websocket: side by side, and in each one thing after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tornado_router.background.supervisor import child_task
from tornado_router.error_codes import Invalid, Refusal

MOST_LANES = 32
"""With a name: https://developers.openai.com/api/docs/guides/websocket-mode."""

MOST_RUNNING = 16
"""At the same time, by the same page. More wait."""

MOST_WAITING = 64

_NAME = "lane of a websocket"


class Lanes:
    """Has work done, each in its lane. What the work raises is the worker's to catch."""

    def __init__(self) -> None:
        self._last: dict[str | None, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(MOST_RUNNING)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def tasks(self) -> set[asyncio.Task[None]]:
        """Those that are not over."""
        return set(self._tasks)

    def add(self, lane: str | None, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Has something done, behind all else that the lane has to do.

        Args:
            lane: None for the one without a name.
            work: does it.

        Returns:
            The task in which it is done, or waits for that.

        Raises:
            ApiError: 400, there are too many lanes; 429, too much waits.
        """
        is_new = lane is not None and lane not in self._last
        if is_new and len(self._last.keys() - {None}) >= MOST_LANES:
            raise Invalid.websocket_stream_limit_reached(limit=MOST_LANES)
        if len(self._tasks) >= MOST_RUNNING + MOST_WAITING:
            raise Refusal.websocket_queue_full()
        task = child_task(_NAME, self._do(self._last.get(lane), work))
        self._last[lane] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _do(
        self, before: asyncio.Task[None] | None, work: Callable[[], Awaitable[None]]
    ) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        async with self._room:
            await work()
