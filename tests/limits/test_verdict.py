"""What follows from the numbers of an engine; how engines use it is in behaviour.py."""

from tornado_router.limits.kinds import MINUTE, Rates
from tornado_router.limits.limiter import Purse
from tornado_router.limits.verdict import Funds, levels, refusal

from .behaviour import demand


def level(*buckets):
    """The level behind buckets of requests, each its limit and what is taken of it."""
    rates = [Rates("a", requests=limit) for limit, _ in buckets]
    return levels(rates, [(taken, 0, 0) for _, taken in buckets])["requests"]


def test_what_is_begun_counts_as_taken():
    assert level((10, 3 * MINUTE - 1))[:2] == (10, 7)
    assert level((10, 3 * MINUTE + 1))[:2] == (10, 6)


def test_how_long_a_bucket_takes_to_fill():
    assert level((60, 30 * MINUTE)).reset == 30.0


def test_a_debt_leaves_nothing():
    assert level((10, 25 * MINUTE)) == (10, 0, 150.0)


def test_the_first_of_equals_is_told():
    assert level((10, 5 * MINUTE), (5, 0)).limit == 10


def test_levels_are_those_of_limits():
    rates = [Rates("a", requests=5), Rates("b", tokens=7)]
    counts = [(MINUTE, 99 * MINUTE, 1), (99 * MINUTE, MINUTE, 1)]
    found = levels(rates, counts)
    assert {name: level[:2] for name, level in found.items()} == {
        "requests": (5, 4),
        "tokens": (7, 6),
    }
    assert levels([Rates("a", in_flight=3)], [(0, 0, 1)]) == {}


def test_what_never_helps_is_told_before_what_takes_long():
    wanted = demand(Rates("a", requests=1), purses=[Purse("p", 10, 0)], cost=11)
    refused = refusal(wanted, [(MINUTE, 0, 0)], [Funds(0, 0)])
    assert (refused.kind, refused.retry_after) == ("money", None)


def test_a_wait_is_rounded_up_to_the_microsecond():
    refused = refusal(demand(Rates("a", requests=7)), [(7 * MINUTE, 0, 0)], [])
    assert refused.retry_after == 8.571429
    assert round(refused.retry_after * 1e6) * 7 >= MINUTE
