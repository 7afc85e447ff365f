"""Whether a call may run, what it may spend, and what it is charged: the policy over the limits."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.client import Deferred
from tornado_router.calls.refusals import level_headers, refusal_of
from tornado_router.calls.sent_bounds import SentBounds
from tornado_router.endpoints import KNOWN, OPENAI, Ask, Dialect, Output
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError
from tornado_router.ledger.record import Charge
from tornado_router.limits.holders import HolderKind
from tornado_router.limits.limiter import (
    MONEY,
    Demand,
    Lease,
    Limiter,
    LimiterAwayError,
    LimitReachedError,
)
from tornado_router.observability.redaction import printable_name
from tornado_router.provider import Call
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.prices import Cost, Price, Prices
from tornado_router.routing.routes import Target
from tornado_router.usage import BYTES_PER_TOKEN, NO_AMOUNTS, Amounts, Usage

EXTENSION_TOKENS = 256
"""What a stream asks for at least when it has used up what was reserved: asking may take a trip
to Redis, and what is asked for is kept from others."""

NO_BOUND = sys.maxsize

_CREDITS = HolderKind.CREDITS
"""Looked up once: Python 3.11 finds the members of an enum slowly."""


@dataclass(slots=True)
class Permit:
    """A call that may run.

    Attributes:
        targets: those that it may be sent to.
        key: whose call it is.
        prompt: tokens of the request, as estimated.
        amounts: what else the call may come to.
        output: tokens of the response, as estimated.
        choices: that the response may have.
        lease: what is reserved for it, or None if nothing holds for it.
        bounds: that its targets get, as money is short; or None.
        cost: what it turned out to cost, once that is known; None for a model without a price.
    """

    targets: Sequence[Target]
    key: Key
    prompt: int = 0
    amounts: Amounts = NO_AMOUNTS
    output: int = 0
    choices: int = 1
    lease: Lease | None = None
    bounds: SentBounds | None = None
    cost: Cost | None = None

    @property
    def from_credits(self) -> bool:
        """Whether the user's credits pay for it."""
        purses = self.key.purses
        return bool(purses) and _CREDITS.names(purses[0].id)

    def headers(self, dialect: Dialect = OPENAI) -> dict[str, str]:
        """The headers by which clients learn of their limits."""
        return level_headers(self.lease.levels, dialect) if self.lease else {}


class Admission:
    """Admits calls.

    Args:
        limiter: holds the limits.
        prices: of every target.
        bounds: of responses to calls that set none.
        refuse_unpriced: whether clients that pay are refused models without a price.
    """

    def __init__(
        self, limiter: Limiter, prices: Prices, bounds: OutputBounds, *, refuse_unpriced: bool
    ) -> None:
        self._limiter = limiter
        self._prices = prices
        self._bounds = bounds
        self._refuse_unpriced = refuse_unpriced

    async def admit(self, call: Call, key: Key, targets: Sequence[Target]) -> Permit:
        """Reserves what a call may come to, or refuses it.

        Args:
            call: what the client asked for; permitted.
            key: whose call it is.
            targets: that could serve it.

        Raises:
            ApiError: 403, no target has a price; 429, a limit has no room; 503, the limits cannot
                be checked.
        """
        ask = KNOWN[call.endpoint].ask(call)
        prompt, seen = ask.prompt()
        amounts = ask.amounts(seen)
        asked = ask.output()
        output, known = self._output_tokens(asked, key, targets)
        permit = Permit(targets, key, prompt, amounts, output, asked.choices)
        if not key.rates and not key.purses:
            return permit
        tokens, cost, most = prompt + output, 0, 0
        unseen: Sequence[Target] = ()
        if not known:
            # A guess must not keep a call out that would fit into an untouched minute.
            for rates in key.rates:
                fewest = rates.fewest_tokens
                if fewest is not None and tokens > fewest:
                    tokens = max(prompt, fewest)
        if key.purses and (prompt or output or amounts.is_any):
            permit.targets, prices = self._priced(call.model, targets)
            cost = _dearest(prices, permit, output)
            if cost and not known:
                unseen = self._unseen(ask, permit.targets)
                prices = self._prices_of(unseen)
                most = _dearest(prices, permit, self._bounds.most * asked.choices)
        demand = Demand(call.id, key.rates, key.purses, tokens, cost, most)
        if known or not cost:
            permit.lease = await self._reserve(demand, call)
        else:
            permit.lease = await self._reserve_for_guess(call, permit, demand, unseen)
        return permit

    async def admit_patiently(
        self, deferred: Deferred, call: Call, key: Key, targets: Sequence[Target]
    ) -> Permit:
        """As `admit`, but a call that is deferred waits for room."""
        while True:
            try:
                return await self.admit(call, key, targets)
            except ApiError as refusal:
                await deferred.wait(refusal)

    async def admit_free(self, call: Call, key: Key) -> Permit:
        """Admits a call that uses nothing, as the cache serves it: it counts as a request.

        Raises:
            ApiError: 429, it is one too many; 503, its limits cannot be checked.
        """
        demand = Demand(call.id, key.rates)
        lease = await self._reserve(demand, call) if key.rates else None
        return Permit((), key, lease=lease)

    async def count(self, call: Call, key: Key) -> None:
        """Counts a refused call as a request, for it is recorded, too.

        Raises:
            ApiError: 429, it is one too many; 503, its limits cannot be checked.
        """
        if key.rates:
            lease = await self._reserve(Demand(call.id, key.rates), call)
            self._limiter.settle(lease, 0, 0)

    def room(self, permit: Permit, target: Target) -> int:
        """How many bytes a stream may have before more has to be reserved for it."""
        price, lease = self._price(permit, target), permit.lease
        if price is None or lease is None:
            return NO_BOUND
        tokens = _affordable(price, permit, lease.cost)
        return tokens if tokens == NO_BOUND else tokens * BYTES_PER_TOKEN

    async def extend(self, permit: Permit, target: Target, generated: int) -> bool:
        """Reserves more for a stream that has used what was reserved.

        Args:
            permit: of the stream.
            target: that it comes from.
            generated: bytes of text so far.

        Returns:
            Whether what was generated is paid for, so that it may go on.
        """
        price, lease = self._price(permit, target), permit.lease
        if price is None or lease is None:
            return True
        tokens = -(-generated // BYTES_PER_TOKEN)
        more = max(EXTENSION_TOKENS, tokens // 2)
        wanted = price.estimate(permit.prompt, tokens + more, permit.amounts) - lease.cost
        if wanted > 0:
            await self._limiter.extend(lease, wanted)
        return self.room(permit, target) >= generated

    def bill(self, permit: Permit, target: Target, usage: Usage) -> int:
        """Works out what a call cost; returns what that is beyond its lease, to be covered."""
        price = self._prices.find(target.provider, target.model)
        if price is None:
            return 0
        cost = permit.cost = price.cost(usage, permit.amounts)
        lease = permit.lease
        if lease is None or not permit.key.purses or cost.billionths <= lease.cost:
            return 0
        return cost.billionths - lease.cost

    async def cover(self, permit: Permit, missing: int) -> None:
        """Reserves what a call cost beyond its lease, as far as there is money."""
        if permit.lease is not None:
            await self._limiter.extend(permit.lease, missing)

    def charge(self, permit: Permit, target: Target, usage: Usage) -> Charge:
        """What a call comes to by now: no more than its lease holds.

        Args:
            permit: of the call.
            target: that serves it.
            usage: so far; the same as in `bill`, if it got that far.
        """
        cost, lease = permit.cost, permit.lease
        if cost is None:
            price = self._prices.find(target.provider, target.model)
            if price is None:
                return Charge()
            cost = price.cost(usage, permit.amounts)
        charged = cost.billionths
        if lease is not None and permit.key.purses and charged > lease.cost:
            charged = lease.cost
        return Charge(charged, cost.billionths - charged, cost.prices)

    def settle(
        self, permit: Permit, target: Target | None, usage: Usage, streamed: int | None = None
    ) -> Charge:
        """Ends a call: charges it, and frees what it did not use, even if that fails.

        Args:
            permit: of the call.
            target: that served it, or None if none was reached.
            usage: of the whole call; the same as in `bill`, if it got that far.
            streamed: bytes of text of a stream; None for a whole response.
        """
        charge = Charge()
        try:
            if target:
                charge = self.charge(permit, target, usage)
        finally:
            if permit.lease is not None:
                taken = charge.charged if permit.key.purses else 0
                self._limiter.settle(permit.lease, usage.total_tokens, taken)
        if target and usage.completion_tokens and not usage.estimated:
            # A bound is of one choice, as it is reserved for each.
            tokens = usage.completion_tokens // (permit.choices or 1)
            unpaid = charge.uncharged > 0
            self._bounds.learn(permit.key.user_id, target, tokens, unpaid=unpaid)
            is_media = usage.audio_completion_tokens or usage.image_completion_tokens
            if streamed is not None and not is_media:  # of which no text shows
                shown = streamed // BYTES_PER_TOKEN
                self._bounds.compare(target, usage.completion_tokens, shown)
        return charge

    def add_prompts(self, charge: Charge, permit: Permit, targets: Sequence[Target]) -> Charge:
        """Adds the prompt cost of hedged attempts that were cancelled; recorded as `uncharged`."""
        used = permit.amounts.usage(permit.prompt)
        costs = [price.cost(used, permit.amounts) for price in self._prices_of(targets)]
        return charge._replace(uncharged=charge.uncharged + sum(cost.billionths for cost in costs))

    async def _reserve_for_guess(
        self, call: Call, permit: Permit, demand: Demand, unseen: Sequence[Target]
    ) -> Lease:
        """Reserves money for a response of unknown length.

        A stream reserves more as it goes, or is cut. What a whole response costs, or a stream
        that hides some, is known too late, so it holds a share of what is left, and is bounded by
        what it holds.

        Args:
            call: what the client asked for.
            permit: of the call.
            demand: what it needs, `most` being what targets that need a bound may come to.
            unseen: those.

        Raises:
            ApiError: as `admit`.
        """
        try:
            lease = await self._limiter.admit(demand)
        except LimiterAwayError:
            raise Refusal.limits_unavailable() from None
        except LimitReachedError as refusal:
            left = refusal.limit - refusal.used
            _, prices = self._priced(call.model, permit.targets)
            fewest = _dearest(prices, permit, self._bounds.least * permit.choices)
            if refusal.kind != MONEY or left < fewest:
                raise refusal_of(refusal, call, demand.purses) from None
            lease = await self._reserve(demand._replace(cost=left, most=0), call)
        if lease.cost < demand.most:
            permit.bounds = self._sent_bounds(call, permit, lease.cost, unseen)
        return lease

    def _sent_bounds(
        self, call: Call, permit: Permit, cost: int, targets: Sequence[Target]
    ) -> SentBounds:
        """What each of some targets may send for the money that is reserved."""
        bounds = {}
        for target in targets:
            price = self._prices.find(target.provider, target.model)
            if price is not None:
                tokens = max(1, _affordable(price, permit, cost) // permit.choices)
                if tokens < self._bounds.ceiling(target):
                    bounds[target] = tokens
        return SentBounds(KNOWN[call.endpoint], bounds, self._bounds)

    def _unseen(self, ask: Ask, targets: Sequence[Target]) -> Sequence[Target]:
        """The targets whose responses may cost more than is seen before they end."""
        if not ask.call.stream:
            return targets
        may_hide, reasons = self._bounds.may_hide, ask.reasons()
        return [target for target in targets if may_hide(target, reasons=reasons)]

    async def _reserve(self, demand: Demand, call: Call) -> Lease:
        try:
            return await self._limiter.admit(demand)
        except LimitReachedError as refusal:
            raise refusal_of(refusal, call, demand.purses) from None
        except LimiterAwayError:
            raise Refusal.limits_unavailable() from None

    def _priced(
        self, model: str, targets: Sequence[Target]
    ) -> tuple[Sequence[Target], Sequence[Price]]:
        """The targets that may serve a client that pays, and the prices of those that have one.

        Raises:
            ApiError: 403, none has a price.
        """
        priced, prices = [], []
        for target in targets:
            price = self._prices.find(target.provider, target.model)
            if price is not None:
                prices.append(price)
            elif self._refuse_unpriced:
                continue
            priced.append(target)
        if not priced:
            raise Refusal.model_not_priced(model=printable_name(model))
        return priced, prices

    def _prices_of(self, targets: Sequence[Target]) -> list[Price]:
        """The prices of those targets that have one."""
        prices = [self._prices.find(target.provider, target.model) for target in targets]
        return [price for price in prices if price is not None]

    def _price(self, permit: Permit, target: Target) -> Price | None:
        """What a call pays; None if it is not paid for."""
        return self._prices.find(target.provider, target.model) if permit.key.purses else None

    def _output_tokens(
        self, output: Output, key: Key, targets: Sequence[Target]
    ) -> tuple[int, bool]:
        """Tokens to reserve for the response, and whether the client itself set that bound."""
        if output.bound is not None:
            return output.bound * output.choices, True
        bound, payer = self._bounds.bound, key.user_id
        return max([bound(payer, target) for target in targets]) * output.choices, False


def _dearest(prices: Sequence[Price], permit: Permit, output: int) -> int:
    """What a response of so many tokens may cost at the dearest of some prices."""
    costs = [price.estimate(permit.prompt, output, permit.amounts) for price in prices]
    return max(costs, default=0)


def _affordable(price: Price, permit: Permit, cost: int) -> int:
    """The tokens of a response that a cost pays for, behind the call's prompt."""
    without = price.estimate(permit.prompt, 0, permit.amounts)
    million = price.estimate(permit.prompt, 1_000_000, permit.amounts) - without
    return max(0, (cost - without) * 1_000_000 // million) if million else NO_BOUND
