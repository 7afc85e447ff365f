"""A lease in Redis, which ends by itself if its router does not renew it."""

from __future__ import annotations

import time

from tornado_router.limits.limiter import Demand, Lease, Levels


class Certainty:
    """Until when the leases of a router are certain to be held.

    A router that stood still (stopped, or its machine paused) for longer than a lease holds does
    not know any more what it holds.

    Attributes:
        until: by `time.monotonic()`.
    """

    __slots__ = ("until",)

    def __init__(self, seconds: float) -> None:
        self.until = time.monotonic() + seconds

    @property
    def is_lost(self) -> bool:
        """Whether the router stood still."""
        return time.monotonic() >= self.until


class RedisLease(Lease):
    """What is reserved in Redis; nothing is, for as long as that is not certain.

    So a call that ends then asks for its cost anew, and is charged what is still there. What the
    router added by itself while Redis was away is certain.

    Attributes:
        held: of each purse in Redis, as far as the router knows.
        added: to that by the router itself.
    """

    __slots__ = ("_certainty", "added", "held")

    def __init__(
        self, demand: Demand, cost: int, levels: Levels, id_: str, certainty: Certainty
    ) -> None:
        self._certainty = certainty
        self.added = 0
        super().__init__(demand, cost, levels, id=id_)

    @property
    def cost(self) -> int:
        """See `Lease`."""
        return self.added + (0 if self._certainty.is_lost else self.held)

    @cost.setter
    def cost(self, cost: int) -> None:
        self.held = cost - self.added

    def reported(self, cost: int) -> None:
        """Takes in that all of it was reported to Redis, which holds so much of it by now."""
        self.held, self.added = min(self.cost, cost), 0
