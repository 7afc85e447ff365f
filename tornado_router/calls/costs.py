"""What a call costs, as its client learns it: in a header, or in the usage of a stream.

A model without a price costs nothing that is known, so nothing is said: 0 would be a promise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal

from tornado_router.calls.account import CallAccount
from tornado_router.endpoints.base import StreamEncoder
from tornado_router.routing.prices import Prices
from tornado_router.storage.values import dollar_text, from_billionths
from tornado_router.usage import Drawn, Usage

COST_HEADER = "x-router-cost"
"""Of a response: US dollars. Of a request: `true` for the cost in the usage of a stream."""


class Costs:
    """Works out the cost of one call.

    Args:
        prices: of every target.
        account: of the call.
    """

    __slots__ = ("_account", "_prices")

    def __init__(self, prices: Prices, account: CallAccount) -> None:
        self._prices = prices
        self._account = account

    def dollars(self, usage: Usage) -> Decimal | None:
        """What the call costs if it comes to a usage; None without a price.

        It is what its record says, charged and uncharged together, without hedged attempts.
        """
        permit, target = self._account.permit, self._account.attempts.target
        if permit is None or target is None:
            return None
        price = self._prices.find(target.provider, target.model)
        return from_billionths(price.cost(usage, permit.amounts).billionths) if price else None

    def images_are(self, drawn: Drawn) -> None:
        """The response says what its images are: they cost as such, and not as they were asked."""
        permit = self._account.permit
        if permit is not None:
            permit.amounts = permit.amounts.made(drawn)

    @contextmanager
    def followed(self, encoder: StreamEncoder) -> Iterator[None]:
        """A stream says what its images are, and what it costs if its client wants to know.

        Until its end: the account knows the encoder, so there would be a circle behind that.
        """
        encoder.tell = self.images_are
        if self._account.envelope.headers.get(COST_HEADER) == "true":
            encoder.cost = self.number
        try:
            yield
        finally:
            encoder.cost = encoder.tell = None

    def headers(self, usage: Usage) -> Mapping[str, str]:
        """The header of a whole response; none without a price."""
        dollars = self.dollars(usage)
        return {} if dollars is None else {COST_HEADER: dollar_text(dollars)}

    def number(self, usage: Usage) -> float | None:
        """`cost` in a usage object: a number, as OpenRouter has it."""
        dollars = self.dollars(usage)
        return None if dollars is None else float(dollars)
