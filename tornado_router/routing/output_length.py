"""Learns how long the answers of each model are, so that little is reserved for a call in vain."""

from __future__ import annotations

from tornado_router.routing.routes import Target

QUANTILE = 0.95
STEP = 0.2
LEAST = 16
KNOWN_TARGETS = 10_000


class OutputBounds:
    """For each target, a number of tokens that 19 of 20 answers stay under.

    One number a target is enough: it rises by a part of itself with each longer answer, and sinks
    by a nineteenth of that with each shorter one, so it settles where one in twenty is longer
    (the "frugal" estimate of a quantile, https://arxiv.org/abs/1407.1121).

    Args:
        first: the bound of a target of which nothing is known.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._bounds: dict[Target, float] = {}

    def bound(self, target: Target) -> int:
        """The tokens to reserve for one answer."""
        return int(self._bounds.get(target, self._first))

    def learn(self, target: Target, tokens: int) -> None:
        """Takes the length of a finished answer into account."""
        bound = self._bounds.get(target)
        if bound is None:
            if len(self._bounds) >= KNOWN_TARGETS:
                self._bounds.clear()  # clients' names: those in use are soon known again
            bound = self._first
        bound += bound * STEP * (QUANTILE if tokens > bound else QUANTILE - 1)
        self._bounds[target] = max(bound, LEAST)
