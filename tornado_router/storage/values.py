"""Times and amounts of money, as the tables hold them."""

from __future__ import annotations

import datetime
import time
from decimal import Decimal

from peewee import BigIntegerField

EPOCH = datetime.datetime(1970, 1, 1)


def now() -> datetime.datetime:
    """The time as the tables hold it: UTC, without a zone."""
    return utc(time.time())


def utc(timestamp: float) -> datetime.datetime:
    """A time in seconds since 1970, as the tables hold it."""
    return EPOCH + datetime.timedelta(seconds=timestamp)


BILLION = Decimal(1_000_000_000)
"""Amounts of US dollars are held as whole billionths, so that sums are exact everywhere."""


def billionths(amount: Decimal) -> int:
    """An amount of dollars in billionths."""
    return int(amount * BILLION)


def from_billionths(amount: int) -> Decimal:
    """An amount of billionths in dollars."""
    return amount / BILLION


def dollar_text(amount: Decimal | int) -> str:
    """An amount of dollars as text: exact, and without zeros at its end."""
    return f"{Decimal(amount).normalize():f}"


class MoneyField(BigIntegerField):
    """An amount of US dollars, held as whole billionths."""

    def db_value(self, value: Decimal | int | None) -> int | None:
        """The whole billionths of an amount."""
        return None if value is None else int((Decimal(value) * BILLION).to_integral_value())

    def python_value(self, value: int | None) -> Decimal | None:
        """The amount of so many billionths."""
        return None if value is None else value / BILLION
