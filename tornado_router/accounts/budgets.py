"""Budgets of API keys: their periods, and what is spent of them."""

from __future__ import annotations

import datetime
from decimal import Decimal

from peewee import fn

from tornado_router.storage.tables import ApiKey, UsageDay
from tornado_router.storage.values import MoneyField, now

PERIODS = ("day", "week", "month", "total")
"""For how long a key's budget lasts, in UTC; a week begins on Monday, `total` never ends."""


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
