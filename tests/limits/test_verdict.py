"""What follows from the numbers of an engine; how engines use it is in behaviour.py."""

from tornado_router.limits.limiter import MINUTE, Purse, Rates
from tornado_router.limits.verdict import Counts, Funds, fullest, levels, refusal

from .behaviour import demand


def test_what_is_begun_counts_as_taken():
    assert fullest([(10, 3 * MINUTE - 1)])[:2] == (10, 7)
    assert fullest([(10, 3 * MINUTE + 1)])[:2] == (10, 6)


def test_how_long_a_bucket_takes_to_fill():
    assert fullest([(60, 30 * MINUTE)]).reset == 30.0


def test_a_debt_leaves_nothing():
    assert fullest([(10, 25 * MINUTE)]) == (10, 0, 150.0)


def test_the_first_of_equals_is_told():
    assert fullest([(10, 5 * MINUTE), (5, 0)]).limit == 10
    assert fullest([]) is None


def test_levels_are_those_of_limits():
    rates = [Rates("a", requests=5), Rates("b", tokens=7)]
    counts = [Counts(MINUTE, 99 * MINUTE, 1), Counts(99 * MINUTE, MINUTE, 1)]
    requests, tokens = levels(rates, counts)
    assert (requests[:2], tokens[:2]) == ((5, 4), (7, 6))


def test_what_never_helps_is_told_before_what_takes_long():
    wanted = demand(Rates("a", requests=1), purses=[Purse("p", 10, 0)], cost=11)
    refused = refusal(wanted, [Counts(MINUTE, 0, 0)], [Funds(0, 0)])
    assert (refused.kind, refused.retry_after) == ("money", None)


def test_a_wait_is_rounded_up_to_the_microsecond():
    refused = refusal(demand(Rates("a", requests=7)), [Counts(7 * MINUTE, 0, 0)], [])
    assert refused.retry_after == 8.571429
    assert round(refused.retry_after * 1e6) * 7 >= MINUTE
