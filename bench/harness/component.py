"""A piece of the router, and how long it takes."""

from __future__ import annotations

import statistics
import time
import timeit
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

_WINDOWS = 100
_SECONDS_A_WINDOW = 0.003
"""Of the processor. Of many short windows, some are not disturbed by whatever else runs."""


@dataclass(frozen=True)
class Component:
    """A piece of the router.

    Attributes:
        name: what is done, as the table says it.
        run: does it once.
        units: how many of the things in `name` that are.
        in_call: whether a call of 1 KB does it once, on the event loop.
    """

    name: str
    run: Callable[[], object]
    units: int = 1
    in_call: bool = False


def measure(component: Component) -> tuple[float, float]:
    """Median and least µs of this thread for one unit."""
    timer = timeit.Timer(component.run, timer=time.thread_time)
    number = 1
    while (seconds := timer.timeit(number)) < _SECONDS_A_WINDOW:
        number = max(number * 2, int(number * _SECONDS_A_WINDOW / max(seconds, 1e-6)))
    each = [seconds / number / component.units * 1e6 for seconds in timer.repeat(_WINDOWS, number)]
    return statistics.median(each), min(each)


def now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that has nothing to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("it waits")
