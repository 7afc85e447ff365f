"""Finds the API key that a request shows, and what the key may do, with few queries."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from tornado_router.accounts.digest import digest
from tornado_router.accounts.invalidation import Invalidation
from tornado_router.accounts.key_lookup import Key, find_key
from tornado_router.accounts.plans import Plans
from tornado_router.accounts.recent import Recent
from tornado_router.accounts.sessions import looks_like_token
from tornado_router.accounts.unknown_keys import UnknownKeyThrottle
from tornado_router.background.supervisor import child_task
from tornado_router.background.turns import Turns
from tornado_router.error_codes import Refusal
from tornado_router.errors import DatabaseAwayError
from tornado_router.storage.storage import Storage

CACHED_KEYS = 10_000
"""Keys that are remembered, and as many that do not exist."""

LIVE_SECONDS = 30.0
"""How long a look-up holds while every change arrives at once."""

STALE_SECONDS = 3600.0
"""How long it holds while the database is away."""

AWAY_SECONDS = 2.0
"""The database is asked again after this time."""

PATIENCE_SECONDS = 1.0
"""How long a call waits for a database that is away, if its key is known."""


AT_ONCE = 16
"""Calls that waited for the same look-up and go on in one turn of the event loop, 3 ms of work: a
thousand of them would hold everything else up for 0.2 s."""


@dataclass(slots=True)
class _LookUp:
    """What the database had for a key.

    Attributes:
        key: None if there is no such key.
        asked: when it was looked up.
        until: when it has to be looked up anew, at the latest.
        stale: whether the database could not be asked again since.
    """

    key: Key | None
    asked: float
    until: float
    stale: bool = False


class Authenticator:
    """Finds the keys that requests show, with at most one query a moment for each key.

    Keys that exist and keys that do not are remembered apart, so that a flood of made-up keys
    pushes no real one out. While the database is away, keys that were found within the last hour
    keep working as they were.

    Args:
        storage: where the keys are.
        plans: of the deployment.
        invalidation: announces users whose keys have to be looked up anew.
        cache_seconds: how long a look-up holds where changes may arrive late.
    """

    def __init__(
        self, storage: Storage, plans: Plans, invalidation: Invalidation, cache_seconds: float
    ) -> None:
        self._storage = storage
        self._plans = plans
        self._invalidation = invalidation
        self._cache_seconds = cache_seconds
        self._known: Recent[str, _LookUp] = Recent(CACHED_KEYS)
        self._unknown: Recent[str, _LookUp] = Recent(CACHED_KEYS)
        self._throttle = UnknownKeyThrottle()
        self._lookups: dict[tuple[str, int], asyncio.Task[Key | None]] = {}
        self._turns = Turns("key look-up", AT_ONCE)
        self._generation = 0
        invalidation.listen(self.forget)

    def use(self, plans: Plans) -> None:
        """Holds keys to other plans from now on."""
        self._plans = plans
        self.forget(None)

    def recall(self, authorization: str | None) -> Key | None:
        """The key of an `Authorization` header if it is known without asking; for a hot path."""
        if authorization is None or not authorization.startswith("Bearer "):
            return None
        known = self._known.get(digest(authorization[7:]))
        return known.key if known is not None and self._holds(known) else None

    async def authenticate(
        self, authorization: str | None, address: str = "", *, api_key: str | None = None
    ) -> Key:
        """The key of an `Authorization` header, or else of `x-api-key`.

        Clients of Anthropic's API send it in either, and some of them in both; what they send in
        the other may be a credential of another service.

        Args:
            authorization: the one header.
            address: of the client.
            api_key: the other.

        Raises:
            ApiError: 401; 403, its plan is not there; 429, too many keys that do not exist.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else ""
        shown = [key for key in dict.fromkeys((bearer, (api_key or "").strip())) if key]
        if not shown:
            raise Refusal.no_api_key()
        for key in shown:
            found = await self._find(digest(key), address)
            if found is not None:
                return found
        if looks_like_token(shown[0]):
            raise Refusal.token_instead_of_api_key()
        raise Refusal.invalid_api_key()

    async def find(self, key_hash: str) -> Key | None:
        """The key with a digest, if it may be used now; None for one that may not any more."""
        return await self._find(key_hash, "")

    async def refresh(self, key: Key) -> Key | None:
        """A key that was good as it is now; None if it may no longer be used."""
        return await self.find(key.digest)

    async def is_revoked(self, key: Key) -> bool:
        """Whether a key that was good may no longer be used."""
        return await self.find(key.digest) is None

    def forget(self, user_id: int | None) -> None:
        """Has the keys of a user looked up anew, or all of them.

        If it is all, nothing is known to have changed: until the database answers, what was found
        before may still serve.
        """
        self._generation += 1
        self._unknown.clear()
        if user_id is None:
            for known in self._known.values():
                known.until = 0.0
            return
        for key_hash in [
            key_hash
            for key_hash, known in self._known.items()
            if known.key is not None and known.key.user_id == user_id
        ]:
            del self._known[key_hash]

    async def _find(self, key_hash: str, address: str) -> Key | None:
        """The key with a digest, if it may be used now."""
        known = self._known.get(key_hash)
        if known is None:
            return await self._find_unknown(key_hash, address)
        if self._holds(known):
            return known.key
        if time.monotonic() > known.asked + STALE_SECONDS:
            return await self._look_up(key_hash)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await self._look_up(key_hash)
        except (DatabaseAwayError, TimeoutError):
            return self._fall_back(key_hash, known)

    async def _find_unknown(self, key_hash: str, address: str) -> Key | None:
        """The key with a digest that this process has never found."""
        unknown = self._unknown.get(key_hash)
        if unknown is not None and self._holds(unknown):
            return None
        async with self._throttle.turn(address):
            key = await self._look_up(key_hash)
        if key is None:
            self._throttle.count(address)
        return key

    def _holds(self, found: _LookUp) -> bool:
        """Whether a look-up of a moment ago still holds."""
        moment = time.monotonic()
        if moment >= found.until:
            return False
        # A look-up from when changes arrived at once holds for less time when they no longer do.
        return self._invalidation.live or found.stale or moment < found.asked + self._cache_seconds

    def _fall_back(self, key_hash: str, known: _LookUp) -> Key | None:
        """The key as it was before the database went away, as nothing can change it meanwhile.

        Raises:
            DatabaseAwayError: it was changed since, or has ended.
        """
        has_ended = known.key and known.key.until is not None and time.time() >= known.key.until
        if has_ended or key_hash not in self._known:
            raise Refusal.database_away()
        known.until, known.stale = time.monotonic() + AWAY_SECONDS, True
        return known.key

    async def _look_up(self, key_hash: str) -> Key | None:
        """Asks the database; requests that come meanwhile with the same key share the query.

        But not those that come after a change, as the query may have seen the state before it.
        """
        asked = (key_hash, self._generation)
        lookup = self._lookups.get(asked)
        if lookup is None:
            lookup = child_task("key look-up", self._fetch(key_hash))
            self._lookups[asked] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(asked, None))
            return await asyncio.shield(lookup)
        found = await asyncio.shield(lookup)
        await self._turns.wait()
        return found

    async def _fetch(self, key_hash: str) -> Key | None:
        since, generation = time.monotonic(), self._generation
        found = await self._storage.run(lambda: find_key(key_hash, self._plans))
        if found is None:
            self._known.pop(key_hash, None)
        if generation != self._generation:
            return found  # something changed meanwhile: it may be old already
        seconds = LIVE_SECONDS if self._invalidation.live else self._cache_seconds
        if found and found.until is not None:
            seconds = min(seconds, found.until - time.time())
        kept = self._known if found else self._unknown
        kept[key_hash] = _LookUp(found, since, since + seconds)
        return found
