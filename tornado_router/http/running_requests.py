"""The requests that are not over yet: what a stop of the router waits for."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Request(Protocol):
    """A request that can be ended."""

    def cut_off(self) -> None:
        """Ends it, if it calls a model, and lets its client know why."""
        ...

    def look_after(self, now: float) -> None:
        """Acts if its response is silent; called now and then with `time.monotonic()`."""
        ...


class RunningRequests:
    """The requests that are not over yet.

    Attributes:
        stopping: whether connections are to be closed once they are idle.
        cutting_off: whether running calls are ended; no request begins any more.
    """

    def __init__(self) -> None:
        self.stopping = False
        self.cutting_off = False
        self._requests: set[Request] = set()
        self._none = asyncio.Event()
        self._none.set()
        self._waiting: list[tuple[set[Request], asyncio.Event]] = []

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._requests)

    def begin(self, request: Request) -> None:
        """Adds a request that came in."""
        self._requests.add(request)
        self._none.clear()

    def end(self, request: Request) -> None:
        """Removes a request that is over."""
        self._requests.discard(request)
        if not self._requests:
            self._none.set()
        for requests, ended in self._waiting:
            requests.discard(request)
            if not requests:
                ended.set()

    def cut_off(self) -> None:
        """Ends those that call a model, and lets their clients know why."""
        for request in tuple(self._requests):
            request.cut_off()

    def look_after(self) -> None:
        """Has each look whether its response is silent."""
        now = time.monotonic()
        for request in tuple(self._requests):
            request.look_after(now)

    async def present_ended(self) -> None:
        """Waits until those that run now are over, however many begin meanwhile."""
        waiter = set(self._requests), asyncio.Event()
        if not waiter[0]:
            return
        self._waiting.append(waiter)
        try:
            await waiter[1].wait()
        finally:
            self._waiting.remove(waiter)

    async def finished(self, seconds: float) -> bool:
        """Waits until there is none; False if there still is one after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._none.wait()
        except TimeoutError:
            return False
        return True
