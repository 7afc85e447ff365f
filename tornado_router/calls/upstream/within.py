"""Limits how long something may take without a timer, if it need not wait at all."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, as `asyncio.timeout` has it.

    A message that is there already, or that its connection takes at once, is not waited for; to set
    a time-out and take it back would take longer than to pass the message on.

    Args:
        seconds: how long it may take.
        coroutine: which has not begun.

    Raises:
        TimeoutError: it took longer.
    """
    try:
        waited = coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    async with asyncio.timeout(seconds):
        return await _rest(waited, coroutine)


@types.coroutine
def _rest(waited: Any, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Goes on with a coroutine that waits for something."""
    step: Callable[[], Any]
    while True:
        try:
            step = partial(coroutine.send, (yield waited))
        except BaseException as error:  # noqa: BLE001 - it is the coroutine's
            step = partial(coroutine.throw, error)
        try:
            waited = step()
        except StopIteration as done:
            result: T = done.value
            return result
