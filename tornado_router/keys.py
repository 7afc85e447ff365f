"""API keys as their owners see them: made, changed, rotated, revoked.

A key is random, so its SHA-256 is enough to keep: nobody can guess what to hash. It is looked up
by the whole digest, never by a part of the key, and the key itself is in no table and no log.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

import orjson

from tornado_router.db import ApiKey, User

KEY_PREFIX = "sk-tr-"
SHOWN_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a key may be used for.

    Attributes:
        models: patterns, one of which a model's name has to match; None for any model.
        endpoints: names such as `chat.completions`; None for any.
    """

    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None

    @classmethod
    def read(cls, text: str) -> Permissions:
        """Of the column `permissions`; a list there, as older rows have it, permits everything."""
        value = orjson.loads(text)
        if not isinstance(value, dict):
            return cls()
        models, endpoints = value.get("models"), value.get("endpoints")
        return cls(
            None if models is None else tuple(models),
            None if endpoints is None else tuple(endpoints),
        )

    def dump(self) -> str:
        """For the column."""
        return orjson.dumps({"models": self.models, "endpoints": self.endpoints}).decode()


def digest(key: str) -> str:
    """What the database knows of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def create_key(user: User, name: str, **columns: Any) -> str:
    """Makes a key and returns it; it cannot be had a second time. Blocks.

    Args:
        user: its owner.
        name: what the owner calls it.
        columns: of `ApiKey`; a limit that is not given does not hold.
    """
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    limits = {"rate_limit_rpm": None, "rate_limit_tpm": None}
    ApiKey.create(
        user=user,
        key_hash=digest(key),
        prefix=key[:SHOWN_CHARACTERS],
        name=name,
        **limits | columns,
    )
    return key
