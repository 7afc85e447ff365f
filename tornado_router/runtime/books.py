"""What the limits ask of the ledger of this process, and of the database behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from tornado_router.accounts.purses import spent_of
from tornado_router.ledger.writer import Ledger
from tornado_router.storage.storage import Storage

POLL_SECONDS = 0.02


class DatabaseBooks:
    """What the limits ask when Redis has forgotten them, of a process that serves no calls.

    Args:
        storage: the open database.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def hold(self) -> None:
        """See `Books.hold`: this process writes no calls."""

    async def written(self) -> None:
        """See `Books.written`."""

    def release(self) -> None:
        """See `Books.release`."""

    async def spent(self, ids: Iterable[str]) -> Mapping[str, int]:
        """See `limits.epoch.Books.spent`."""
        return await self._storage.run(lambda: spent_of(ids))


class RouterBooks(DatabaseBooks):
    """The same of a router.

    Args:
        storage: the open database.
        ledger: writes what calls cost there.
    """

    def __init__(self, storage: Storage, ledger: Ledger) -> None:
        super().__init__(storage)
        self._ledger = ledger

    def hold(self) -> None:
        """See `Books.hold`."""
        self._ledger.hold()

    async def written(self) -> None:
        """See `Books.written`."""
        while True:
            if self._ledger.is_written:  # by a thread
                return
            await asyncio.sleep(POLL_SECONDS)

    def release(self) -> None:
        """See `Books.release`."""
        self._ledger.release()
