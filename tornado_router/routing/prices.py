"""What calls cost: the price of each target, and the exact cost of a usage by it.

Prices are decimal US dollars; a cost is whole billionths of one, rounded once, at the end.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from tornado_router.config import check
from tornado_router.config.options import PriceOptions, PriceTier, PricingOptions
from tornado_router.errors import Fault
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.routing.pattern_table import PatternTable, is_pattern
from tornado_router.routing.routes import KNOWN_TARGETS
from tornado_router.storage.values import BILLION, dollar_text
from tornado_router.usage import Usage

MILLION = 1_000_000
PER_TOKEN = BILLION / MILLION
"""Billionths of a dollar for a token, of dollars for a million tokens."""

PACKAGE_PROVIDERS = {"xai": "x-ai"}
"""What genai-prices calls a vendor, where our plugins' types say it otherwise."""


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
    one of a shorter prompt, in whole numbers.
    """

    input: Decimal
    output: Decimal
    cached_input: Decimal
    cache_write: Decimal
    reasoning: Decimal
    prices: str
    most_input: int
    most_output: int


class Price:
    """The price of one target.

    Args:
        options: the `[prices."MODEL"]` table.
    """

    __slots__ = (
        "_base",
        "_image",
        "_most_image",
        "_most_request",
        "_request",
        "_second",
        "_tiers",
    )

    def __init__(self, options: PriceOptions) -> None:
        self._request = _decimal(options.request) * BILLION
        self._image = _decimal(options.image) * BILLION
        self._second = _decimal(options.second) * BILLION
        self._most_request = math.ceil(self._request)
        self._most_image = math.ceil(self._image)
        rate = self._base = _rate(options)
        self._tiers: list[tuple[int, Rate]] = []
        for tier in sorted(options.tiers, key=lambda tier: tier.above):
            rate = _rate(options, tier, shorter=rate)
            self._tiers.append((tier.above, rate))

    def cost(self, usage: Usage, images: int = 0) -> Cost:
        """What a call cost.

        Args:
            usage: of the call.
            images: in its prompt.
        """
        rate = self._rate(usage.prompt_tokens) if self._tiers else self._base
        total = (usage.prompt_tokens - usage.cached_tokens - usage.cache_write_tokens) * rate.input
        total += (usage.completion_tokens - usage.reasoning_tokens) * rate.output
        if usage.cached_tokens:
            total += usage.cached_tokens * rate.cached_input
        if usage.cache_write_tokens:
            total += usage.cache_write_tokens * rate.cache_write
        if usage.reasoning_tokens:
            total += usage.reasoning_tokens * rate.reasoning
        if usage.seconds:
            total += _decimal(usage.seconds) * self._second
        total += self._request
        if images:
            total += images * self._image
        return Cost(int(total.to_integral_value(ROUND_HALF_UP)), rate.prices)

    def estimate(self, prompt: int, completion: int, images: int = 0) -> int:
        """The most that a call of at most so many tokens may cost, in billionths of a dollar.

        Seconds are not in it: they are known only when the call has ended.
        """
        rate = self._rate(prompt) if self._tiers else self._base
        most = prompt * rate.most_input + completion * rate.most_output
        most = -(-most // MILLION) + self._most_request
        return most + images * self._most_image if images else most

    def _rate(self, prompt: int) -> Rate:
        for above, rate in reversed(self._tiers):
            if prompt > above:
                return rate
        return self._base


class _Source(NamedTuple):
    """Where a provider's models come from, for `genai-prices`."""

    type: str
    base_url: str | None


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
        prices = {key: Price(table) for key, table in tables.items()}
        # A name with its provider goes before a bare one.
        self._whole = PatternTable({key: prices[key] for key in prices if "/" in key})
        self._bare = PatternTable({key: prices[key] for key in prices if "/" not in key})
        self._sources = {name: _source(item) for name, item in providers.items()}
        self._use_package = options.price_package
        self._default: Price | None = None
        if options.unpriced == "default":
            self._default = Price(
                PriceOptions(input=options.default_input, output=options.default_output)
            )
        self._known = lru_cache(KNOWN_TARGETS)(self._find)
        for item in providers.values():  # so that no call has to wait until the package is loaded
            for model in item.common.models:
                if not is_pattern(model):
                    self.find(item.name, model)

    def find(self, provider: str, model: str) -> Price | None:
        """The price of a provider's model, or None if it has none."""
        return self._known(provider, model)

    def _find(self, provider: str, model: str) -> Price | None:
        whole = f"{provider}/{model}"
        price = self._whole.find(whole, model) or self._bare.find(whole, model)
        if price:
            return price
        source = self._sources.get(provider)
        if self._use_package and source:
            options = _from_package(source, model)
            if options:
                return Price(options)
        return self._default


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
        bounds = [tier.above for tier in table.tiers]
        if bounds != sorted(set(bounds)):
            yield Fault(f"{where}.tiers", "must begin above ever more tokens")


def _decimal(number: float) -> Decimal:
    """The number as it was written: 0.1 is a tenth."""
    return Decimal(str(number))


def _rate(
    options: PriceOptions, tier: PriceTier | None = None, shorter: Rate | None = None
) -> Rate:
    def price(name: str, otherwise: str) -> Decimal:
        for source in (tier, options):
            value = getattr(source, name, None)
            if value is not None:
                return _decimal(value)
        # What has no price of its own costs as much as its kind, by the tier's price for that.
        return price(otherwise, otherwise)

    prices = {
        "input": price("input", "input"),
        "output": price("output", "output"),
        "cached_input": price("cached_input", "input"),
        "cache_write": price("cache_write", "input"),
        "reasoning": price("reasoning", "output"),
    }
    shown = {name: dollar_text(value) for name, value in prices.items()}
    for name in ("request", "image", "second"):
        if getattr(options, name):
            shown[name] = dollar_text(_decimal(getattr(options, name)))
    dearest_input = max(prices["input"], prices["cached_input"], prices["cache_write"])
    most_input = math.ceil(dearest_input * BILLION)
    most_output = math.ceil(max(prices["output"], prices["reasoning"]) * BILLION)
    if shorter:
        most_input = max(most_input, shorter.most_input)
        most_output = max(most_output, shorter.most_output)
    return Rate(
        **{name: value * PER_TOKEN for name, value in prices.items()},
        prices=orjson.dumps(shown).decode(),
        most_input=most_input,
        most_output=most_output,
    )


def _source(item: ConfiguredProvider) -> _Source:
    base_url = item.provider.options.get("base_url") if item.provider else None
    return _Source(item.common.type, base_url if isinstance(base_url, str) else None)


def _from_package(source: _Source, model: str) -> PriceOptions | None:
    """The price that the package knows. It says nothing, 0, of what it cannot say: that is none."""
    try:  # 13 MB, which a router that prices all its models itself has no use for
        from genai_prices import data_snapshot  # noqa: PLC0415
    except ImportError:
        return None
    snapshot = data_snapshot.get_snapshot()  # in the package: nothing is fetched
    vendor = None if source.base_url else PACKAGE_PROVIDERS.get(source.type, source.type)
    try:
        _, found = snapshot.find_provider_model(model, None, vendor, source.base_url)
    except LookupError:
        return None
    prices = found.get_prices(datetime.datetime.now(datetime.UTC))
    names = {
        "input": "input_mtok",
        "output": "output_mtok",
        "cached_input": "cache_read_mtok",
        "cache_write": "cache_write_mtok",
    }
    known: dict[str, Any] = {ours: getattr(prices, theirs, None) for ours, theirs in names.items()}
    known = {name: value for name, value in known.items() if value is not None}
    base = {name: float(getattr(value, "base", value)) for name, value in known.items()}
    tiers: dict[int, dict[str, Any]] = {}
    for name, value in known.items():
        for tier in getattr(value, "tiers", ()):
            tiers.setdefault(tier.start, {})[name] = float(tier.price)
    if not any(base.values()) or "input" not in base:
        return None
    return PriceOptions(
        **base,
        tiers=tuple(PriceTier(above=start, **rates) for start, rates in sorted(tiers.items())),
    )
