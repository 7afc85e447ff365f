"""Budgets of API keys: their periods, and what is spent of them."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import NamedTuple

from tornado_router.storage.sql import fn
from tornado_router.storage.tables import ApiKey, UsageDay
from tornado_router.storage.values import from_billionths, now

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


class BudgetState(NamedTuple):
    """A key's budget in the period that runs, in US dollars.

    Attributes:
        spent: of it.
        left: of it; never below 0.
        renews: when the next period begins, in UTC without a zone; None if none does.
    """

    spent: Decimal
    left: Decimal
    renews: datetime.datetime | None


def budget_state(row: ApiKey) -> BudgetState | None:
    """What is spent and left of a key's budget; None if it has none. Blocks."""
    if row.budget is None:
        return None
    first, following = period(row.budget_period, now())
    spent = _dollars_since(row.id, first)
    renews = datetime.datetime.combine(following, datetime.time()) if following else None
    return BudgetState(spent, max(row.budget - spent, Decimal(0)), renews)


def spent_by_period(key_id: int) -> dict[str, Decimal]:
    """The US dollars that a key's calls cost in each of `PERIODS` that runs. Blocks."""
    moment = now()
    return {name: _dollars_since(key_id, period(name, moment)[0]) for name in PERIODS}


def _dollars_since(key_id: int, day: datetime.date) -> Decimal:
    return from_billionths(spent_since(key_id, day))
