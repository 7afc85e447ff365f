"""Limits that several processes share through Redis: one script is the atomic step.

All admissions of one turn of the event loop go out as one call of the script, and settlements
ride with them. The leases of a router that dies expire. A router that lost Redis settles its
leases later. Each lease is settled once, however often the settlement is sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from loguru import logger

from tornado_router.background.supervisor import call_later, keep_task
from tornado_router.errors import RouterError
from tornado_router.limits.epoch import BATCH, CHANNEL, FORGOTTEN, UNKNOWN, Books, Epoch
from tornado_router.limits.limiter import Demand, Lease, LimiterAwayError, Purse
from tornado_router.limits.packing import (
    pack_cost,
    pack_purses,
    pack_rates,
    pack_tokens,
    unpack_counts,
)
from tornado_router.limits.redis_lease import Certainty, RedisLease
from tornado_router.limits.verdict import Funds, levels, refusal
from tornado_router.redis.link import RedisLink
from tornado_router.redis.protocol import RedisAwayError, RedisReplyError, pack
from tornado_router.redis.subscription import RedisSubscription

SETTLE_SECONDS = 0.005
"""For so long a settlement waits for an admission that takes it along."""

RETRY_SECONDS = 0.25
CLOSE_SECONDS = 1.0

MOST_UNSETTLED = 100_000
"""Settlements that are kept while Redis is away, the oldest going first. Their leases expire, and
the database knows what they cost."""

SWEPT_FIELDS = 12_000
"""For each so many that Redis has, a beat sweeps once: all are looked at in some minutes."""

TRIES = 5
"""How often a call asks anew as Redis has forgotten something."""


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
        subscription: to learn at once that Redis has forgotten, or that another router joins.
        books: asked when Redis has forgotten; None if nothing but demands reports what is spent.

    Attributes:
        processes: how many routers were alive when Redis was last asked.
    """

    def __init__(
        self,
        link: RedisLink,
        lease_seconds: float,
        *,
        counts: bool = True,
        subscription: RedisSubscription | None = None,
        books: Books | None = None,
    ) -> None:
        self.processes = 1
        self._link = link
        self._lease_seconds = lease_seconds
        self._lease_time = int(lease_seconds * 1_000_000)
        self._router = secrets.token_hex(8)
        self._numbers = count(1)
        self._running: dict[str, RedisLease] = {}
        self._certainty = Certainty(lease_seconds)
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
        self._cursors = ("0", "0")
        self._epoch = Epoch(
            link,
            self._router,
            ask=self._ask,
            leases=lambda: list(self._running.values()),
            reported=lambda: self._retry_later(0),
            books=books,
        )
        self._beats = keep_task("limits in Redis", self._beat) if counts else None
        link.listen(self._link_changed)
        if subscription is not None:
            subscription.listen(CHANNEL, lambda _: self._back.set(), self._back.set)

    async def admit(self, demand: Demand) -> Lease:
        """See `Limiter.admit`."""
        id_ = f"{self._router}:{next(self._numbers)}"
        rates, purses = demand.rates, demand.purses
        tokens, cost = pack_tokens(demand.tokens), pack_cost(demand.cost)
        operation = ["admit", id_, tokens, cost, pack_cost(demand.most), pack_rates(rates)]
        try:
            numbers = await self._take(operation, purses)
        except (LimiterAwayError, asyncio.CancelledError):
            self._settle_soon(["settle", id_, 0, 0])  # it may be reserved, for a call that is gone
            raise
        fits, *rest = numbers
        left = iter(rest)
        counts = [unpack_counts(one, left) for one in rates]
        if not fits:
            funds = [Funds(next(left), next(left)) for _ in purses]
            raise refusal(demand, counts, funds)
        lease = RedisLease(demand, numbers[-1], levels(rates, counts), id_, self._certainty)
        self._running[id_] = lease
        return lease

    async def extend(self, lease: Lease, cost: int) -> int:
        """See `Limiter.extend`.

        Raises:
            LimiterAwayError: Redis did not respond.
        """
        assert isinstance(lease, RedisLease), "it is one of this limiter's"
        purses = lease.demand.purses
        before = lease.cost
        if not purses:
            lease.held += cost
            return cost
        if self._certainty.is_lost:
            await self._renew()
        more = before + pack_cost(cost) - lease.cost
        if more > 0:
            (held,) = await self._take(["extend", lease.id, more, pack_cost(lease.held)], purses)
            lease.held = held
        return min(max(lease.cost - before, 0), cost)

    async def _take(self, operation: list[Any], purses: tuple[Purse, ...]) -> list[int]:
        """Runs an operation in an epoch that has all leases, and knows what is spent of its purses.

        Raises:
            LimiterAwayError: Redis does not respond, or is not reported yet what it has forgotten.
        """
        epoch, is_fresh, tries = self._epoch, False, 0
        while True:
            if not (epoch.is_open if purses else epoch.is_reported):
                await epoch.ready(money=bool(purses))
                is_fresh = False
            token = epoch.token
            answer = await self._ask([*operation, pack_purses(purses, is_fresh=is_fresh)])
            numbers: list[int] = answer if isinstance(answer, list) else [answer]
            if numbers[0] == FORGOTTEN:
                epoch.lose(token)
                is_fresh = False
            elif numbers[0] == UNKNOWN:
                purses, is_fresh = await epoch.look_up(purses), True
            else:
                return numbers
            tries += 1
            if tries > TRIES:
                raise LimiterAwayError("Redis forgets again and again")

    def settle(self, lease: Lease, tokens: int, cost: int) -> None:
        """See `Limiter.settle`."""
        if self._running.pop(lease.id, None) is not None:
            self._settle_soon(["settle", lease.id, pack_tokens(tokens), pack_cost(cost)])

    async def close(self) -> None:
        """See `Limiter.close`."""
        if self._beats:
            self._beats.cancel()
            with suppress(asyncio.CancelledError):
                await self._beats
        await self._epoch.close()
        for lease in list(self._running.values()):
            self.settle(lease, lease.demand.tokens, 0)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._leave()
        if self._unsettled:
            logger.warning("{} calls are not settled in Redis", len(self._unsettled))

    async def _leave(self) -> None:
        """Waits until all is settled, or until it is known that it cannot be."""
        away = False
        self._send()  # what has waited for others would stay behind if Redis is known to be away
        try:
            await self._ask(["leave", self._router])
        except LimiterAwayError:
            away = True
        while self._under_way or (self._unsettled and not away):
            self._quiet.clear()
            await self._quiet.wait()

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
        if not self._link.available or self._epoch.reporting:
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
        head = b'[%d,"%b",' % (self._lease_time, self._epoch.token.encode())
        data = head + b",".join([operation for operation, _ in operations]) + b"]"
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
        self._epoch.link_changed()
        if available:
            self._back.set()
            self._retry_later(0)

    def _retry_later(self, seconds: float = RETRY_SECONDS) -> None:
        waits = self._retrying or self._epoch.reporting
        if self._unsettled and self._link.available and not waits:
            self._retrying = True
            call_later("limits in Redis", seconds, self._retry)

    def _retry(self) -> None:
        """Sends lost settlements again, apart from admissions, which must not suffer from them."""
        if self._epoch.reporting:
            self._retrying = False
            return
        count_ = min(BATCH, len(self._unsettled))
        self._run([(self._unsettled.popleft(), None) for _ in range(count_)], self._retried)

    def _retried(self, operations: list[Operation], reply: Any) -> None:
        self._retrying = False
        self._done(operations, reply)
        if not isinstance(reply, RouterError):
            self._retry_later(0)

    async def _beat(self) -> None:
        """Renews the leases of this router and its place among the routers, and sweeps."""
        while True:
            self._back.clear()
            with suppress(LimiterAwayError):
                await self._renew()
                await self._sweep()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._lease_seconds / 3):
                    await self._back.wait()

    async def _renew(self) -> None:
        """Renews what is held; what had expired holds what is still there.

        Raises:
            LimiterAwayError: Redis did not respond.
        """
        since, was_lost = time.monotonic(), self._certainty.is_lost
        try:
            while not await self._renew_all():
                await self._epoch.ready(money=False)
        except LimiterAwayError:
            if was_lost:
                raise
            # For all that is known, Redis is away from all routers: none takes what is held.
        self._certainty.until = max(self._certainty.until, since + self._lease_seconds)

    async def _renew_all(self) -> bool:
        """Renews what is held, in parts; False if Redis has forgotten it."""
        token, ids = self._epoch.token, list(self._running)
        for start in range(0, max(len(ids), 1), BATCH):
            running = [id_ for id_ in ids[start : start + BATCH] if id_ in self._running]
            answer = await self._ask(["beat", self._router, running])
            if answer == FORGOTTEN:
                self._epoch.lose(token)
                return False
            self._learn(*answer)
        return True

    def _learn(self, routers: list[bytes], lowered: list[tuple[bytes, int]]) -> None:
        """Takes in what a beat has found out."""
        self.processes = len(routers)
        self._epoch.others = [name.decode() for name in routers if name.decode() != self._router]
        for id_, held in lowered:
            lease = self._running.get(id_.decode())
            if lease is not None:
                lease.held = held

    async def _sweep(self) -> None:
        """Has Redis look at some of what it has, and drop what is idle."""
        fields = await self._sweep_once()
        for _ in range(fields // SWEPT_FIELDS):
            await self._sweep_once()

    async def _sweep_once(self) -> int:
        *cursors, fields = await self._ask(["sweep", *self._cursors])
        self._cursors = (cursors[0].decode(), cursors[1].decode())
        return int(fields)
