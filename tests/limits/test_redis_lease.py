"""A lease whose router stood still."""

from tornado_router.limits.redis_lease import Certainty, RedisLease

from .behaviour import demand


def test_it_holds_nothing_while_that_is_not_certain():
    certainty = Certainty(100)
    lease = RedisLease(demand(cost=5), 5, {}, "router:1", certainty)
    certain = lease.cost
    certainty.until = 0
    assert certainty.is_lost
    doubtful = lease.cost
    certainty.until = float("inf")
    lease.cost += 3
    assert (certain, doubtful, lease.cost, lease.held) == (5, 0, 8, 8)
    assert (lease.id, lease.local) == ("router:1", False)
