"""What both engines say of a demand when they have counted: how full the buckets are, and why not.

An engine counts and decides; what follows from its numbers is worked out here, so that it is the
same of both to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tornado_router.limits.limiter import (
    MINUTE,
    Demand,
    Kind,
    Level,
    LimitReachedError,
    Purse,
    Rates,
)

BUSY_SECONDS = 1.0
"""When to come back for what running calls hold: nobody knows when they end."""


class Counts(NamedTuple):
    """What is counted for a key or a user.

    Attributes:
        requests: taken of the bucket and not flowed back, in units times `MINUTE`.
        tokens: the same.
        in_flight: calls that run.
    """

    requests: int
    tokens: int
    in_flight: int


class Funds(NamedTuple):
    """What is counted of a purse, in billionths of a US dollar."""

    spent: int
    reserved: int


def levels(rates: Iterable[Rates], counts: Iterable[Counts]) -> tuple[Level | None, Level | None]:
    """The fullest-drawn buckets of requests and of tokens."""
    requests, tokens = [], []
    for one, counted in zip(rates, counts, strict=True):
        if one.requests is not None:
            requests.append((one.requests, counted.requests))
        if one.tokens is not None:
            tokens.append((one.tokens, counted.tokens))
    return fullest(requests), fullest(tokens)


def fullest(buckets: Iterable[tuple[int, int]]) -> Level | None:
    """Of buckets, each its limit and what is taken of it, how full the fullest-drawn is."""
    limit = taken = 0
    least = None
    for one in buckets:
        remaining = one[0] - -(-one[1] // MINUTE)
        if least is None or remaining < least:
            least = remaining
            limit, taken = one
    if least is None:
        return None
    return Level(limit, max(0, least), taken / limit / 1e6 if limit else 0.0)


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
    worst.requests, worst.tokens = levels(demand.rates, counts)
    return worst


def _of_rates(rates: Rates, tokens: int, counted: Counts) -> Iterable[LimitReachedError]:
    limit = rates.requests
    if limit is not None and counted.requests + MINUTE > limit * MINUTE:
        yield _full("requests", rates.holder, limit, counted.requests, 1)
    limit = rates.tokens
    if limit is not None and counted.tokens + tokens * MINUTE > limit * MINUTE:
        yield _full("tokens", rates.holder, limit, counted.tokens, tokens)
    limit = rates.in_flight
    if limit is not None and counted.in_flight >= limit:
        yield LimitReachedError(
            "in_flight",
            rates.holder,
            limit=limit,
            used=counted.in_flight,
            requested=1,
            retry_after=BUSY_SECONDS if limit else None,
        )


def _of_purse(purse: Purse, cost: int, funds: Funds) -> Iterable[LimitReachedError]:
    used = funds.spent + funds.reserved
    if cost and used + cost > purse.allowance:
        yield LimitReachedError(
            "money",
            purse.id,
            limit=purse.allowance,
            used=used,
            requested=cost,
            retry_after=BUSY_SECONDS if funds.spent + cost <= purse.allowance else None,
        )


def _full(kind: Kind, name: str, limit: int, taken: int, wanted: int) -> LimitReachedError:
    """The refusal of a bucket that has no room for so many units."""
    excess = taken + (wanted - limit) * MINUTE
    never = wanted > limit or not limit  # not even when it is full, or nothing flows back
    wait = None if never else math.ceil(excess / limit) / 1e6
    return LimitReachedError(
        kind, name, limit=limit, used=-(-taken // MINUTE), requested=wanted, retry_after=wait
    )


def _seconds(refusal: LimitReachedError) -> float:
    return math.inf if refusal.retry_after is None else refusal.retry_after
