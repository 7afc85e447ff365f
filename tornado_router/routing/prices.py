"""What calls cost: the price of each target, and the exact cost of a usage by it.

Prices are decimal US dollars; a cost is whole billionths of one, rounded once, at the end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import NamedTuple

import orjson

from tornado_router.config import check
from tornado_router.config.options import PriceOptions, PriceTier, PricingOptions
from tornado_router.errors import Fault
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.routing.package_prices import Source, from_package
from tornado_router.routing.pattern_table import PatternTable, is_pattern
from tornado_router.routing.routes import KNOWN_TARGETS
from tornado_router.routing.unit_prices import UNITS, UnitPrices
from tornado_router.storage.values import BILLION, dollar_text
from tornado_router.usage import NO_AMOUNTS, NO_RARE, Amounts, Usage, rare

MILLION = 1_000_000
_MEDIA = ("audio_input", "audio_output", "image_input", "image_output")
"""The options that are prices of tokens of media."""

PER_TOKEN = BILLION / MILLION
"""Billionths of a dollar for a token, of dollars for a million tokens."""


class Cost(NamedTuple):
    """What a call costs.

    Attributes:
        billionths: of a US dollar.
        prices: JSON object of the prices that were used.
    """

    billionths: int
    prices: str


@dataclass(frozen=True, slots=True)
class Rate:
    """Billionths of a dollar for one token of each kind, and the prices as JSON.

    `most_input` and `most_output` are for a million tokens of the dearest kind, by this rate or by
    one of a shorter prompt, in whole numbers; the others with `most` are so with media, too.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal
    cache_write: Decimal
    reasoning: Decimal
    audio_input: Decimal
    audio_output: Decimal
    image_input: Decimal
    image_output: Decimal
    prices: str
    most_input: int
    most_output: int
    most_media_input: int
    most_media_output: int


class Price:
    """The price of one target.

    Args:
        options: the `[prices."MODEL"]` table.
    """

    __slots__ = ("_base", "_batch", "_last", "_most_request", "_tiers", "_units")

    def __init__(self, options: PriceOptions) -> None:
        self._batch = _decimal(options.batch)
        self._units = UnitPrices(options)
        self._most_request = math.ceil(self._units.request)
        rate = self._base = _rate(options, self._units)
        self._last: tuple[Usage, Amounts, Cost] | None = None
        self._tiers: list[tuple[int, Rate]] = []
        for tier in sorted(options.tiers, key=lambda tier: tier.above):
            rate = _rate(options, self._units, tier, shorter=rate)
            self._tiers.append((tier.above, rate))

    @property
    def prices(self) -> str:
        """JSON object of its prices, those of short prompts where there are tiers."""
        return self._base.prices

    def cost(self, usage: Usage, amounts: Amounts = NO_AMOUNTS) -> Cost:
        """What a call cost.

        Args:
            usage: of the call.
            amounts: what it asked for.
        """
        last = self._last
        if last is not None and last[0] is usage and last[1] is amounts:
            return last[2]  # each call asks twice: what to charge, and what to say in a header
        cost = self._cost(usage, amounts)
        self._last = usage, amounts, cost
        return cost

    def _cost(self, usage: Usage, amounts: Amounts) -> Cost:
        rate = self._rate(usage.prompt_tokens) if self._tiers else self._base
        total = (usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens) * rate.input
        total += (usage.completion_tokens - usage.reasoning_tokens) * rate.output
        if usage.cached_tokens:
            total += usage.cached_tokens * rate.cached_input
        if usage.cache_write_tokens:
            total += usage.cache_write_tokens * rate.cache_write
        if usage.reasoning_tokens:
            total += usage.reasoning_tokens * rate.reasoning
        if rare(usage) != NO_RARE:
            total += usage.audio_prompt_tokens * (rate.audio_input - rate.input)
            total += usage.audio_completion_tokens * (rate.audio_output - rate.output)
            total += usage.image_prompt_tokens * (rate.image_input - rate.input)
            total += usage.image_completion_tokens * (rate.image_output - rate.output)
            total += self._units.cost(usage, amounts)
        total += self._units.request
        if amounts.seen:
            total += amounts.seen * self._units.seen
        return Cost(int(total.to_integral_value(ROUND_HALF_UP)), rate.prices)

    def estimate(self, prompt: int, completion: int, amounts: Amounts = NO_AMOUNTS) -> int:
        """The most that a call of at most so many tokens may cost, in billionths of a dollar."""
        rate = self._rate(prompt) if self._tiers else self._base
        if amounts is NO_AMOUNTS:
            most = prompt * rate.most_input + completion * rate.most_output
            return -(-most // MILLION) + self._most_request
        if amounts.has_media:
            most = prompt * rate.most_media_input + completion * rate.most_media_output
        else:
            most = prompt * rate.most_input + completion * rate.most_output
        return -(-most // MILLION) + self._units.most(amounts)

    def in_batch(self, billionths: int) -> Cost:
        """What calls cost in a batch that would cost so much by themselves."""
        cost = int((billionths * self._batch).to_integral_value(ROUND_HALF_UP))
        shown = {**orjson.loads(self.prices), "batch": str(self._batch)}
        return Cost(cost, orjson.dumps(shown).decode())

    def _rate(self, prompt: int) -> Rate:
        for above, rate in reversed(self._tiers):
            if prompt > above:
                return rate
        return self._base


class Found(NamedTuple):
    """The price of a target.

    Attributes:
        price: or None if it has none.
        source: where it is from, for an operator; empty without a price.
    """

    price: Price | None = None
    source: str = ""


class _Table(NamedTuple):
    """A `[prices."MODEL"]` table."""

    price: Price | None
    price_as: str
    source: str


class Prices:
    """The prices of a deployment: those of router.toml, then those of `genai-prices`.

    Args:
        tables: the `[prices."MODEL"]` tables.
        options: `[pricing]`.
        providers: every configured provider, by name.
    """

    def __init__(
        self,
        tables: Mapping[str, PriceOptions],
        options: PricingOptions,
        providers: Mapping[str, ConfiguredProvider],
    ) -> None:
        entries = {key: _table(key, table) for key, table in tables.items()}
        # A name with its provider goes before a bare one.
        self._whole = PatternTable({key: entries[key] for key in entries if "/" in key})
        self._bare = PatternTable({key: entries[key] for key in entries if "/" not in key})
        self._sources = {name: Source.of(item) for name, item in providers.items()}
        self._use_package = options.price_package
        self._default = Found()
        if options.unpriced == "default":
            price = Price(PriceOptions(input=options.default_input, output=options.default_output))
            self._default = Found(price, "default")
        self._known = lru_cache(KNOWN_TARGETS)(self._find)
        for item in providers.values():  # so that no call has to wait until the package is loaded
            for model in item.common.models:
                if not is_pattern(model):
                    self.find(item.name, model)

    def find(self, provider: str, model: str) -> Price | None:
        """The price of a provider's model, or None if it has none."""
        return self._known(provider, model)

    def look_up(self, provider: str, model: str) -> Found:
        """The same with its source, each time anew: for the operator, not for calls."""
        table = self._table(provider, model)
        if table and table.price:
            return Found(table.price, table.source)
        if table:
            price = self.price_as(table.price_as, model)
            return Found(price, f"as {table.price_as}") if price else self._default
        source = self._sources.get(provider)
        price = self._from_package(source, model) if source else None
        return Found(price, "genai-prices") if price else self._default

    def without_base_url(self, provider: str, model: str) -> Price | None:
        """The price that a model would have at its vendor's own address."""
        source = self._sources.get(provider)
        return self._from_package(Source(source.type), model) if source else None

    def price_as(self, price_as: str, model: str = "") -> Price | None:
        """The price of another model: one of a table, or the vendor's own.

        Args:
            price_as: its name, as in the option.
            model: what a `*` in it stands for.
        """
        provider, _, name = price_as.replace("*", model).partition("/")
        table = self._table(provider, name)
        if table and table.price:
            return table.price
        source = self._sources.get(provider, Source(provider))
        return self._from_package(Source(source.type), name)

    def _find(self, provider: str, model: str) -> Price | None:
        return self.look_up(provider, model).price

    def _table(self, provider: str, model: str) -> _Table | None:
        whole = f"{provider}/{model}"
        return self._whole.find(whole, model) or self._bare.find(whole, model)

    def _from_package(self, source: Source, model: str) -> Price | None:
        options = from_package(source, model) if self._use_package else None
        return Price(options) if options else None


def _table(key: str, table: PriceOptions) -> _Table:
    price = None if table.price_as else Price(table)
    return _Table(price, table.price_as, check.table_header("prices", key))


def check_prices(
    tables: Mapping[str, PriceOptions], providers: Mapping[str, ConfiguredProvider]
) -> Iterator[Fault]:
    """What is wrong with the prices: providers that are not there, tiers that say the same twice.

    Args:
        tables: the `[prices."MODEL"]` tables.
        providers: every configured provider, by name.
    """
    for key, table in tables.items():
        where = check.dotted(("prices", key))
        provider, slash, _ = key.partition("/")
        # The name of a model may hold a slash, too, but then a provider has to offer it.
        offered = any(key in item.common.models for item in providers.values())
        if slash and not offered and not is_pattern(provider) and provider not in providers:
            hint = check.meant(provider, providers)
            yield Fault(where, f"there is no provider '{provider}'{hint}")
        if table.price_as:
            yield from _check_price_as(where, table)
        elif table.input is None and not any(getattr(table, name) for name in (*UNITS, "images")):
            yield Fault(where, "lacks 'input', or 'price_as'")
        if table.second and table.minute:
            yield Fault(f"{where}.minute", "stands instead of 'second', not beside it")
        bounds = [tier.above for tier in table.tiers]
        if bounds != sorted(set(bounds)):
            yield Fault(f"{where}.tiers", "must begin above ever more tokens")


def _check_price_as(where: str, table: PriceOptions) -> Iterator[Fault]:
    vendor, _, model = table.price_as.partition("/")
    if not vendor or not model:
        yield Fault(f"{where}.price_as", f"must be 'vendor/model', not {table.price_as!r}")
    if table != PriceOptions(price_as=table.price_as):
        yield Fault(f"{where}.price_as", "stands alone: the other prices are that model's, too")


def _decimal(number: float) -> Decimal:
    """The number as it was written: 0.1 is a tenth."""
    return Decimal(str(number))


def _rate(
    options: PriceOptions,
    units: UnitPrices,
    tier: PriceTier | None = None,
    shorter: Rate | None = None,
) -> Rate:
    def price(name: str, otherwise: str) -> Decimal:
        for source in (tier, options):
            value = getattr(source, name, None)
            if value is not None:
                return _decimal(value)
        # What has no price of its own costs as much as its kind, by the tier's price for that.
        return price(otherwise, otherwise) if name != otherwise else Decimal(0)

    prices = {
        "input": price("input", "input"),
        "output": price("output", "output"),
        "cached_input": price("cached_input", "input"),
        "cache_write": price("cache_write", "input"),
        "reasoning": price("reasoning", "output"),
    }
    shown = {name: dollar_text(value) for name, value in prices.items()}
    media = {name: price(name, name.rpartition("_")[2]) for name in _MEDIA}
    shown |= {name: dollar_text(media[name]) for name in _MEDIA if getattr(options, name)}

    def most(field: str, *names: str) -> int:
        dearest = max((prices | media)[name] for name in names)
        return max(math.ceil(dearest * BILLION), getattr(shorter, field, 0))

    given, made = ("input", "cached_input", "cache_write"), ("output", "reasoning")
    return Rate(
        **{name: value * PER_TOKEN for name, value in (prices | media).items()},
        prices=orjson.dumps({**shown, **units.shown}).decode(),
        most_input=most("most_input", *given),
        most_output=most("most_output", *made),
        most_media_input=most("most_media_input", *given, "audio_input", "image_input"),
        most_media_output=most("most_media_output", *made, "audio_output", "image_output"),
    )
