"""Runs a server in a thread with an event loop of its own, so that tests need no `async`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def hosted(server: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Enters a context in a thread, and leaves it there at the end of the block.

    Raises:
        Exception: what entering or leaving it raises.
    """
    started: Future[tuple[T, asyncio.AbstractEventLoop]] = Future()
    stop = asyncio.Event()

    async def run() -> None:
        async with server as value:
            started.set_result((value, asyncio.get_running_loop()))
            await stop.wait()

    def serve() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            if started.done():
                raise  # to the end of the block
            started.set_exception(error)

    with ThreadPoolExecutor(1, "tornado-router-test") as pool:
        ended = pool.submit(serve)
        value, loop = started.result()
        try:
            yield value
        finally:
            loop.call_soon_threadsafe(stop.set)
            ended.result()
