"""Demands and leases as the script takes them; see limits.lua."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tornado_router.limits.kinds import KINDS, Rates
from tornado_router.limits.limiter import Lease, Purse
from tornado_router.limits.verdict import Counts

LARGEST_TOKENS = 1_000_000_000
LARGEST_COST = 2**53 - 1
"""More than any limit, and exact where numbers are doubles."""


def pack_rates(rates: Iterable[Rates]) -> list[list[Any]]:
    """Each holder with its limits: name, limit, period, and 1 if a call takes its tokens."""
    return [
        [
            one.holder,
            [
                [KINDS[index].name, limit, period, int(by_tokens)]
                for index, limit, period, by_tokens in one.bounds
            ],
        ]
        for one in rates
    ]


def pack_purses(purses: Iterable[Purse], *, is_fresh: bool = False) -> list[list[Any]]:
    """Each purse, and 1 if what is spent of it was read in the epoch that runs."""
    return [[purse.id, purse.allowance, purse.spent, int(is_fresh)] for purse in purses]


def pack_report(lease: Lease) -> list[Any]:
    """The operation that reports a lease of before."""
    demand = lease.demand
    tokens, cost = pack_tokens(demand.tokens), pack_cost(lease.cost)
    return ["report", lease.id, tokens, cost, pack_rates(demand.rates), pack_purses(demand.purses)]


def pack_tokens(tokens: int) -> int:
    """A number of tokens that the script can count with."""
    return min(tokens, LARGEST_TOKENS)


def pack_cost(cost: int) -> int:
    """A cost that the script can count with."""
    return min(cost, LARGEST_COST)


def unpack_counts(rates: Rates, numbers: Iterator[int]) -> Counts:
    """What is counted for one holder: the script gives a number for each limit that is set."""
    counts = [0] * len(KINDS)
    for bound in rates.bounds:
        counts[bound.position] = next(numbers)
    return counts
