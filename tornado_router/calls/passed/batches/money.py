"""The money of batches: what their lines may cost is held, and what they cost is taken once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from loguru import logger

from tornado_router.accounts.invalidation import Publisher
from tornado_router.accounts.key_lookup import Key, payer_of
from tornado_router.accounts.plans import Plans
from tornado_router.calls.account import CallAccounts
from tornado_router.calls.passed.batches import rows
from tornado_router.calls.refusals import refusal_of
from tornado_router.endpoints import KNOWN
from tornado_router.error_codes import Refusal
from tornado_router.ledger.record import CallRecord, Charge
from tornado_router.limits.holders import HolderKind
from tornado_router.limits.limiter import (
    Demand,
    Lease,
    Limiter,
    LimiterAwayError,
    LimitReachedError,
    Purse,
)
from tornado_router.observability.redaction import printable_name
from tornado_router.plugins.registry import FAULTS
from tornado_router.provider import Call
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.prices import Cost, Prices
from tornado_router.routing.routes import Target
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import Batch
from tornado_router.usage import Usage, added

TRIES = 5
"""How often what is left of a purse is asked for: calls that run may take some meanwhile."""

ENDPOINT = "batches"


class Spent(NamedTuple):
    """What the lines of a batch came to.

    Attributes:
        usage: of all of them.
        billionths: what they would cost as calls.
        lines: that there are.
    """

    usage: Usage = Usage()
    billionths: int = 0
    lines: int = 0


class BatchMoney:
    """Holds money for batches, and takes it.

    Args:
        storage: where batches are noted.
        limiter: holds the purses.
        prices: of every target.
        bounds: of responses to lines that set none.
        accounts: of calls: batches are recorded as they are.
        publisher: announces that something is held, or free again.
        plans: of users.
        refuse_unpriced: whether those who pay are refused models without a price.
    """

    def __init__(
        self,
        storage: Storage,
        limiter: Limiter,
        *,
        prices: Prices,
        bounds: OutputBounds,
        accounts: CallAccounts,
        publisher: Publisher,
        plans: Plans,
        refuse_unpriced: bool,
    ) -> None:
        self._storage = storage
        self._limiter = limiter
        self._prices = prices
        self._bounds = bounds
        self._accounts = accounts
        self._publisher = publisher
        self._plans = plans
        self._refuse_unpriced = refuse_unpriced

    def estimate(self, call: Call, target: Target) -> int:
        """The most that a line may cost as a call, in billionths of a US dollar.

        Raises:
            ApiError: 403, its model has no price, and those who pay are refused such.
        """
        price = self._prices.find(target.provider, target.model)
        if price is None:
            if self._refuse_unpriced:
                raise Refusal.model_not_priced(model=printable_name(call.model))
            return 0
        ask = KNOWN[call.endpoint].ask(call)
        prompt, seen = ask.prompt()
        output = ask.output()
        bound = self._bounds.ceiling(target) if output.bound is None else output.bound
        return price.estimate(prompt, bound * output.choices, ask.amounts(seen))

    def check_priced(self, model: str, targets: Sequence[Target]) -> None:
        """Refuses a model without a price to those who pay, if that is to be refused.

        Raises:
            ApiError: 403, no target of it has one.
        """
        prices = [self._prices.find(target.provider, target.model) for target in targets]
        if self._refuse_unpriced and not any(prices):
            raise Refusal.model_not_priced(model=printable_name(model))

    async def begin(self, call: Call, key: Key, batch: rows.Submitted, seconds: float) -> int:
        """Notes a batch and holds what it may cost, at once; returns the id of its row.

        Args:
            call: that submits it.
            key: whose it is.
            batch: whose `held` is what its lines may cost as calls.
            seconds: see `rows.begin`.

        Raises:
            ApiError: 429, there is not so much; 503, the limits or the database are away.
        """
        held = self._batch_cost(batch).billionths if key.purses else 0
        lease = await self._reserve(call, key, held)
        try:
            batch = batch._replace(held=held)
            row_id = await self._storage.run(lambda: rows.begin(batch, seconds))
            await self._publisher.publish(key.user_id)
        finally:
            if lease is not None:
                self._limiter.settle(lease, 0, 0)
        return row_id

    async def drop(self, row_id: int, user_id: int) -> None:
        """Frees what a batch held that the vendor does not have.

        Raises:
            ApiError: 503, the database is away.
        """
        await self._storage.run(lambda: rows.drop(row_id))
        await self._publisher.publish(user_id)

    def cost(self, row: Batch, usage: Usage) -> int:
        """What the usage of a line would cost as a call, in billionths of a US dollar."""
        price = self._prices.find(row.provider, row.target_model)
        return price.cost(usage).billionths if price else 0

    async def settle(self, row: Batch, spent: Spent, status: str) -> None:
        """Takes what a batch cost, records it, and frees the rest.

        A router may die at any point of it, and another does all of it again: the record has an id
        that is the batch's own, and the ledger takes it once.

        Raises:
            ApiError: 503, the limits or the database are away: later, then.
        """
        payer = await self._storage.run(lambda: payer_of(row.key_id, self._plans))
        cost = self._in_batch(row, spent)
        purses = _with_held(payer.purses if payer else (), row.held)
        lease = await self._take(purses, cost.billionths)
        charged = cost.billionths if lease is None else min(lease.cost, cost.billionths)
        if payer is None:
            charged = 0
        charge = Charge(charged, cost.billionths - charged, cost.prices or None)
        self._book(_record(row, payer, spent.usage, charge, status))
        try:
            await self._storage.run(lambda: rows.settle(row))
            await self._publisher.publish(row.user_id)
        finally:
            if lease is not None:
                self._limiter.settle(lease, 0, charged)

    async def _reserve(self, call: Call, key: Key, held: int) -> Lease | None:
        if not held:
            return None
        demand = Demand(call.id, (), key.purses, cost=held)
        try:
            return await self._limiter.admit(demand)
        except LimitReachedError as refusal:
            raise refusal_of(refusal, call, key.purses) from None
        except LimiterAwayError:
            raise Refusal.limits_unavailable() from None

    async def _take(self, purses: tuple[Purse, ...], cost: int) -> Lease | None:
        """Reserves a cost, or what there is of it; None if nothing pays."""
        if not purses or not cost:
            return None
        for _ in range(TRIES):
            try:
                return await self._limiter.admit(Demand("", (), purses, cost=cost))
            except LimitReachedError as refusal:
                cost = max(0, min(cost, refusal.limit - refusal.used))
            except LimiterAwayError:
                raise Refusal.limits_unavailable() from None
        return await self._limiter.admit(Demand("", (), purses))

    def _batch_cost(self, batch: rows.Submitted) -> Cost:
        price = self._prices.find(batch.owner.provider, batch.target_model)
        return price.in_batch(batch.held) if price else Cost(0, "")

    def _in_batch(self, row: Batch, spent: Spent) -> Cost:
        price = self._prices.find(row.provider, row.target_model)
        return price.in_batch(spent.billionths) if price else Cost(0, "")

    def _book(self, record: CallRecord) -> None:
        """Records a batch as a call is. It was served: nothing can fail it now."""
        accounts = self._accounts
        accounts.ledger.add(record)
        observers: list[Callable[[CallRecord], None]] = [
            lambda record: accounts.metrics.add(record, [], missed=False),
            *accounts.observers.values(),
        ]
        for observe in observers:
            try:
                observe(record)
            except FAULTS as error:
                logger.error("an observer raised {} after a batch", type(error).__name__)


def summed(one: Spent, usage: Usage, billionths: int) -> Spent:
    """What lines came to, with one more."""
    return Spent(added(one.usage, usage), one.billionths + billionths, one.lines + 1)


def record_id(row: Batch) -> str:
    """The id of the record of a batch: always the same, and that of nothing else."""
    name = f"batch:{row.id}:{row.provider}:{row.batch_id}"
    return f"batch-{blake2b(name.encode(), digest_size=16).hexdigest()}"


def _with_held(purses: tuple[Purse, ...], held: int) -> tuple[Purse, ...]:
    """Purses with what a batch holds of them itself."""
    return tuple(purse._replace(allowance=purse.allowance + held) for purse in purses)


def _record(row: Batch, payer: Key | None, usage: Usage, charge: Charge, status: str) -> CallRecord:
    from_credits = bool(payer and payer.purses and HolderKind.CREDITS.names(payer.purses[0].id))
    return CallRecord(
        call_id=record_id(row),
        request_id=printable_name(row.batch_id or ""),
        endpoint=ENDPOINT,
        user_id=row.user_id,
        key_id=row.key_id,
        key_name=payer.name if payer else "",
        model=printable_name(row.model),
        provider=row.provider,
        target_model=printable_name(row.target_model),
        stream=False,
        status=200,
        error_code=None if status == "completed" else f"batch_{printable_name(status)}"[:64],
        dropped_params=(),
        paid_from_credits=from_credits,
        finished_at=time.time(),
        duration=0.0,
        first_chunk=None,
        overhead=None,
        cache_hit=False,
        client_address="",
        trace_id=None,
        internal_error=None,
        client="",
        session="",
        usage=usage,
        charge=charge,
    )
