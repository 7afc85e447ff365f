"""Responses that are to be kept, written many at a time.

A client waits until its response is there. One that comes alone is written at once. Those that come
while it is written, and within `PAUSE_SECONDS` behind it, make the next transaction: one of several
takes little more than one of one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from tornado_router.background.supervisor import call_later, start_task
from tornado_router.calls import response_rows as rows
from tornado_router.calls.new_response import NewResponse
from tornado_router.errors import DatabaseAwayError
from tornado_router.storage.storage import Storage

MOST_AT_ONCE = 100
"""In one transaction: other processes wait to write meanwhile."""

PAUSE_SECONDS = 0.01
"""Between two transactions; a vendor takes a hundred times as long."""

_Waiting = tuple[NewResponse, asyncio.Future[None]]


class ResponseBatches:
    """Writes responses for coroutines that wait for it.

    Args:
        storage: where.
        bounds: of each user.
    """

    def __init__(self, storage: Storage, bounds: rows.UserBounds) -> None:
        self._storage = storage
        self._bounds = bounds
        self._waiting: list[_Waiting] = []
        self._is_writing = False

    async def write(self, new: NewResponse, seconds: float = math.inf) -> None:
        """Returns once a response is written; who does not wait for that does not prevent it.

        Args:
            new: the response.
            seconds: for how long it is awaited.

        Raises:
            DatabaseAwayError: the database is away.
            TimeoutError: it is not written yet.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((new, done))
        if not self._is_writing:
            self._is_writing = True
            start_task("kept responses", self._write_all())
        if seconds == math.inf:
            await done
            return
        # Not by `asyncio.timeout`, which takes several times as long.
        timer = call_later("kept response", seconds, _give_up, done)
        try:
            await done
        finally:
            timer.cancel()

    async def _write_all(self) -> None:
        batch: list[_Waiting] = []
        try:
            while batch := self._waiting[:MOST_AT_ONCE]:
                del self._waiting[:MOST_AT_ONCE]
                await self._write(batch)
                if len(self._waiting) < MOST_AT_ONCE:
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:  # a stop may have come between
            self._is_writing = False
            for _, done in (*batch, *self._waiting):
                done.cancel()

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        responses = [new for new, _ in batch]
        try:
            await self._storage.run_often(lambda: rows.insert(responses, self._bounds))
        except Exception as error:  # noqa: BLE001 - it is of those who wait
            if len(batch) > 1 and not isinstance(error, DatabaseAwayError):
                for each in batch:  # one that the database refuses fails alone
                    await self._write([each])
                return
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)


def _give_up(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_exception(TimeoutError())
