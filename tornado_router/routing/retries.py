"""When a call that failed is tried again: how often, after which pause, out of which budget."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from tornado_router.config.options import RoutingOptions

MOST_SAVED = 10.0


class Retries:
    """Grants pauses before retries, out of one budget for all calls.

    Args:
        options: how many, how long, how large the budget.
        chance: a number from 0 to 1, by chance.
    """

    def __init__(
        self, options: RoutingOptions, chance: Callable[[], float] = random.random
    ) -> None:
        self._most = options.retries
        self._first = options.backoff_seconds
        self._longest = options.max_pause_seconds
        self._share = options.retry_budget
        self._chance = chance
        self._saved = MOST_SAVED if options.retry_budget else 0.0

    def deposit(self) -> None:
        """A call begins: it brings its share of the budget."""
        if self._saved < MOST_SAVED:
            self._saved += self._share

    def take(self) -> bool:
        """Takes one request out of the budget; False if there is none."""
        if self._saved < 1:
            return False
        self._saved -= 1
        return True

    def pause(self, made: int, retry_after: float | None, left: float) -> float | None:
        """Seconds to wait before the next round of attempts, or None: there is none.

        Args:
            made: retries of this call so far.
            retry_after: seconds that the providers asked for, or None.
            left: seconds until the call's deadline.
        """
        if made >= self._most:
            return None
        # "Equal jitter", so that calls that failed together do not come back together:
        # https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
        seconds = min(self._first * 2.0**made, self._longest)
        seconds *= 0.5 + self._chance() / 2
        if retry_after is not None:
            if retry_after > self._longest:
                return None
            seconds = max(seconds, retry_after)
        return seconds if seconds < left and self.take() else None


def seconds_of(retry_after: str | None) -> float | None:
    """The value of a `Retry-After` header in seconds from now; None if it cannot be read.

    Either a number or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after.
    """
    if not retry_after or not (retry_after.isascii() and retry_after.isprintable()):
        return None
    seconds = _number(retry_after)
    if seconds is None or not math.isfinite(seconds):
        return None
    return max(seconds, 0.0)


def _number(retry_after: str) -> float | None:
    with suppress(ValueError):
        return float(retry_after)
    with suppress(ValueError, OverflowError):
        moment: datetime = parsedate_to_datetime(retry_after)
        left: timedelta = moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)
        return left.total_seconds()
    return None
