"""Limits that several processes share through Redis: one script is the atomic step.

All admissions of one turn of the event loop go out as one call of the script, and settlements
ride with them. The leases of a router that dies expire. A router that lost Redis settles its
leases later. Each lease is settled once, however often the settlement is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from loguru import logger

from tornado_router.background.supervisor import call_later, keep_task
from tornado_router.errors import RouterError
from tornado_router.limits.kinds import KINDS, Rates
from tornado_router.limits.limiter import Demand, Lease, LimiterAwayError, Purse
from tornado_router.limits.verdict import Counts, Funds, levels, refusal
from tornado_router.redis.link import RedisLink
from tornado_router.redis.protocol import RedisAwayError, RedisReplyError, pack

SETTLE_SECONDS = 0.005
"""For so long a settlement waits for an admission that takes it along."""

RETRY_SECONDS = 0.25
CLOSE_SECONDS = 1.0

BATCH = 100
"""Settlements, or leases to renew, in one step: others wait for it."""

MOST_UNSETTLED = 100_000
"""Settlements that are kept while Redis is away, the oldest going first. Their leases expire, and
the database knows what they cost."""

LARGEST_TOKENS = 1_000_000_000
LARGEST_COST = 2**53 - 1
"""More than any limit, and exact where numbers are doubles."""


def digest(script: str) -> str:
    """The name that Redis has for a script."""
    return hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()


SCRIPT = (Path(__file__).parent / "limits.lua").read_text()
SCRIPT_DIGEST = digest(SCRIPT)

Operation = tuple[bytes, asyncio.Future[Any] | None]
"""An operation of the script, and the future of its result; None for a settlement."""


class RedisLimiter:
    """Holds limits in Redis. To be made and closed on the running event loop.

    Whatever goes wrong with Redis is a `LimiterAwayError`, also of `extend`.

    Args:
        link: to Redis.
        lease_seconds: for how long a lease holds that is not renewed, as its router died.
        counts: whether this process is one of the routers, and renews its leases.

    Attributes:
        processes: how many routers were alive when Redis was last asked.
    """

    def __init__(self, link: RedisLink, lease_seconds: float, *, counts: bool = True) -> None:
        self.processes = 1
        self._link = link
        self._lease_seconds = lease_seconds
        self._head = b"[%d," % int(lease_seconds * 1_000_000)
        self._router = secrets.token_hex(8)
        self._numbers = count(1)
        self._running: dict[str, Lease] = {}
        self._queue: list[Operation] = []
        self._sending = False
        self._settling: asyncio.TimerHandle | None = None
        self._unsettled: deque[bytes] = deque(maxlen=MOST_UNSETTLED)
        self._retrying = False
        self._under_way = 0
        self._quiet = asyncio.Event()
        self._refused = ""
        self._loop = asyncio.get_running_loop()
        self._back = asyncio.Event()
        self._beats = keep_task("limits in Redis", self._beat) if counts else None
        link.listen(self._link_changed)

    async def admit(self, demand: Demand) -> Lease:
        """See `Limiter.admit`."""
        id_ = f"{self._router}:{next(self._numbers)}"
        rates, purses = demand.rates, demand.purses
        tokens, cost, most = _tokens(demand.tokens), _cost(demand.cost), _cost(demand.most)
        waiter = self._ask(["admit", id_, tokens, cost, most, _rates(rates), _purses(purses)])
        try:
            numbers = await waiter
        except (LimiterAwayError, asyncio.CancelledError):
            self._settle_soon(["settle", id_, 0, 0])  # it may be reserved, for a call that is gone
            raise
        fits, *rest = numbers
        left = iter(rest)
        counts = [_counts(one, left) for one in rates]
        if not fits:
            funds = [Funds(next(left), next(left)) for _ in purses]
            raise refusal(demand, counts, funds)
        lease = Lease(demand, numbers[-1], levels(rates, counts), id=id_)
        self._running[id_] = lease
        return lease

    async def extend(self, lease: Lease, cost: int) -> int:
        """See `Limiter.extend`.

        Raises:
            LimiterAwayError: Redis did not respond.
        """
        purses = lease.demand.purses
        got = _cost(cost)
        if purses:
            held = _cost(lease.cost)
            got = await self._ask(["extend", lease.id, got, held, _purses(purses)])
        lease.cost += got
        return got

    def settle(self, lease: Lease, tokens: int, cost: int) -> None:
        """See `Limiter.settle`."""
        if self._running.pop(lease.id, None) is not None:
            self._settle_soon(["settle", lease.id, _tokens(tokens), _cost(cost)])

    async def close(self) -> None:
        """See `Limiter.close`."""
        if self._beats:
            self._beats.cancel()
            with suppress(asyncio.CancelledError):
                await self._beats
        for lease in list(self._running.values()):
            self.settle(lease, lease.demand.tokens, 0)
        with suppress(LimiterAwayError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._ask(["leave", self._router])
                while self._under_way or self._unsettled:
                    self._quiet.clear()
                    await self._quiet.wait()
        if self._unsettled:
            logger.warning("{} calls are not settled in Redis", len(self._unsettled))

    def _ask(self, operation: list[Any]) -> asyncio.Future[Any]:
        """Queues an operation, to be sent with all others of this turn.

        Returns:
            A future of the result, or of a `LimiterAwayError`.

        Raises:
            LimiterAwayError: Redis is known to be away.
        """
        if not self._link.available:
            raise LimiterAwayError("Redis is away")
        waiter = self._loop.create_future()
        self._queue.append((orjson.dumps(operation), waiter))
        if not self._sending:
            self._sending = True
            self._loop.call_soon(self._send)
        return waiter

    def _settle_soon(self, settlement: list[Any]) -> None:
        """Queues a settlement, to be sent with the next admission or after `SETTLE_SECONDS`."""
        data = orjson.dumps(settlement)
        if not self._link.available:
            self._unsettled.append(data)
            return
        self._queue.append((data, None))
        if not self._sending and self._settling is None:
            self._settling = call_later("limits in Redis", SETTLE_SECONDS, self._send)

    def _send(self) -> None:
        """Sends all that waits, in one step."""
        self._sending = False
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        operations, self._queue = self._queue, []
        if operations:
            self._run(operations, self._done)

    def _run(
        self, operations: list[Operation], done: Callable[[list[Operation], Any], None]
    ) -> None:
        """Runs the script; `done` gets its results, or the error."""
        data = self._head + b",".join([operation for operation, _ in operations]) + b"]"
        self._under_way += 1

        def replied(reply: Any) -> None:
            if isinstance(reply, RedisReplyError) and str(reply).startswith("NOSCRIPT"):
                self._link.send(pack("EVAL", SCRIPT, 0, data), partial(done, operations))
            else:
                done(operations, reply)

        self._link.send(pack("EVALSHA", SCRIPT_DIGEST, 0, data), replied)

    def _done(self, operations: list[Operation], reply: Any) -> None:
        """Passes the results on; keeps settlements that did not get through."""
        self._under_way -= 1
        if isinstance(reply, RouterError):
            self._fail(operations, reply)
        else:
            self._refused = ""
            for (_, waiter), result in zip(operations, reply, strict=True):
                if waiter is not None and not waiter.done():
                    waiter.set_result(result)
        self._quiet.set()

    def _fail(self, operations: list[Operation], error: RouterError) -> None:
        if not isinstance(error, RedisAwayError) and str(error) != self._refused:
            self._refused = str(error)  # once, not for each call
            logger.error("Redis does not run the limits: {}", error)
        for operation, waiter in operations:
            if waiter is None:
                self._unsettled.append(operation)
            elif not waiter.done():
                waiter.set_exception(LimiterAwayError(str(error)))
        self._retry_later()

    def _link_changed(self, available: bool) -> None:
        """Learns that Redis comes or goes."""
        if available:
            self._back.set()
            self._retry_later(0)

    def _retry_later(self, seconds: float = RETRY_SECONDS) -> None:
        if self._unsettled and self._link.available and not self._retrying:
            self._retrying = True
            call_later("limits in Redis", seconds, self._retry)

    def _retry(self) -> None:
        """Sends lost settlements again, apart from admissions, which must not suffer from them."""
        count_ = min(BATCH, len(self._unsettled))
        self._run([(self._unsettled.popleft(), None) for _ in range(count_)], self._retried)

    def _retried(self, operations: list[Operation], reply: Any) -> None:
        self._retrying = False
        self._done(operations, reply)
        if not isinstance(reply, RouterError):
            self._retry_later(0)

    async def _beat(self) -> None:
        """Renews the leases of this router, and its place among the routers."""
        while True:
            self._back.clear()
            with suppress(LimiterAwayError):
                await self._renew()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._lease_seconds / 3):
                    await self._back.wait()

    async def _renew(self) -> None:
        ids = list(self._running)
        for start in range(0, max(len(ids), 1), BATCH):
            running = [id_ for id_ in ids[start : start + BATCH] if id_ in self._running]
            self.processes = await self._ask(["beat", self._router, running])


def _rates(rates: Iterable[Rates]) -> list[list[Any]]:
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


def _counts(rates: Rates, numbers: Iterator[int]) -> Counts:
    """What is counted for one holder: the script gives a number for each limit that is set."""
    counts = [0] * len(KINDS)
    for bound in rates.bounds:
        counts[bound.position] = next(numbers)
    return counts


def _purses(purses: Iterable[Purse]) -> list[list[Any]]:
    return [list(purse) for purse in purses]


def _tokens(tokens: int) -> int:
    return min(tokens, LARGEST_TOKENS)


def _cost(cost: int) -> int:
    return min(cost, LARGEST_COST)
