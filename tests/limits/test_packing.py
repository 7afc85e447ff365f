"""Demands and leases as the script takes them."""

from tornado_router.limits.kinds import MINUTE, Rates
from tornado_router.limits.limiter import Purse
from tornado_router.limits.packing import (
    LARGEST_COST,
    LARGEST_TOKENS,
    pack_purses,
    pack_rates,
    pack_report,
    unpack_counts,
)
from tornado_router.limits.redis_lease import Certainty, RedisLease

from .behaviour import demand

RATES = Rates("key:1", requests=5, in_flight=2)
PURSE = Purse("credits:1", 100, 10)


def test_rates_and_purses():
    assert pack_rates([RATES]) == [["key:1", [["requests", 5, MINUTE, 0], ["in_flight", 2, 0, 0]]]]
    assert pack_purses([PURSE]) == [["credits:1", 100, 10, 0]]
    assert pack_purses([PURSE], is_fresh=True) == [["credits:1", 100, 10, 1]]


def test_a_lease_is_reported_with_what_it_holds():
    wanted = demand(RATES, purses=[PURSE], tokens=10**12, cost=7)
    lease = RedisLease(wanted, 10**18, {}, "router:1", Certainty(100))
    name, id_, tokens, cost, *_ = pack_report(lease)
    assert (name, id_, tokens, cost) == ("report", "router:1", LARGEST_TOKENS, LARGEST_COST)


def test_counts_go_to_their_kinds():
    assert unpack_counts(RATES, iter([3, 1])) == [3, 0, 1]
