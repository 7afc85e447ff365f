"""Asks a second time what takes too long, and takes what comes first.

A second request, once the first has taken longer than most do, costs little and cuts off the
slowest responses: "The Tail at Scale", https://research.google/pubs/the-tail-at-scale/.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from tornado_router.background.supervisor import child_task

T = TypeVar("T")

Start = Callable[[], Coroutine[Any, Any, T | None]]
"""Begins to work for a result; None if it finds none."""


async def race(
    first: Start[T],
    second: Start[T],
    seconds: float,
    permitted: Callable[[], bool],
    discard: Callable[[T], Awaitable[None]],
) -> T | None:
    """The result that is there first. The other side is cancelled, and has ended on return.

    Args:
        first: begun at once.
        second: begun after `seconds`, or when the first has found nothing.
        seconds: to wait for the first alone.
        permitted: asked then; if not, the second has to wait until the first has found nothing.
        discard: given the result of the other side if both came at the same time.

    Raises:
        Exception: what either raised before there was a result.
    """
    tasks = [child_task("first of a race", first())]
    chosen: asyncio.Future[T | None] | None = None
    try:
        await asyncio.wait(tasks, timeout=seconds)
        if not tasks[0].done() and not permitted():
            await asyncio.wait(tasks)
        if not tasks[0].done() or tasks[0].result() is None:
            tasks.append(child_task("second of a race", second()))
        waiting = set(tasks)
        while waiting:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task.result() is not None:
                    chosen = task
                    return task.result()
        return None
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            if task is not chosen:
                result = (await asyncio.gather(task, return_exceptions=True))[0]
                if result is not None and not isinstance(result, BaseException):
                    await discard(result)
