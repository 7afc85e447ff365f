"""What one router does when Redis forgets: it reports what it holds, and waits for the others.

An epoch is the time in which one Redis server remembers everything. The script takes money only
from routers that name the epoch that it has; see docs/decisions/0020.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

from loguru import logger

from tornado_router.background.supervisor import child_task, start_task
from tornado_router.errors import RouterError
from tornado_router.limits.limiter import LimiterAwayError, Purse
from tornado_router.limits.packing import pack_report
from tornado_router.limits.redis_lease import RedisLease
from tornado_router.redis.link import RedisLink

CHANNEL = "tornado-router:limits"
"""Says that an epoch begins, or that a router joins it."""

FORGOTTEN, UNKNOWN = -1, -2
"""What the script answers: it has no such epoch; it has a purse that no router has read yet."""

GRACE_SECONDS = 1.0
"""A router that has just started knows no others: so long they have to say that they are there."""

WAIT_SECONDS = 3.0
"""For so long a call waits for a new epoch to open, at most."""

POLL_SECONDS = 0.05
AGAIN_SECONDS = 0.5

BATCH = 100
"""Leases in one step: others wait for it."""


class Books(Protocol):
    """The record of what calls cost, in the database and on its way there: asked by an `Epoch`."""

    def hold(self) -> None:
        """Holds back what ends from now on: it is written after `release`, and not before.

        Raises:
            OSError: the journal cannot be written, so it is not known what is.
        """
        ...

    async def written(self) -> None:
        """Waits until the database has all that ended before `hold`."""
        ...

    def release(self) -> None:
        """Lets everything be written again."""
        ...

    async def spent(self, ids: Iterable[str]) -> Mapping[str, int]:
        """What the database knows to be spent of purses, in billionths of a US dollar, by id.

        Raises:
            RouterError: it does not answer.
        """
        ...


class Epoch:
    """The epoch that a router knows, and whether money may be taken in it.

    Args:
        link: to Redis.
        router: the name of this one.
        ask: runs an operation of the script.
        leases: gives those of the calls that run.
        reported: called once the leases are reported: what was held back of them may follow.
        books: of the deployment; None if the figures of a demand were read a moment ago.

    Attributes:
        others: the routers beside this one that were alive when Redis was last asked.
        reporting: whether leases are being reported, so that no settlement may overtake them.
        is_reported: whether they are reported, so that rates count again.
        is_open: whether money may be taken, as all routers have reported theirs.
    """

    def __init__(
        self,
        link: RedisLink,
        router: str,
        *,
        ask: Callable[[list[Any]], asyncio.Future[Any]],
        leases: Callable[[], list[RedisLease]],
        reported: Callable[[], None],
        books: Books | None,
    ) -> None:
        self.others: list[str] = []
        self.reporting = False
        self.is_reported = False
        self.is_open = False
        self._link = link
        self._router = router
        self._ask = ask
        self._leases = leases
        self._reported = reported
        self._books = books
        self._id = ""
        self._is_first = True
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._news: asyncio.Future[None] = self._loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._lookups: dict[tuple[str, str], asyncio.Task[int]] = {}

    @property
    def token(self) -> str:
        """The name of the epoch, and of the server that this router talks to."""
        return f"{self._id}:{self._link.server}"

    def lose(self, token: str) -> None:
        """Learns that the script does not know a token: another epoch has to be joined."""
        # Else it was of another connection or epoch, or the task finds out by itself.
        if token == self.token and not self._is_joining:
            if self.is_reported:
                self._since = self._loop.time()
                logger.warning("Redis has forgotten the limits: they are reported again")
            self.is_reported = self.is_open = False
            self._start()

    def link_changed(self) -> None:
        """Has those who wait look again, as Redis comes or goes."""
        self._since = self._loop.time()
        self._wake_waiting()

    async def ready(self, *, money: bool) -> None:
        """Waits a moment until this router has reported its leases; for money, until all have.

        Raises:
            LimiterAwayError: it takes too long.
        """
        while not (self.is_open if money else self.is_reported):
            self._start()
            seconds = self._since + WAIT_SECONDS - self._loop.time()
            if seconds <= 0 or not self._link.available:
                raise LimiterAwayError("Redis has forgotten what routers hold")
            await asyncio.wait([self._news], timeout=seconds)

    async def look_up(self, purses: Iterable[Purse]) -> tuple[Purse, ...]:
        """The purses with what the database knows now; calls that come together share the query.

        Raises:
            LimiterAwayError: the database does not answer.
        """
        if self._books is None:
            return tuple(purses)
        purses = tuple(purses)
        try:
            spent = await asyncio.gather(*(self._look_up(purse.id) for purse in purses))
        except RouterError as error:
            raise LimiterAwayError(f"what is spent cannot be read: {error}") from None
        return tuple(one._replace(spent=sum_) for one, sum_ in zip(purses, spent, strict=True))

    async def close(self) -> None:
        """Joins no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    @property
    def _is_joining(self) -> bool:
        return self._task is not None and not self._task.done()

    def _start(self) -> None:
        if not self._is_joining:
            self._task = start_task("limits in Redis, reported again", self._join())

    def _wake_waiting(self) -> None:
        news, self._news = self._news, self._loop.create_future()
        news.set_result(None)

    async def _look_up(self, id_: str) -> int:
        asked = (self.token, id_)
        lookup = self._lookups.get(asked)
        if lookup is None:
            lookup = child_task("money of a purse", self._spent(id_))
            self._lookups[asked] = lookup
            lookup.add_done_callback(lambda _: self._lookups.pop(asked, None))
        return await asyncio.shield(lookup)

    async def _spent(self, id_: str) -> int:
        assert self._books is not None, "it is asked"
        return (await self._books.spent([id_]))[id_]

    async def _join(self) -> None:
        """Reports all that this router holds, until it is in the epoch that Redis has."""
        try:
            while not await self._report_all():
                pass
        except LimiterAwayError:
            return  # the link reports when it is worth another try
        except (RouterError, OSError) as error:
            logger.error("the limits cannot be reported again: {}", error)
            await asyncio.sleep(AGAIN_SECONDS)
            return
        finally:
            self.reporting = False
            if self._books is not None:
                self._books.release()
        if not self._is_first:
            logger.info("the limits in Redis are complete again")
        self._is_first, self.is_open = False, True
        self._wake_waiting()

    async def _report_all(self) -> bool:
        """Joins the epoch that there is; False if it is over before it opened."""
        server, grace = self._link.server, 0
        if not server:
            raise LimiterAwayError("Redis is not connected yet")
        if self._is_first:
            grace = int(GRACE_SECONDS * 1_000_000)
        self._id = (
            await self._ask(
                ["assemble", self._router, secrets.token_hex(8), server, grace, self.others]
            )
        ).decode()
        leases = self._hold()
        if not await self._report(leases):
            return False
        if self._books is not None and not self._is_first:
            await self._books.written()
        if await self._ask(["join", self._router]) == FORGOTTEN:
            return False
        while True:
            opened = await self._ask(["opened"])
            if opened:
                return opened != FORGOTTEN and await self._base(leases)
            await asyncio.sleep(POLL_SECONDS)

    def _hold(self) -> list[RedisLease]:
        """The leases to report. What ends from now on is written nowhere but in the journal."""
        self.reporting = True
        # What a router that starts had left behind is in the database before it serves.
        if self._books is not None and not self._is_first:
            self._books.hold()
        return self._leases()

    async def _report(self, leases: list[RedisLease]) -> bool:
        """Reports leases, of which settlements may follow then; False if the epoch is over."""
        for some in _batches(leases):
            held = await asyncio.gather(*(self._ask(pack_report(lease)) for lease in some))
            if FORGOTTEN in held:
                return False
            for lease, cost in zip(some, held, strict=True):
                lease.reported(cost)
        self.reporting, self.is_reported = False, True
        self._reported()
        self._wake_waiting()
        return True

    async def _base(self, leases: list[RedisLease]) -> bool:
        """Adds what the database has to what is spent since: no router writes them meanwhile."""
        purses = {purse.id: purse for lease in leases for purse in lease.demand.purses}
        if not purses:
            return True
        figures = [[one.id, one.spent] for one in await self.look_up(purses.values())]
        return bool(await self._ask(["base", figures]) != FORGOTTEN)


def _batches(leases: list[RedisLease]) -> Iterator[list[RedisLease]]:
    for start in range(0, len(leases), BATCH):
        yield leases[start : start + BATCH]
