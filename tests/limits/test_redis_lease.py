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


def test_what_was_added_is_certain_until_redis_holds_it():
    certainty = Certainty(100)
    lease = RedisLease(demand(cost=5), 5, {}, "router:1", certainty)
    lease.added += 3
    certain = lease.cost
    certainty.until = 0
    doubtful = lease.cost
    lease.reported(2)
    certainty.until = float("inf")
    assert (certain, doubtful, lease.cost, lease.held, lease.added) == (8, 3, 2, 2, 0)
