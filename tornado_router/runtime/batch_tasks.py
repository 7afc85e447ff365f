"""The tasks of a process that look after batches, those of vendors and the router's own."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from tornado_router.accounts.key_lookup import Key, digest_of
from tornado_router.background.supervisor import end_task, keep_task
from tornado_router.calls.passed.kept.run import Means
from tornado_router.calls.passed.kept.runner import BatchRunner
from tornado_router.calls.passed.kept.slots import Slots
from tornado_router.config.options import BatchOptions
from tornado_router.errors import DatabaseAwayError
from tornado_router.http.services import Services


class BatchTasks:
    """Looks after batches until it is closed. To be made on the running event loop.

    Args:
        services: of the process; what router.toml decides changes in them.
        is_alone: whether no other process has the database.
    """

    def __init__(self, services: Services, *, is_alone: bool) -> None:
        self._services = services
        slots = Slots(
            lambda: self._options().lines_at_once,
            lambda: services.bounds.calls >= self._options().busy_calls,
        )
        means = Means(
            storage=services.accounts.storage,
            gateway=lambda: services.serving.gateway,
            options=self._options,
            find_key=self._find_key,
            slots=slots,
            memory=services.memory,
            is_stopping=lambda: services.requests.stopping,
        )
        self._runner = BatchRunner(means, is_alone=is_alone)
        self._tasks = [
            keep_task("batches", self._ask_vendors),
            keep_task("kept batches", self._runner.look_after),
        ]

    async def close(self) -> None:
        """Ends what runs; it goes on elsewhere, or after the next start."""
        for task in self._tasks:
            await end_task(task)
        await self._runner.close()

    async def _ask_vendors(self) -> None:
        """Has vendors be asked for batches, for as long as the process runs."""
        while True:
            options = self._services.serving.config.passthrough
            await asyncio.sleep(options.batch_seconds / 2)
            if options.provider or options.vendors:
                with suppress(DatabaseAwayError):  # later, then
                    await self._services.serving.passed.batches.look_after()

    def _options(self) -> BatchOptions:
        return self._services.serving.config.batches

    async def _find_key(self, key_id: int) -> Key | None:
        digest = await self._services.accounts.storage.run(lambda: digest_of(key_id))
        return await self._services.authenticator.find(digest) if digest else None
