"""Looks after batches until they have ended, and settles each once.

Any router may, of many: who does takes the batch for a while by its row. A router that dies
meanwhile leaves it to the others, and to itself when it is back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

from loguru import logger

from tornado_router.background.supervisor import child_task
from tornado_router.calls.passed.batches import rows, vendor_files
from tornado_router.calls.passed.batches.lines import LineSplitter
from tornado_router.calls.passed.batches.money import BatchMoney, Spent, summed
from tornado_router.calls.passed.batches.reading import TURN_LINES
from tornado_router.calls.passed.vendor import Vendor
from tornado_router.calls.resource_rows import Made, Owner
from tornado_router.calls.resources import Resources
from tornado_router.endpoints.passed_usage import usage_in
from tornado_router.errors import ApiError, describe_exception
from tornado_router.observability.redaction import printable_name
from tornado_router.plugins.registry import FAULTS
from tornado_router.provider import load_json
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import Batch
from tornado_router.storage.values import EPOCH, now

AT_ONCE = 4
"""Batches that a process looks after at a time."""

LEAST_CLAIM = 2.0
CLAIMED_TURNS = 4
"""A batch is claimed for so many times the pause between two looks at it."""

GIVEN_UP_SECONDS = 3 * 24 * 3600
"""After so long, a batch has ended, however little the vendor says of it: it has 24 hours."""

MAX_OUTPUT_BYTES = 8 * 1024**3
MAX_OUTPUT_LINE = 64 * 1024**2

ENDED = frozenset(("completed", "failed", "expired", "cancelled"))
_FILES = ("output_file_id", "error_file_id")

MOST_PAGES = 20
_CLOCKS = 300
"""Seconds that the clocks of vendors may differ."""


class BatchPoller:
    """Looks after batches.

    Args:
        storage: where they are noted.
        resources: knows whose things are.
        money: settles them.
        vendor: the vendor of a provider by its name; None if it is off.
        seconds: between two looks at a batch.
    """

    def __init__(
        self,
        storage: Storage,
        resources: Resources,
        money: BatchMoney,
        vendor: Callable[[str], Vendor | None],
        seconds: float,
    ) -> None:
        self._storage = storage
        self._resources = resources
        self._money = money
        self._vendor = vendor
        self._seconds = seconds
        self._claim_seconds = max(LEAST_CLAIM, CLAIMED_TURNS * seconds)

    async def look_after(self) -> None:
        """Looks after those batches that it is time for.

        Raises:
            ApiError: 503, the database is away.
        """
        while found := await self._storage.run(lambda: rows.due(AT_ONCE)):
            await asyncio.gather(*(child_task("batch", self._look_at(row)) for row in found))

    async def _look_at(self, row: Batch) -> None:
        """Looks at one batch. What goes wrong is tried again once its claim is over."""
        if not await self._claim(row, self._claim_seconds):
            return
        vendor = self._vendor(row.provider)
        if vendor is None:
            return
        name = printable_name(row.batch_id or "")
        try:
            if row.batch_id is None:
                await self._look_for(row, vendor)
            elif not await self._end(row, vendor):
                await self._claim(row, self._seconds)
        except ApiError as error:
            logger.warning("batch {} at {}: {}", name, row.provider, error.message)
        except FAULTS as error:
            logger.error("batch {} at {}: {}", name, row.provider, describe_exception(error))

    async def _claim(self, row: Batch, seconds: float) -> bool:
        return await self._storage.run(lambda: rows.claim(row, seconds))

    async def _end(self, row: Batch, vendor: Vendor) -> bool:
        """Settles a batch if it has ended; whether it has."""
        assert row.batch_id is not None, "the vendor has it"
        is_old = (now() - row.created_at).total_seconds() > GIVEN_UP_SECONDS
        try:
            body = await vendor_files.batch(vendor, row.batch_id)
        except ApiError as error:
            if error.status != 404 or not is_old:
                raise
            logger.error("{} does not know batch {} any more", row.provider, row.batch_id)
            await self._money.settle(row, Spent(), "lost")
            return True
        status, files = body.get("status"), _files(body)
        await self._note(row, files)
        if status not in ENDED or (_is_unwritten(body) and not is_old):
            return False
        spent = Spent()
        for file in files:
            spent = await self._read(row, vendor, file, spent)
        await self._money.settle(row, spent, str(status))
        if row.file != row.own_file:
            with suppress(*FAULTS):  # the router's own copy; it costs nothing
                await vendor_files.delete(vendor, row.file)
        return True

    async def _note(self, row: Batch, files: list[str]) -> None:
        """Notes whose the files are that came of a batch."""
        owner = Owner(row.user_id, row.key_id, row.provider)
        taken = await self._resources.note(owner, [Made(file, "files") for file in files])
        if taken:
            logger.error(
                "{} gave an id to a second user: {}", row.provider, printable_name(min(taken))
            )

    async def _read(self, row: Batch, vendor: Vendor, file: str, spent: Spent) -> Spent:
        """Adds what the lines of a file used. Those that failed used nothing."""
        splitter = LineSplitter(MAX_OUTPUT_BYTES, MAX_OUTPUT_LINE)
        renew_at = time.monotonic() + self._claim_seconds / 2
        done = 0
        async with aclosing(vendor_files.content(vendor, file)) as pieces:
            async for piece in pieces:
                for _, line in splitter.feed(piece):
                    spent = self._added(row, line, spent)
                    done += 1
                    if done % TURN_LINES == 0:
                        await asyncio.sleep(0)
                if time.monotonic() >= renew_at:
                    await self._claim(row, self._claim_seconds)
                    renew_at = time.monotonic() + self._claim_seconds / 2
        for _, line in splitter.rest():
            spent = self._added(row, line, spent)
        return spent

    def _added(self, row: Batch, line: bytes, spent: Spent) -> Spent:
        try:
            value = load_json(line)
        except ValueError:
            value = None
        response = value.get("response") if isinstance(value, dict) else None
        body = response.get("body") if isinstance(response, dict) else None
        usage = usage_in(body) if isinstance(body, dict) else None
        return spent if usage is None else summed(spent, usage, self._money.cost(row, usage))

    async def _look_for(self, row: Batch, vendor: Vendor) -> None:
        """Finds out whether the vendor has a batch that was sent: its router saw no response."""
        earliest = (row.created_at - EPOCH).total_seconds() - _CLOCKS
        after = ""
        for _ in range(MOST_PAGES):
            page = await vendor_files.batches(vendor, after)
            data = page.get("data")
            items = [item for item in data if isinstance(item, dict)] if data else []
            mine = {
                str(item.get("id")): item
                for item in items
                if item.get("input_file_id") == row.file and _made_at(item) >= earliest
            }
            known = await self._storage.run(partial(rows.known, row.provider, tuple(mine)))
            if found := [name for name in mine if name not in known]:
                await self._adopt(row, found[-1])
                return
            if not items or not page.get("has_more") or _made_at(items[-1]) < earliest:
                break
            after = str(items[-1].get("id"))
        await self._money.drop(row.id, row.user_id)

    async def _adopt(self, row: Batch, batch_id: str) -> None:
        owner = Owner(row.user_id, row.key_id, row.provider)
        await self._storage.run(lambda: rows.made(row.id, owner, batch_id, self._seconds))


def _files(body: Mapping[str, Any]) -> list[str]:
    found = (body.get(name) for name in _FILES)
    return [file for file in found if isinstance(file, str) and file]


def _is_unwritten(body: Mapping[str, Any]) -> bool:
    """Whether a batch that has ended has results that are still to be in a file."""
    counts = body.get("request_counts")
    completed = counts.get("completed") if isinstance(counts, Mapping) else 0
    return bool(completed) and not body.get("output_file_id")


def _made_at(item: Mapping[str, Any]) -> float:
    found = item.get("created_at")
    return found if isinstance(found, int | float) else 0
