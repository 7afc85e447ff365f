"""What the limits ask of the ledger of this process, and of the database behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from tornado_router.accounts.purses import spent_of
from tornado_router.ledger.writer import Ledger
from tornado_router.storage.storage import Storage

POLL_SECONDS = 0.02


class RouterBooks:
    """What the limits ask when Redis has forgotten them; see `limits.epoch.Books`.

    Args:
        storage: the open database.
        ledger: writes what calls cost there.
    """

    def __init__(self, storage: Storage, ledger: Ledger) -> None:
        self._storage = storage
        self._ledger = ledger
        self.hold = ledger.hold
        self.release = ledger.release

    async def written(self) -> None:
        """See `Books.written`."""
        while True:
            if self._ledger.is_written:  # by a thread
                return
            await asyncio.sleep(POLL_SECONDS)

    async def spent(self, ids: Iterable[str]) -> Mapping[str, int]:
        """See `Books.spent`."""
        return await self._storage.run(lambda: spent_of(ids))
