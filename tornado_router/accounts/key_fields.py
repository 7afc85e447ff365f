"""Checks the fields that a client gives for an API key, and makes them columns."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Any

from tornado_router.accounts.budgets import PERIODS
from tornado_router.accounts.permissions import Permissions
from tornado_router.accounts.text import clean_text, parse_dollars
from tornado_router.config import check
from tornado_router.config.options import MAX_RATE
from tornado_router.error_codes import Invalid
from tornado_router.limits.kinds import KINDS
from tornado_router.storage.values import now, utc

MAX_PATTERNS = 100

MAX_PATTERNS_LENGTH = 2000

MAX_PATTERN = 200

LATEST = 253_402_300_799
"""Seconds since 1970 of the last moment that a `datetime` holds."""

LIMITS = {kind.option: kind.column for kind in KINDS}


def columns(
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
            raise Invalid.invalid_value("'name' must not be empty.", param="name")
    if "models" in values or "endpoints" in values:
        columns["permissions"] = Permissions(
            _patterns(values["models"]) if "models" in values else before.models,
            _endpoints(values["endpoints"], endpoints)
            if "endpoints" in values
            else before.endpoints,
        ).dump()
    for field, column in LIMITS.items():
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
        raise Invalid.invalid_value(
            f"'models' must have at most {MAX_PATTERNS} patterns.", param="models"
        )
    if sum(map(len, models)) > MAX_PATTERNS_LENGTH:  # each call is matched against them
        raise Invalid.invalid_value(
            f"'models' must have at most {MAX_PATTERNS_LENGTH} characters in all.", param="models"
        )
    return tuple(_pattern(text, f"models[{index}]") for index, text in enumerate(models))


def _pattern(text: str, param: str) -> str:
    text = clean_text(text, param, MAX_PATTERN)
    if not text:
        raise Invalid.invalid_value(f"'{param}' must not be empty.", param=param)
    return text


def _endpoints(given: Any, known: Collection[str]) -> tuple[str, ...] | None:
    if given is None:
        return None
    for index, name in enumerate(given):
        if name not in known:
            param = f"endpoints[{index}]"
            raise Invalid.invalid_value(
                f"'{param}' must be one of {', '.join(sorted(known))}"
                f"{check.meant(name[:MAX_PATTERN], known)}.",
                param=param,
            )
    return tuple(dict.fromkeys(given))


def _limit(value: int | None, param: str) -> int | None:
    if value is not None and not 0 <= value <= MAX_RATE:
        raise Invalid.invalid_value(
            f"'{param}' must be between 0 and {MAX_RATE}, or null for no limit.", param=param
        )
    return value


def _budget(value: Any) -> Decimal | None:
    if value is None:
        return None
    amount = parse_dollars(value, "budget")
    if amount < 0:
        raise Invalid.invalid_value("'budget' must not be below 0.", param="budget")
    return amount


def _period(value: str) -> str:
    if value not in PERIODS:
        raise Invalid.invalid_value(
            f"'budget_period' must be one of {', '.join(PERIODS)}.", param="budget_period"
        )
    return value


def _moment(value: int | None) -> datetime.datetime | None:
    if value is None:
        return None
    if not 0 < value <= LATEST or utc(value) <= now():
        raise Invalid.invalid_value(
            "'expires_at' must be in the future, in seconds since 1970.", param="expires_at"
        )
    return utc(value)
