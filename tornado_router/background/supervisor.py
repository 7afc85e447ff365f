"""Runs every thread, task and loop of the router: each has a name, and no failure of one is silent.

A failure is logged with the name and the place, and counted for the metric
`background_failures_total`. What is to go on is started again, after a pause that doubles from half
a second to half a minute. No other module starts threads, tasks or timers by itself; which function
to use:

- `keep_task(name, work)`: a coroutine function that is to run until its task is cancelled.
- `start_task(name, coroutine)`: a coroutine that ends by itself, which is not awaited.
- `end_task(task)`: cancels one of those, and waits until it has ended.
- `child_task(name, coroutine)`: one that its caller awaits, and so learns of its exception.
- `repeat(name, seconds, work)`: a function to be called on the event loop again and again.
- `call_later(name, seconds, work, *args)`: a function to be called there once.
- `SupervisedThread(name, work, stopping)`: a blocking function that is to run until it returns.
- `thread_pool(name, threads)`: blocking functions that coroutines await.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from loguru import logger

from tornado_router.errors import describe_exception

T = TypeVar("T")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0

LONG_SECONDS = 10.0
"""Work that ran for so long before it failed begins with the first pause again."""

END_SECONDS = 0.1
"""For so long a task that was cancelled may take to end, before it is cancelled again."""

_FAULTS = (Exception, SystemExit)
"""What work may raise; a library may try to end the process, which no library decides."""

_failures: Counter[str] = Counter()
_lock = threading.Lock()
_running: set[asyncio.Task[Any]] = set()
"""Tasks without another reference; the event loop alone does not keep them."""


def failures() -> dict[str, int]:
    """The number of failures of each thread, task and loop, by its name."""
    with _lock:
        return dict(_failures)


def report(name: str, error: BaseException, pause: float | None = None) -> None:
    """Logs and counts a failure.

    Args:
        name: of the thread, task or loop.
        error: that it raised.
        pause: seconds until it is started again; None if it is not.
    """
    with _lock:
        _failures[name] += 1
    again = "" if pause is None else f"; restarting in {pause:g} s"
    logger.error("{} failed: {}{}", name, describe_exception(error), again)


class Backoff:
    """The pauses between failures of one thread, task or loop."""

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE
        self._began = time.monotonic()

    def begin(self) -> None:
        """Notes that the work is started."""
        self._began = time.monotonic()

    def next(self) -> float:
        """Seconds until the work is to be started again, as it has failed."""
        if time.monotonic() - self._began > LONG_SECONDS:
            self._pause = FIRST_PAUSE
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return pause


def child_task(name: str, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Starts a task that its caller awaits or cancels."""
    return asyncio.get_running_loop().create_task(coroutine, name=name)


def start_task(name: str, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Starts a task that ends by itself; its failure is reported."""
    task = child_task(name, coroutine)
    _running.add(task)
    task.add_done_callback(_end_task)
    return task


def keep_task(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
    """Starts a task that runs until `work` returns or the task is cancelled.

    Args:
        name: of the task.
        work: is called again after each failure.
    """
    return start_task(name, _keep(name, work))


async def end_task(task: asyncio.Task[Any]) -> None:
    """Cancels a task until it has ended.

    Once may not be enough: `asyncio.wait_for` of Python 3.11 swallows a cancellation that comes in
    the turn of the event loop in which what it waits for is done.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=END_SECONDS)


async def _keep(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    backoff = Backoff()
    while True:
        backoff.begin()
        try:
            await work()
            return
        except _FAULTS as error:
            pause = backoff.next()
            report(name, error, pause)
        await asyncio.sleep(pause)


def _end_task(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        report(task.get_name(), error)


class repeat:  # noqa: N801 - reads as the function that it is
    """Calls a function on the running event loop, first after a pause, until it is cancelled.

    Args:
        name: of the loop.
        seconds: between the end of a call and the next; more after a failure.
        work: returns at once.
    """

    def __init__(self, name: str, seconds: float, work: Callable[[], object]) -> None:
        self._name = name
        self._seconds = seconds
        self._work = work
        self._backoff = Backoff()
        self._loop = asyncio.get_running_loop()
        self._cancelled = False
        self._timer = self._loop.call_later(seconds, self._run)

    def cancel(self) -> None:
        """Calls it no more."""
        self._cancelled = True
        self._timer.cancel()

    def _run(self) -> None:
        pause = self._seconds
        try:
            self._work()
        except _FAULTS as error:
            pause = max(pause, self._backoff.next())
            report(self._name, error, pause)
        else:
            self._backoff = Backoff()
        if not self._cancelled:
            self._timer = self._loop.call_later(pause, self._run)


def call_later(
    name: str, seconds: float, work: Callable[..., object], *args: Any
) -> asyncio.TimerHandle:
    """Calls a function on the running event loop once; the handle can be cancelled."""

    def run() -> None:
        try:
            work(*args)
        except _FAULTS as error:
            report(name, error)

    return asyncio.get_running_loop().call_later(seconds, run)


class SupervisedThread:
    """A thread that calls a function until it returns.

    It does not keep the process alive.

    Args:
        name: of the thread.
        work: may block.
        stopping: if given, `work` is called again after each failure, until this is set; else a
            failure ends the thread.
    """

    def __init__(
        self, name: str, work: Callable[[], object], stopping: threading.Event | None = None
    ) -> None:
        self._name = name
        self._work = work
        self._stopping = stopping
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def join(self, seconds: float | None = None) -> bool:
        """Waits until it has ended, at most for so many seconds; whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        backoff = Backoff()
        while True:
            backoff.begin()
            try:
                self._work()
                return
            except _FAULTS as error:
                stopping = self._stopping
                again = stopping is not None and not stopping.is_set()
                pause = backoff.next() if again else None
                report(self._name, error, pause)
            if stopping is None or stopping.wait(pause or 0):
                return


def thread_pool(name: str, threads: int) -> ThreadPoolExecutor:
    """A pool of threads; a function's exception is raised where its result is awaited."""
    return ThreadPoolExecutor(threads, thread_name_prefix=name)
