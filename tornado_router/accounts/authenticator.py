"""Tells whose API key a request shows, and what the key may do."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from tornado_router.accounts.invalidation import Changes
from tornado_router.accounts.key_lookup import Key, find_key
from tornado_router.accounts.keys import digest
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.sessions import looks_like_token
from tornado_router.background.supervisor import child_task
from tornado_router.error_codes import Refusal
from tornado_router.errors import DatabaseAwayError
from tornado_router.storage.storage import Storage

CACHED_KEYS = 10_000
LIVE_SECONDS = 30.0
"""For so long a key is believed where word of every change comes at once."""

STALE_SECONDS = 3600.0
"""For so long a key is believed while the database is away."""

AWAY_SECONDS = 2.0
"""The database is asked again after this time."""

PATIENCE_SECONDS = 1.0
"""For so long a call waits for a database that is away, if its key is known."""


class _Answer(NamedTuple):
    """What the database said of a key: when it was asked, and until when that holds at most.

    It is stale if the database could not be asked again since.
    """

    key: Key | None
    asked: float
    until: float
    stale: bool = False


class Authenticator:
    """Tells whose key a request shows, asking the database at most once a moment for each key.

    Args:
        storage: where the keys are.
        plans: of the deployment.
        changes: tells of users whose keys have to be looked up anew.
        cache_seconds: for how long an answer is believed where changes may go unheard.
    """

    def __init__(
        self, storage: Storage, plans: Plans, changes: Changes, cache_seconds: float
    ) -> None:
        self._storage = storage
        self._plans = plans
        self._changes = changes
        self._cache_seconds = cache_seconds
        self._cache: dict[str, _Answer] = {}
        self._lookups: dict[tuple[str, int], asyncio.Task[Key | None]] = {}
        self._generation = 0
        changes.listen(self.forget)

    def use(self, plans: Plans) -> None:
        """Holds keys to other plans from now on."""
        self._plans = plans
        self.forget(None)

    def recall(self, authorization: str | None) -> Key | None:
        """The key of an `Authorization` header if it is known without asking; for a hot path."""
        if authorization is None or not authorization.startswith("Bearer "):
            return None
        known = self._known(digest(authorization[7:]))
        return known.key if known else None

    async def authenticate(self, authorization: str | None) -> Key:
        """The key of an `Authorization` header.

        Raises:
            ApiError: 401, in OpenAI's words; 403 for a plan that is not there.
        """
        scheme, _, key = (authorization or "").strip().partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise Refusal.no_api_key()
        found = await self.find(digest(key))
        if found is None:
            if looks_like_token(key):
                raise Refusal.token_instead_of_api_key()
            raise Refusal.invalid_api_key()
        return found

    async def find(self, key_hash: str) -> Key | None:
        """The key with a digest, if it may be used now."""
        known = self._known(key_hash)
        if known:
            return known.key
        old = self._cache.get(key_hash)
        if old is None or time.monotonic() > old.asked + STALE_SECONDS:
            return await self._look_up(key_hash)
        try:
            return await asyncio.wait_for(self._look_up(key_hash), PATIENCE_SECONDS)
        except (DatabaseAwayError, TimeoutError):
            return self._believe(key_hash, old)

    async def is_revoked(self, key: Key) -> bool:
        """Whether a key that was good may no longer be used."""
        return await self.find(key.digest) is None

    def forget(self, user_id: int | None) -> None:
        """Has the keys of a user, or all of them, looked up anew."""
        self._generation += 1
        self._cache = {
            key_hash: answer
            for key_hash, answer in self._cache.items()
            if user_id is not None and answer.key is not None and answer.key.user_id != user_id
        }

    def _known(self, key_hash: str) -> _Answer | None:
        """What the database said a moment ago, if that still holds."""
        answer = self._cache.get(key_hash)
        if answer is None:
            return None
        moment = time.monotonic()
        # What was believed while changes were heard is worth less once they no longer are.
        if moment < answer.until and (
            self._changes.live or answer.stale or moment < answer.asked + self._cache_seconds
        ):
            return answer
        return None

    def _believe(self, key_hash: str, old: _Answer) -> Key | None:
        """What the database said before it went away. Nobody can change it meanwhile.

        Raises:
            DatabaseAwayError: it was changed since, or has ended.
        """
        has_ended = old.key and old.key.until is not None and time.time() >= old.key.until
        if has_ended or key_hash not in self._cache:
            raise Refusal.database_away()
        until = time.monotonic() + AWAY_SECONDS
        self._cache[key_hash] = old._replace(until=until, stale=True)
        return old.key

    async def _look_up(self, key_hash: str) -> Key | None:
        """Asks the database; requests that come meanwhile with the same key share the answer.

        But not those that come after a change, as the answer may be from before it.
        """
        asked = (key_hash, self._generation)
        lookup = self._lookups.get(asked)
        if lookup is None:
            lookup = child_task("key look-up", self._fetch(key_hash))
            self._lookups[asked] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(asked, None))
        return await asyncio.shield(lookup)

    async def _fetch(self, key_hash: str) -> Key | None:
        since, generation = time.monotonic(), self._generation
        found = await self._storage.run(lambda: find_key(key_hash, self._plans))
        if generation != self._generation:
            return found  # something changed meanwhile: it may be old already
        seconds = LIVE_SECONDS if self._changes.live else self._cache_seconds
        if found and found.until is not None:
            seconds = min(seconds, found.until - time.time())
        if len(self._cache) >= CACHED_KEYS:
            self._cache.clear()  # only a flood of made-up keys gets here; a real one comes back
        self._cache[key_hash] = _Answer(found, since, since + seconds)
        return found
