"""What the price list of `genai-prices` is made of: of each type, what finds a price.

They are plain, since there are thousands of each. A field that is not named here cannot be read.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from decimal import Decimal

__all__ = [
    "ArrayMatch",
    "ClauseAnd",
    "ClauseContains",
    "ClauseEndsWith",
    "ClauseEquals",
    "ClauseOr",
    "ClauseRegex",
    "ClauseStartsWith",
    "ConditionalPrice",
    "ModelInfo",
    "ModelPrice",
    "PriceVariant",
    "Provider",
    "StartDateConstraint",
    "Tier",
    "TieredPrices",
    "TimeOfDateConstraint",
    "UsageExtractor",
    "UsageExtractorMapping",
]

Match = Callable[[str], bool]
"""Whether a name in lower case is meant."""

Holds = Callable[[datetime.datetime], bool]
"""Whether something is so at a time, which is of UTC."""


class Provider:
    """A vendor and its models."""

    def __init__(
        self,
        *,
        id: str,
        api_pattern: str,
        models: list[ModelInfo],
        provider_match: Match | None = None,
        fallback_model_providers: list[str] | None = None,
        name: object = None,
        pricing_urls: object = None,
        description: object = None,
        price_comments: object = None,
        model_match: object = None,
        extractors: object = None,
    ) -> None:
        self.id = id
        self.api_pattern = api_pattern
        self.models = models
        self.provider_match = provider_match
        self.fallback_model_providers = fallback_model_providers


class ModelInfo:
    """A model and its prices."""

    def __init__(
        self,
        *,
        match: Match,
        prices: ModelPrice | list[ConditionalPrice],
        id: object,
        name: object = None,
        description: object = None,
        context_window: object = None,
        price_comments: object = None,
        deprecated: object = None,
        price_variants: object = None,
    ) -> None:
        self.match = match
        self._prices = prices

    def prices_at(self, moment: datetime.datetime) -> ModelPrice:
        """Its prices at a moment: the last that hold, or else the first."""
        prices = self._prices
        if isinstance(prices, ModelPrice):
            return prices
        for item in reversed(prices):
            if item.constraint is None or item.constraint(moment):
                return item.prices
        return prices[0].prices


class ModelPrice:
    """Prices, each by the package's name for it."""

    def __init__(self, **prices: Decimal | TieredPrices | None) -> None:
        self.__dict__ = prices


class TieredPrices:
    """A price that differs for long prompts."""

    def __init__(self, *, base: Decimal, tiers: list[Tier]) -> None:
        self.base = base
        self.tiers = sorted(tiers, key=lambda tier: tier.start)


class Tier:
    """The price of prompts of more than `start` tokens."""

    def __init__(self, *, start: int, price: Decimal) -> None:
        self.start = start
        self.price = price


class ConditionalPrice:
    """Prices that hold at some times."""

    def __init__(self, *, prices: ModelPrice, constraint: Holds | None = None) -> None:
        self.prices = prices
        self.constraint = constraint


def StartDateConstraint(*, start_date: datetime.date) -> Holds:  # noqa: N802
    """From a day on."""
    return lambda moment: moment.date() >= start_date


def TimeOfDateConstraint(  # noqa: N802
    *, start_time: datetime.time, end_time: datetime.time
) -> Holds:
    """A part of each day, which may be around midnight."""
    start, end = _of_utc(start_time), _of_utc(end_time)
    if end < start:
        return lambda moment: not end <= moment.timetz() < start
    return lambda moment: start <= moment.timetz() < end


def _of_utc(value: datetime.time) -> datetime.time:
    if value.tzinfo is None:
        return value.replace(tzinfo=datetime.UTC)
    moment = datetime.datetime.combine(datetime.date(1970, 1, 1), value)
    return moment.astimezone(datetime.UTC).timetz()


def ClauseStartsWith(*, starts_with: str) -> Match:  # noqa: N802
    """By the beginning."""
    wanted = starts_with.lower()
    return lambda name: name.startswith(wanted)


def ClauseEndsWith(*, ends_with: str) -> Match:  # noqa: N802
    """By the end."""
    wanted = ends_with.lower()
    return lambda name: name.endswith(wanted)


def ClauseContains(*, contains: str) -> Match:  # noqa: N802
    """By a part."""
    wanted = contains.lower()
    return lambda name: wanted in name


def ClauseRegex(*, regex: str) -> Match:  # noqa: N802
    """By a regular expression."""
    return lambda name: re.search(regex, name) is not None


def ClauseEquals(*, equals: str) -> Match:  # noqa: N802
    """By the whole name."""
    wanted = equals.lower()
    return lambda name: name == wanted


def ClauseOr(*, or_: list[Match]) -> Match:  # noqa: N802
    """By any of several."""
    return lambda name: any(match(name) for match in or_)


def ClauseAnd(*, and_: list[Match]) -> Match:  # noqa: N802
    """By all of several."""
    return lambda name: all(match(name) for match in and_)


def _nothing(**_: object) -> None:
    """Of usage and of prices on demand, which find no price."""


ArrayMatch = PriceVariant = UsageExtractor = UsageExtractorMapping = _nothing
