"""Learns how long the responses of each model are, so that no more is reserved than is needed."""

from __future__ import annotations

from collections import OrderedDict

from tornado_router.routing.routes import KNOWN_TARGETS, Target

QUANTILE = 0.95
STEP = 0.2
LEAST = 16


class OutputBounds:
    """For each target, a number of tokens that 19 of 20 choices stay under.

    One number a target is enough: it rises by a part of itself with each longer choice, and sinks
    by a nineteenth of that with each shorter one, so it settles where one in twenty is longer
    (the "frugal" estimate of a quantile, https://arxiv.org/abs/1407.1121).

    Args:
        first: the bound of a target of which nothing is known.
    """

    def __init__(self, first: int) -> None:
        self._first = first
        self._bounds: OrderedDict[Target, float] = OrderedDict()

    def bound(self, target: Target) -> int:
        """The tokens to reserve for one choice of a response."""
        return int(self._bounds.get(target, self._first))

    def learn(self, target: Target, tokens: int) -> None:
        """Takes the length of a choice of a finished response into account."""
        bound = self._bounds.get(target, self._first)
        bound += bound * STEP * (QUANTILE if tokens > bound else QUANTILE - 1)
        self._bounds[target] = max(bound, LEAST)
        self._bounds.move_to_end(target)
        if len(self._bounds) > KNOWN_TARGETS:
            self._bounds.popitem(last=False)
