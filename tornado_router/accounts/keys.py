"""API keys as their owners see them: made, changed, rotated, revoked.

A key is random, so its SHA-256 is enough to keep: nobody can guess what to hash. It is looked up
by the whole digest, never by a part of the key, and the key itself is in no table and no log.

The functions block and ask the database that is open; what a client has to be told they raise as
`ApiError`.
"""

from __future__ import annotations

import datetime
import hashlib
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
from peewee import fn

from tornado_router.accounts.accounts import (
    MAX_ID,
    clean_text,
    find_user,
    parse_dollars,
    transaction,
)
from tornado_router.config import check
from tornado_router.config.options import MAX_RATE
from tornado_router.errors import ApiError, invalid_request
from tornado_router.storage.tables import ApiKey, MoneyField, UsageDay, User, now, utc

KEY_PREFIX = "sk-tr-"
SHOWN_CHARACTERS = 12

MAX_KEYS = 1000
"""Of one user, those that are not revoked."""

MAX_PATTERNS = 100
MAX_PATTERNS_LENGTH = 2000
MAX_PATTERN = 200
MAX_GRACE_SECONDS = 30 * 24 * 3600

PERIODS = ("day", "week", "month", "total")
"""For how long a key's budget lasts, in UTC; a week begins on Monday, `total` never ends."""

LATEST = 253_402_300_799
"""Seconds since 1970 of the last moment that a `datetime` holds."""

_LIMITS = {
    "rpm": "rate_limit_rpm",
    "tpm": "rate_limit_tpm",
    "max_in_flight": "max_in_flight",
}


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
    """Makes a key as somebody wants it.

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
    columns = _columns(values, Permissions(), endpoints)
    key = _new_key()
    limits = dict.fromkeys(_LIMITS.values())
    with transaction():
        user = find_user(user_id)
        if _live().where(ApiKey.user == user).count() >= MAX_KEYS:
            raise ApiError(
                409,
                f"There are {MAX_KEYS} keys already. Delete some that are not used.",
                code="too_many_keys",
            )
        row = ApiKey.create(user=user, **_secret(key), **limits | columns)
        return ApiKey.get_by_id(row.id), key


def find(key_id: int, user_id: int | None = None) -> ApiKey:
    """A key that is not revoked.

    Args:
        key_id: its id.
        user_id: whose it has to be; None for anybody's.

    Raises:
        ApiError: 404, there is none, or it is somebody else's.
    """
    row = None
    if key_id <= MAX_ID:
        query = _live().where(ApiKey.id == key_id)
        row = (query if user_id is None else query.where(ApiKey.user == user_id)).first()
    if row is None:
        raise ApiError(404, f"There is no API key {key_id}.", code="key_not_found")
    return row  # type: ignore[no-any-return]


def list_keys(
    user_id: int | None = None, limit: int | None = 20, after: int | None = None
) -> list[ApiKey]:
    """Keys that are not revoked, oldest first, and one more than `limit` if there are more.

    Args:
        user_id: whose; None for everybody's.
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


def change(key_id: int, values: Mapping[str, Any], endpoints: Collection[str]) -> ApiKey:
    """Changes what is given of a key; a null lifts a limit.

    Args:
        key_id: its id.
        values: as of `create`, and `is_active`.
        endpoints: those that there are.

    Raises:
        ApiError: 400, a value cannot be used; 404, there is no such key.
    """
    with transaction():
        row = find(key_id)
        columns = _columns(values, Permissions.read(row.permissions), endpoints)
        if columns:
            ApiKey.update(columns).where(ApiKey.id == key_id).execute()
        return find(key_id)


def rotate(key_id: int, grace_seconds: int = 0) -> tuple[ApiKey, str]:
    """Gives a key another secret. Its id, its limits and what it has spent stay as they are.

    Args:
        key_id: its id.
        grace_seconds: for how long the secret before works on. The one before that ends at once.

    Raises:
        ApiError: 404, there is no such key.
    """
    key = _new_key()
    with transaction():
        row = find(key_id)
        until = now() + datetime.timedelta(seconds=grace_seconds)
        previous = (row.key_hash, until) if grace_seconds else (None, None)
        ApiKey.update(
            previous_hash=previous[0], previous_expires_at=previous[1], **_secret(key)
        ).where(ApiKey.id == key_id).execute()
        return find(key_id), key


def revoke(key_id: int) -> ApiKey:
    """Ends a key for good, and the one before it; its usage stays.

    Raises:
        ApiError: 404, there is no such key.
    """
    with transaction():
        row = find(key_id)
        ApiKey.update(is_active=False, revoked_at=now(), previous_hash=None).where(
            ApiKey.id == key_id
        ).execute()
        return row


def period(name: str, moment: datetime.datetime) -> tuple[datetime.date, datetime.date | None]:
    """The first day of the period that a moment is in, and the first of the next."""
    day = moment.date()
    if name == "day":
        return day, day + datetime.timedelta(days=1)
    if name == "week":
        first = day - datetime.timedelta(days=day.weekday())
        return first, first + datetime.timedelta(days=7)
    if name == "month":
        first = day.replace(day=1)
        return first, (first + datetime.timedelta(days=32)).replace(day=1)
    return datetime.date.min, None


def spent_since(key_id: int, day: datetime.date) -> int:
    """What the calls of a key cost since a day, in billionths of a US dollar."""
    total = fn.SUM(UsageDay.cost).coerce(False)
    days = UsageDay.select(total).where(UsageDay.api_key_id == key_id, UsageDay.day >= day)
    return int(days.scalar() or 0)  # PostgreSQL adds integers up to a decimal


def budget_spent(row: ApiKey) -> Decimal | None:
    """What is spent of a key's budget in the period that runs; None if it has none."""
    if row.budget is None:
        return None
    first, _ = period(row.budget_period, now())
    return MoneyField().python_value(spent_since(row.id, first))


def _live() -> Any:
    return ApiKey.select(ApiKey, User).join(User).where(ApiKey.revoked_at.is_null())


def _new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def _secret(key: str) -> dict[str, str]:
    return {"key_hash": digest(key), "prefix": key[:SHOWN_CHARACTERS]}


def _columns(
    values: Mapping[str, Any], before: Permissions, endpoints: Collection[str]
) -> dict[str, Any]:
    """The columns of what is given.

    Raises:
        ApiError: 400, with the field at fault.
    """
    columns: dict[str, Any] = {}
    if "name" in values:
        columns["name"] = clean_text(values["name"], "name")
        if not columns["name"]:
            raise invalid_request("'name' must not be empty.", "name", "invalid_value")
    if "models" in values or "endpoints" in values:
        columns["permissions"] = Permissions(
            _patterns(values["models"]) if "models" in values else before.models,
            _endpoints(values["endpoints"], endpoints)
            if "endpoints" in values
            else before.endpoints,
        ).dump()
    for field, column in _LIMITS.items():
        if field in values:
            columns[column] = _limit(values[field], field)
    if "budget" in values:
        columns["budget"] = _budget(values["budget"])
    if values.get("budget_period") is not None:
        columns["budget_period"] = _period(values["budget_period"])
    if "expires_at" in values:
        columns["expires_at"] = _moment(values["expires_at"])
    if "log_requests" in values:
        columns["log_requests"] = values["log_requests"]
    if values.get("is_active") is not None:
        columns["is_active"] = values["is_active"]
    return columns


def _patterns(models: Any) -> tuple[str, ...] | None:
    if models is None:
        return None
    if len(models) > MAX_PATTERNS:
        raise invalid_request(
            f"'models' must have at most {MAX_PATTERNS} patterns.", "models", "invalid_value"
        )
    if sum(map(len, models)) > MAX_PATTERNS_LENGTH:  # each call is matched against them
        raise invalid_request(
            f"'models' must have at most {MAX_PATTERNS_LENGTH} characters in all.",
            "models",
            "invalid_value",
        )
    return tuple(_pattern(text, f"models[{index}]") for index, text in enumerate(models))


def _pattern(text: str, param: str) -> str:
    text = clean_text(text, param, MAX_PATTERN)
    if not text:
        raise invalid_request(f"'{param}' must not be empty.", param, "invalid_value")
    return text


def _endpoints(given: Any, known: Collection[str]) -> tuple[str, ...] | None:
    if given is None:
        return None
    for index, name in enumerate(given):
        if name not in known:
            param = f"endpoints[{index}]"
            raise invalid_request(
                f"'{param}' must be one of {', '.join(sorted(known))}"
                f"{check.meant(name[:MAX_PATTERN], known)}.",
                param,
                "invalid_value",
            )
    return tuple(dict.fromkeys(given))


def _limit(value: int | None, param: str) -> int | None:
    if value is not None and not 0 <= value <= MAX_RATE:
        raise invalid_request(
            f"'{param}' must be between 0 and {MAX_RATE}, or null for no limit.",
            param,
            "invalid_value",
        )
    return value


def _budget(value: Any) -> Decimal | None:
    if value is None:
        return None
    amount = parse_dollars(value, "budget")
    if amount < 0:
        raise invalid_request("'budget' must not be below 0.", "budget", "invalid_value")
    return amount


def _period(value: str) -> str:
    if value not in PERIODS:
        raise invalid_request(
            f"'budget_period' must be one of {', '.join(PERIODS)}.",
            "budget_period",
            "invalid_value",
        )
    return value


def _moment(value: int | None) -> datetime.datetime | None:
    if value is None:
        return None
    if not 0 < value <= LATEST or utc(value) <= now():
        raise invalid_request(
            "'expires_at' must be in the future, in seconds since 1970.",
            "expires_at",
            "invalid_value",
        )
    return utc(value)
