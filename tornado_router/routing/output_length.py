"""Learns how long the responses of each model are, so that no more is reserved than is needed."""

from __future__ import annotations

from collections import OrderedDict

from tornado_router.config.options import LimitsOptions
from tornado_router.routing.routes import KNOWN_TARGETS, Target

QUANTILE = 0.95
STEP = 0.2

KNOWN_LENGTHS = 10_000
"""Pairs of a payer and a target whose responses are remembered; those unused for longest go."""


FEWEST_HIDDEN = 64
"""So many tokens beside those of its text may be of a stream's framing: it need not hide any."""


class OutputBounds:
    """For each payer and target, a number of tokens that 19 of 20 choices stay under.

    It is the payer's own, so one user's responses never make another's reservations too small.

    One number is enough: it rises by a part of itself with each longer choice, and sinks by a
    nineteenth of that with each shorter one, so it settles where one in twenty is longer
    (the "frugal" estimate of a quantile, https://arxiv.org/abs/1407.1121).

    Args:
        options: `[limits]`.

    Attributes:
        least: the fewest tokens that are reserved.
        most: the tokens of the longest response of any model.
    """

    def __init__(self, options: LimitsOptions) -> None:
        self._first = options.default_output_tokens
        self.least = min(options.least_output_tokens, self._first)
        self.most = options.most_output_tokens
        self._lengths: OrderedDict[tuple[int, Target], float] = OrderedDict()
        self._too_high: OrderedDict[Target, int] = OrderedDict()
        self._hiding: OrderedDict[Target, bool] = OrderedDict()

    def bound(self, payer: int, target: Target) -> int:
        """The tokens to reserve for one choice of a response.

        Args:
            payer: the user whose call it is.
            target: that may serve it.
        """
        return int(self._lengths.get((payer, target), self._first))

    def learn(self, payer: int, target: Target, tokens: int, *, unpaid: bool = False) -> None:
        """Takes the length of a choice of a finished response into account.

        Args:
            payer: the user whose call it was.
            target: that served it.
            tokens: of the choice.
            unpaid: whether it cost more than there was: then as much is reserved at once.
        """
        lengths, pair = self._lengths, (payer, target)
        length = lengths.get(pair, self._first)
        length += length * STEP * (QUANTILE if tokens > length else QUANTILE - 1)
        if unpaid and tokens > length:
            length = min(tokens, self.most)
        lengths[pair] = max(length, self.least)
        lengths.move_to_end(pair)
        if len(lengths) > KNOWN_LENGTHS:
            lengths.popitem(last=False)

    def compare(self, target: Target, tokens: int, shown: int) -> None:
        """Learns whether a target's streams cost more than their text shows, as for reasoning.

        Args:
            target: that sent a stream.
            tokens: that it reported.
            shown: tokens of the text, as estimated.
        """
        hides = tokens - shown > max(shown, FEWEST_HIDDEN) or self._hiding.get(target, False)
        self._hiding[target] = hides
        self._hiding.move_to_end(target)
        if len(self._hiding) > KNOWN_TARGETS:
            self._hiding.popitem(last=False)

    def may_hide(self, target: Target, *, reasons: bool) -> bool:
        """Whether a target's streams may cost more than their text shows.

        Args:
            target: that may serve a call.
            reasons: whether the call asks for reasoning; counts for a target that is not known.
        """
        return self._hiding.get(target, reasons)

    def refused(self, target: Target, tokens: int) -> None:
        """Notes that a target refuses so high a bound: its own is lower.

        One below what is reserved at first is sent all the same: no refusal lifts those for all.
        """
        if tokens < self._first:
            return
        self._too_high[target] = min(tokens, self._too_high.get(target, tokens))
        self._too_high.move_to_end(target)
        if len(self._too_high) > KNOWN_TARGETS:
            self._too_high.popitem(last=False)

    def ceiling(self, target: Target) -> int:
        """Tokens from which on a bound says nothing, as the target stays below by itself."""
        return min(self.most, self._too_high.get(target, self.most))
