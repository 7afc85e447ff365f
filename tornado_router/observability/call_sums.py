"""Adds up what calls have come to, until metrics count it: a few sums for any number of calls.

To count a call in Prometheus's client takes nine locks, and four times as long.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import add
from typing import TYPE_CHECKING, NamedTuple

from tornado_router.usage import COMMON, NO_RARE, rare

if TYPE_CHECKING:
    from tornado_router.ledger.record import CallRecord

SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
OVERHEAD_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0)
"""The bounds of histograms, of the router's own part of a call."""


class CallKind(NamedTuple):
    """What calls have in common whose sums are one: the labels that metrics have for them.

    Attributes:
        model: the name that was asked for; empty if it may be any text.
        provider: that served them; empty if none did.
        endpoint: that was called.
        status: of their responses.
        refusal: code of the error of calls that were not served; None for others.
        cache_hit: whether their responses came from the cache.
        missed: whether they were looked for in the response cache, and not found.
    """

    model: str
    provider: str
    endpoint: str
    status: int
    refusal: str | None
    cache_hit: bool
    missed: bool


class Spread:
    """Numbers of one histogram.

    Args:
        bounds: of its buckets, but for the last, which has none.

    Attributes:
        total: the sum of them.
        counts: how many are in each bucket, and in none before.
    """

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.total = 0.0
        self.counts = [0] * (len(bounds) + 1)

    def add(self, number: float) -> None:
        """Adds a number."""
        self.total += number
        self.counts[bisect_left(self._bounds, number)] += 1


class CallSums:
    """What the calls of one kind have come to.

    Attributes:
        calls: how many there were.
        common: the common quantities, in the order of `QUANTITIES`.
        rare: the others.
        charged: in billionths of a US dollar.
        uncharged: the same.
        unpriced: calls that cost nothing as their model has no price.
        seconds: that they took.
        first_chunk: seconds until the first chunk, of streams.
        overhead: seconds in the router itself, of those that a provider was asked for.
    """

    __slots__ = (
        "calls",
        "charged",
        "common",
        "first_chunk",
        "overhead",
        "rare",
        "seconds",
        "uncharged",
        "unpriced",
    )

    def __init__(self) -> None:
        self.calls = self.charged = self.uncharged = self.unpriced = 0
        self.common: tuple[float, ...] = (0,) * COMMON
        self.rare = NO_RARE
        self.seconds, self.first_chunk = Spread(SECONDS), Spread(SECONDS)
        self.overhead = Spread(OVERHEAD_SECONDS)

    def add(self, record: CallRecord) -> None:
        """Adds a finished call."""
        charge = record.charge
        self.calls += 1
        usage = record.usage
        self.common = tuple(map(add, self.common, usage[:COMMON]))
        others = rare(usage)
        if others != NO_RARE:
            self.rare = tuple(map(add, self.rare, others))
        self.charged += charge.charged
        self.uncharged += charge.uncharged
        if charge.prices is None:
            self.unpriced += record.is_unpriced
        self.seconds.add(record.duration)
        if record.first_chunk is not None:
            self.first_chunk.add(record.first_chunk)
        if record.overhead is not None:
            self.overhead.add(record.overhead)
