"""Takes the batches that are the router's to run, and runs them until the process stops."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial

from loguru import logger

from tornado_router.background.supervisor import start_task
from tornado_router.calls.passed.kept import batch_rows, file_rows
from tornado_router.calls.passed.kept.run import CLAIM_SECONDS, BatchRun, Means
from tornado_router.errors import DatabaseAwayError

LOOK_SECONDS = 1.0
"""How often it is looked for batches that nothing runs."""

MOST_BATCHES = 16
"""Of one process: each has some tasks."""

CLOSE_SECONDS = 3.0
"""For this long a stop waits for lines that are at a vendor."""


class BatchRunner:
    """Runs the batches of one process.

    Args:
        means: to run them with.
        is_alone: whether no other process runs batches: then all that is claimed is free.
    """

    def __init__(self, means: Means, *, is_alone: bool) -> None:
        self._is_alone = is_alone
        self._means = means
        self._running: dict[asyncio.Task[None], BatchRun] = {}

    async def look_after(self) -> None:
        """Runs batches, for as long as the process does."""
        while True:
            try:
                if self._is_alone:
                    await self._means.storage.run(batch_rows.release_all)
                    self._is_alone = False
                if self._means.options().by_router and not self._means.is_stopping():
                    await self._take()
                more = True
                while more:
                    more = await self._means.storage.run(file_rows.delete_old)
            except DatabaseAwayError:  # later, then
                pass
            await asyncio.sleep(LOOK_SECONDS)

    async def close(self) -> None:
        """Ends what runs, as the router stops: another one goes on, or this one after its start."""
        for run in self._running.values():
            run.stop()
        for seconds in (CLOSE_SECONDS, CLOSE_SECONDS):
            if self._running:
                await asyncio.wait(list(self._running), timeout=seconds)
            for task in self._running:
                task.cancel()

    async def _take(self) -> None:
        room = MOST_BATCHES - len(self._running)
        if room <= 0:
            return
        mine = [run.row.id for run in self._running.values()]
        for row in await self._means.storage.run(lambda: batch_rows.due(room, mine)):
            runner = secrets.token_hex(16)
            claim = partial(batch_rows.claim, row, runner, CLAIM_SECONDS)
            taken = await self._means.storage.run(claim)
            if taken:
                logger.info("batch {}: {} lines", row.batch_id, row.total)
                run = BatchRun(self._means, row, runner)
                task = start_task("batch", run.run())
                self._running[task] = run
                task.add_done_callback(self._running.pop)
