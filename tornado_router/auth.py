"""API keys: making them, revoking them, and telling whose key a request shows.

A key is random, so its SHA-256 is enough to keep: nobody can guess what to hash. It is looked up
by the whole digest, never by a part of the key, and the key itself is in no table and no log.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from dataclasses import dataclass

from tornado_router.db import ApiKey, Storage, User
from tornado_router.errors import ApiError

KEY_PREFIX = "sk-tr-"
SHOWN_CHARACTERS = 12
CACHED_KEYS = 10_000
UNUSABLE_PASSWORD = "!"  # noqa: S105 - no hash looks like this, so nobody can log in with it
ADMIN_EMAIL = "admin@localhost"


@dataclass(frozen=True, slots=True)
class Key:
    """A key that may be used, and whose it is."""

    id: int
    user_id: int
    name: str


def digest(key: str) -> str:
    """What the database knows of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def create_key(user: User, name: str) -> str:
    """Makes a key and returns it; it cannot be had a second time. Blocks."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    ApiKey.create(user=user, key_hash=digest(key), prefix=key[:SHOWN_CHARACTERS], name=name)
    return key


def create_administrator() -> User | None:
    """Makes an administrator if there are no users at all, and returns it. Blocks.

    Of several processes that start on one new database, one makes it.
    """
    with User._meta.database.atomic("IMMEDIATE"):
        if User.select().exists():
            return None
        return User.create(
            email=ADMIN_EMAIL, name="admin", password_hash=UNUSABLE_PASSWORD, is_admin=True
        )


def find_key(key_hash: str) -> Key | None:
    """The active key with a digest, or None. Blocks."""
    row = (
        ApiKey.select(ApiKey.id, ApiKey.user, ApiKey.name)
        .where(ApiKey.key_hash == key_hash, ApiKey.is_active)
        .first()
    )
    return Key(row.id, row.user_id, row.name) if row else None


class Authenticator:
    """Tells whose key a request shows, asking the database at most once a moment for each key.

    Args:
        storage: where the keys are.
        cache_seconds: for how long an answer is believed.
    """

    def __init__(self, storage: Storage, cache_seconds: float) -> None:
        self._storage = storage
        self._cache_seconds = cache_seconds
        self._cache: dict[str, tuple[float, Key | None]] = {}
        self._lookups: dict[str, asyncio.Task[Key | None]] = {}

    async def authenticate(self, authorization: str | None) -> Key:
        """The key of an `Authorization` header.

        Raises:
            ApiError: 401, in OpenAI's words.
        """
        scheme, _, key = (authorization or "").strip().partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise _unauthorized(
                "You didn't provide an API key. You need to provide your API key in an "
                "Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
                None,
            )
        key_hash = digest(key)
        cached = self._cache.get(key_hash)
        if cached and cached[0] > time.monotonic():
            found = cached[1]
        else:
            found = await self._look_up(key_hash)
        if found is None:
            raise _unauthorized("Incorrect API key provided.", "invalid_api_key")
        return found

    async def _look_up(self, key_hash: str) -> Key | None:
        """Asks the database; requests that come meanwhile with the same key share the answer."""
        lookup = self._lookups.get(key_hash)
        if lookup is None:
            lookup = asyncio.get_running_loop().create_task(
                self._fetch(key_hash), name="key look-up"
            )
            self._lookups[key_hash] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(key_hash, None))
        return await asyncio.shield(lookup)

    async def _fetch(self, key_hash: str) -> Key | None:
        found = await self._storage.run(lambda: find_key(key_hash))
        if len(self._cache) >= CACHED_KEYS:
            self._cache.clear()  # only a flood of made-up keys gets here; a real one comes back
        self._cache[key_hash] = (time.monotonic() + self._cache_seconds, found)
        return found


def _unauthorized(message: str, code: str | None) -> ApiError:
    return ApiError(401, message, code=code, headers={"WWW-Authenticate": "Bearer"})
