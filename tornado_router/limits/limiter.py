"""Admits calls: one atomic step reserves what a call may take; the call settles it at its end.

A call is held to the rates of its key and of its user (requests and tokens in a minute, calls in
flight), and paid from purses (the user's credits, the key's budget). `Limiter.admit` takes from
all of them or from none, and gives a lease. A call never costs more than its lease holds:
`Limiter.extend` asks for more before more is spent, so a purse is never overdrawn, and `settle`
gives back what was not used.

A rate is a token bucket: it holds a minute's worth, is full at first, and fills evenly. So no
span of time sees more than the bucket plus what flowed in meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tornado_router.errors import RouterError
from tornado_router.limits.kinds import Rates

SHARE = 16
"""A call that would hold more than it costs at least gets one part in so many of what is left."""

MONEY = "money"
"""The kind of a purse that does not cover a call; other kinds are the names of `KINDS`."""

Levels = Mapping[str, "Level"]
"""The level of the fullest-drawn bucket behind a call, by `LimitKind.header`; without a limit, no
level."""


class Purse(NamedTuple):
    """Money that calls are paid from, in billionths of a US dollar.

    Attributes:
        id: such as `credits:3` or `budget:12:2026-11`; the name of what is counted.
        allowance: all that was ever put in.
        spent: what is known to have been taken out. It may lag behind what the engine knows, and
            an engine that knows nothing begins with it: the larger of the two holds.
        period: how long it is for, such as `month`; empty for ever.
        renews: the day on which its next period begins, in UTC; empty if none does.
    """

    id: str
    allowance: int
    spent: int
    period: str = ""
    renews: str = ""


class Demand(NamedTuple):
    """What a call wants to reserve.

    Attributes:
        id: the call's own.
        rates: of each holder whose rates apply to it: its key, its user.
        purses: that it is paid from; each pays the whole cost.
        tokens: of prompt and response, as estimated.
        cost: in billionths of a US dollar, as estimated.
        most: what it may come to, if that is more: it gets a `SHARE` of what every purse has left,
            up to this.
    """

    id: str
    rates: tuple[Rates, ...]
    purses: tuple[Purse, ...] = ()
    tokens: int = 0
    cost: int = 0
    most: int = 0


class Level(NamedTuple):
    """How full a bucket is.

    Attributes:
        limit: what it holds when full.
        remaining: what it holds now, never below 0.
        reset: seconds until it is full.
    """

    limit: int
    remaining: int
    reset: float


@dataclass(slots=True)
class Lease:
    """What is reserved for a running call.

    Attributes:
        demand: what was asked for, and is held.
        cost: what is held of each purse; `extend` raises it.
        levels: of its buckets.
        local: whether it is held by this process alone, as Redis was away.
        id: the engine's name for it, if it needs one.
    """

    demand: Demand
    cost: int
    levels: Levels = field(default_factory=dict)
    local: bool = False
    id: str = ""


class LimitReachedError(RouterError):
    """A call that may not run now; nothing was taken for it.

    Attributes:
        kind: of the limit it met, such as `requests`, or `MONEY`; of several, the one that holds
            it up the longest.
        name: `holder` of the rates or `id` of the purse.
        limit: the limit, or the purse's allowance.
        used: what is taken of it already, reservations included.
        requested: what the call wanted.
        retry_after: seconds after which it may run; None if waiting alone never helps.
        levels: as in `Lease`, as they are now.
    """

    def __init__(
        self,
        kind: str,
        name: str,
        *,
        limit: int,
        used: int,
        requested: int,
        retry_after: float | None,
    ) -> None:
        super().__init__(f"{name}: {kind}, limit {limit}, used {used}, requested {requested}")
        self.kind = kind
        self.name = name
        self.limit = limit
        self.used = used
        self.requested = requested
        self.retry_after = retry_after
        self.levels: Levels = {}


class LimiterAwayError(RouterError):
    """The engine did not respond in time, and the policy for that is to refuse."""


class Limiter(Protocol):
    """Holds limits. Its engines are exact: what they admit never exceeds a limit."""

    async def admit(self, demand: Demand) -> Lease:
        """Reserves all of a demand at once.

        Raises:
            LimitReachedError: a limit does not have room for it.
            LimiterAwayError: the engine did not respond, and the policy is to refuse.
        """
        ...

    async def extend(self, lease: Lease, cost: int) -> int:
        """Reserves more money for a running call, as much as every purse still has.

        Args:
            lease: what the call holds; its `cost` is raised.
            cost: what it wants more, in billionths of a US dollar.

        Returns:
            What it got, from 0 to `cost`; 0 when the engine is away and the policy is to refuse.
        """
        ...

    def settle(self, lease: Lease, tokens: int, cost: int) -> None:
        """Ends a call: corrects the tokens, takes the cost, frees the rest. Never fails or waits.

        Args:
            lease: to be settled once.
            tokens: that the call used; beyond the lease they are a debt of the bucket.
            cost: what the call costs, at most `lease.cost`.
        """
        ...

    async def close(self) -> None:
        """Settles what is still on its way, and frees what it holds."""
        ...
