"""API keys as their owners see them: create, change, rotate and revoke them.

A key is random, so its SHA-256 is enough to keep: a random key cannot be guessed. It is looked up
by the whole digest, never by a part of the key, and the key itself is in no table and no log.

The functions block and query the database that is open. Refusals are `ApiError`.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Collection, Mapping
from typing import Any

from tornado_router.accounts import key_fields
from tornado_router.accounts.digest import digest
from tornado_router.accounts.permissions import Permissions
from tornado_router.accounts.users import find_user
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.storage.storage import transaction
from tornado_router.storage.tables import MAX_ID, ApiKey, User
from tornado_router.storage.values import now

KEY_PREFIX = "sk-tr-"
SHOWN_CHARACTERS = 12

MAX_KEYS = 1000
"""Of one user, those that are not revoked."""

MAX_GRACE_SECONDS = 30 * 24 * 3600


def create_key(user: User, name: str, **columns: Any) -> str:
    """Makes a key and returns it; it cannot be had a second time.

    Args:
        user: its owner.
        name: what the owner calls it.
        columns: of `ApiKey`; a limit that is not given does not hold.
    """
    key = _new_key()
    limits = {"rate_limit_rpm": None, "rate_limit_tpm": None}
    ApiKey.create(user=user, name=name, **_secret(key), **limits | columns)
    return key


def create(
    user_id: int, values: Mapping[str, Any], endpoints: Collection[str]
) -> tuple[ApiKey, str]:
    """Creates a key with the given fields.

    Args:
        user_id: its owner.
        values: `name`, and what of `models`, `endpoints`, `expires_at`, `rpm`, `tpm`,
            `max_in_flight`, `budget`, `budget_period` and `log_requests` is given.
        endpoints: those that there are.

    Returns:
        Its row, and the key, which cannot be had a second time.

    Raises:
        ApiError: 400, a value cannot be used; 409, there are too many.
    """
    columns = key_fields.columns(values, Permissions(), endpoints)
    key = _new_key()
    limits = dict.fromkeys(key_fields.LIMITS.values())
    with transaction():
        user = find_user(user_id)
        if _live().where(ApiKey.user == user).count() >= MAX_KEYS:
            raise Refusal.too_many_keys(limit=MAX_KEYS)
        row = ApiKey.create(user=user, **_secret(key), **limits | columns)
        return ApiKey.get_by_id(row.id), key


def find(key_id: int, user_id: int | None = None) -> ApiKey:
    """A key that is not revoked.

    Args:
        key_id: its id.
        user_id: id of the user it has to belong to; None for any.

    Raises:
        ApiError: 404, there is none, or it belongs to another user.
    """
    row = None
    if key_id <= MAX_ID:
        query = _live().where(ApiKey.id == key_id)
        row = (query if user_id is None else query.where(ApiKey.user == user_id)).first()
    if row is None:
        raise Refusal.key_not_found(id=key_id)
    return row  # type: ignore[no-any-return]


def find_named(text: str) -> ApiKey:
    """A key that is not revoked, as a person names it.

    Args:
        text: its id, the beginning of it that lists show, or the whole key.

    Raises:
        ApiError: 404, there is none; 400, several begin so.
    """
    if text.isascii() and text.isdecimal():
        return find(int(text))
    shown = text[:SHOWN_CHARACTERS]
    is_meant = ApiKey.prefix == shown if text == shown else ApiKey.key_hash == digest(text)
    rows = list(_live().where(is_meant).order_by(ApiKey.id))
    if not rows:
        raise Refusal.key_not_found(id=f"{shown}...")
    if len(rows) > 1:
        ids = ", ".join(str(row.id) for row in rows)
        raise Invalid.invalid_value(
            f"Several keys begin so: name one by its id: {ids}.", param="key"
        )
    return rows[0]  # type: ignore[no-any-return]


def list_keys(
    user_id: int | None = None, limit: int | None = 20, after: int | None = None
) -> list[ApiKey]:
    """Keys that are not revoked, oldest first, and one more than `limit` if there are more.

    Args:
        user_id: id of their owner; None for all.
        limit: how many; None for all.
        after: the id that they come behind.
    """
    query = _live()
    if user_id is not None:
        query = query.where(ApiKey.user == user_id)
    if after is not None:
        query = query.where(ApiKey.id > after)
    query = query.order_by(ApiKey.id)
    return list(query if limit is None else query.limit(limit + 1))


def change(
    key_id: int,
    values: Mapping[str, Any],
    endpoints: Collection[str],
    owner: int | None = None,
) -> ApiKey:
    """Changes what is given of a key; a null lifts a limit.

    Args:
        key_id: its id.
        values: as of `create`, and `is_active`.
        endpoints: those that there are.
        owner: id of the user it has to belong to; None for any.

    Raises:
        ApiError: 400, a value cannot be used; 404, there is no such key.
    """
    with transaction():
        row = find(key_id, owner)
        columns = key_fields.columns(values, Permissions.read(row.permissions), endpoints)
        if columns:
            ApiKey.update(columns).where(ApiKey.id == key_id).execute()
        return find(key_id)


def rotate(key_id: int, grace_seconds: int = 0, owner: int | None = None) -> tuple[ApiKey, str]:
    """Gives a key another secret. Its id, its limits and what it has spent stay as they are.

    Args:
        key_id: its id.
        grace_seconds: for how long the secret before works on. The one before that ends at once.
        owner: id of the user it has to belong to; None for any.

    Raises:
        ApiError: 404, there is no such key.
    """
    key = _new_key()
    with transaction():
        row = find(key_id, owner)
        until = now() + datetime.timedelta(seconds=grace_seconds)
        previous = (row.key_hash, until) if grace_seconds else (None, None)
        ApiKey.update(
            previous_hash=previous[0], previous_expires_at=previous[1], **_secret(key)
        ).where(ApiKey.id == key_id).execute()
        return find(key_id), key


def revoke(key_id: int, owner: int | None = None) -> ApiKey:
    """Ends a key for good, and the one before it; its usage stays.

    Args:
        key_id: its id.
        owner: id of the user it has to belong to; None for any.

    Raises:
        ApiError: 404, there is no such key.
    """
    with transaction():
        row = find(key_id, owner)
        ApiKey.update(is_active=False, revoked_at=now(), previous_hash=None).where(
            ApiKey.id == key_id
        ).execute()
        return row


def _live() -> Any:
    return ApiKey.select(ApiKey, User).join(User).where(ApiKey.revoked_at.is_null())


def _new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def _secret(key: str) -> dict[str, str]:
    return {"key_hash": digest(key), "prefix": key[:SHOWN_CHARACTERS]}
