"""Turns what an engine counted into levels of buckets, or into the reason of a refusal.

An engine counts and decides. What follows from its numbers is worked out here, so that both
engines give the same result to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tornado_router.limits.kinds import KINDS, LimitKind, Rates
from tornado_router.limits.limiter import MONEY, Demand, Level, LimitReachedError, Purse

BUSY_SECONDS = 1.0
"""When to come back for what running calls hold: their end is not known."""


Counts = Sequence[int]
"""What is counted for a holder, in the order of `KINDS`: what is taken of a bucket and has not
flowed back, in units times the period; or how many calls run."""


class Funds(NamedTuple):
    """What is counted of a purse, in billionths of a US dollar."""

    spent: int
    reserved: int


def levels(rates: Iterable[Rates], counts: Iterable[Counts]) -> dict[str, Level]:
    """The levels of the fullest-drawn buckets, by `LimitKind.header`.

    Args:
        rates: that hold for a call.
        counts: of each of them.
    """
    fullest: dict[str, tuple[int, int, int]] = {}
    for one, counted in zip(rates, counts, strict=True):
        for index, limit, period, header in one.shown:
            taken = counted[index]
            remaining = limit + -taken // period
            known = fullest.get(header)
            if known is None or remaining < known[0]:
                fullest[header] = (remaining, limit, taken)
    return {
        header: Level(limit, max(remaining, 0), taken / limit / 1e6 if limit else 0.0)
        for header, (remaining, limit, taken) in fullest.items()
    }


def refusal(demand: Demand, counts: Sequence[Counts], funds: Sequence[Funds]) -> LimitReachedError:
    """Why a demand has no room: of all the reasons, the one that holds the longest.

    Args:
        demand: that was refused.
        counts: of each of its rates, by now.
        funds: of each of its purses.
    """
    refusals: list[LimitReachedError] = []
    for rates, counted in zip(demand.rates, counts, strict=True):
        refusals += _of_rates(rates, demand.tokens, counted)
    for purse, counted_funds in zip(demand.purses, funds, strict=True):
        refusals += _of_purse(purse, demand.cost, counted_funds)
    worst = max(refusals, key=_seconds)
    worst.levels = levels(demand.rates, counts)
    return worst


def _of_rates(rates: Rates, tokens: int, counts: Counts) -> Iterable[LimitReachedError]:
    for index, limit, period, by_tokens in rates.bounds:
        kind, counted = KINDS[index], counts[index]
        wanted = tokens if by_tokens else 1
        if not period:
            if counted >= limit:
                yield LimitReachedError(
                    kind.name,
                    rates.holder,
                    limit=limit,
                    used=counted,
                    requested=1,
                    retry_after=BUSY_SECONDS if limit else None,
                )
        elif counted + wanted * period > limit * period:
            yield _full(kind, rates.holder, limit, counted, wanted)


def _of_purse(purse: Purse, cost: int, funds: Funds) -> Iterable[LimitReachedError]:
    used = funds.spent + funds.reserved
    if cost and used + cost > purse.allowance:
        yield LimitReachedError(
            MONEY,
            purse.id,
            limit=purse.allowance,
            used=used,
            requested=cost,
            retry_after=BUSY_SECONDS if funds.spent + cost <= purse.allowance else None,
        )


def _full(kind: LimitKind, name: str, limit: int, taken: int, wanted: int) -> LimitReachedError:
    """The refusal of a bucket that has no room for so many units."""
    excess = taken + (wanted - limit) * kind.period
    never = wanted > limit or not limit  # not even when it is full, or nothing flows back
    return LimitReachedError(
        kind.name,
        name,
        limit=limit,
        used=-(-taken // kind.period),
        requested=wanted,
        retry_after=None if never else math.ceil(excess / limit) / 1e6,
    )


def _seconds(refusal: LimitReachedError) -> float:
    return math.inf if refusal.retry_after is None else refusal.retry_after
