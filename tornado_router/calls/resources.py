"""Who owns what vendors keep under ids: files, vector stores, threads and all else.

Many people share one account of a vendor, which has one owner for everything in it. So it is noted
here who made what, before its maker learns the id. What is another's, or unknown, is not there.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress

from tornado_router.background.supervisor import start_task
from tornado_router.calls import resource_rows as rows
from tornado_router.calls.resource_rows import Made, Owned, Owner
from tornado_router.errors import DatabaseAwayError
from tornado_router.storage.storage import Storage

TIDY_SECONDS = 60.0


class Resources:
    """Knows whose things are.

    Args:
        storage: where that is noted.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._tidied = time.monotonic()

    async def note(self, owner: Owner, made: Sequence[Made]) -> set[str]:
        """Notes whose some things are; returns the ids that another user has, which stay there.

        Raises:
            ApiError: 503, the database is away.
        """
        return await self._storage.run(lambda: rows.insert(owner, made)) if made else set()

    async def find(self, user_id: int, ids: Collection[str], provider: str | None = None) -> Owned:
        """Whose some ids are.

        Args:
            user_id: who names them.
            ids: that are named.
            provider: that keeps what they lead to; None for any.

        Raises:
            ApiError: 503, the database is away.
        """
        if not ids:
            return Owned({}, set())
        return await self._storage.run(lambda: rows.find(user_id, ids, provider))

    async def ids_of(self, user_id: int, provider: str, kind: str) -> set[str]:
        """The ids that a user has of one kind at a provider.

        Raises:
            ApiError: 503, the database is away.
        """
        return await self._storage.run(lambda: rows.ids_of(user_id, provider, kind))

    async def forget(self, user_id: int, provider: str, resource_id: str) -> None:
        """Forgets a thing of a user that the vendor has deleted.

        Raises:
            ApiError: 503, the database is away.
        """
        await self._storage.run(lambda: rows.delete(user_id, provider, resource_id))

    def tidy(self) -> None:
        """Has what vendors deleted since be forgotten, now and then. Returns at once."""
        if time.monotonic() >= self._tidied + TIDY_SECONDS:
            self._tidied = time.monotonic()
            start_task("old resources", self._tidy())

    async def _tidy(self) -> None:
        with suppress(DatabaseAwayError):  # later, then
            await self._storage.run(rows.delete_old)
