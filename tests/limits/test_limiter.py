"""What the engines of the limits share: demands, leases, refusals."""

from tornado_router.limits.limiter import Demand, Lease, LimitReachedError


def test_a_refusal_says_what_was_met():
    refused = LimitReachedError("tokens", "key:1", limit=10, used=8, requested=3, retry_after=6.0)
    assert str(refused) == "key:1: tokens, limit 10, used 8, requested 3"


def test_a_lease_is_of_all_processes_unless_it_says_otherwise():
    lease = Lease(Demand("call", ()), 5)
    assert not lease.local
    assert lease.levels == {}
