"""The prices that the package `genai-prices` knows. It is optional, and fetches nothing."""

from __future__ import annotations

import datetime
from dataclasses import fields
from typing import Any, NamedTuple

from tornado_router.config.options import PriceOptions, PriceTier
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.routing.price_list import UnreadableError, find_prices

PACKAGE_PROVIDERS = {"xai": "x-ai"}
"""What genai-prices calls a vendor, where our plugins' types say it otherwise."""


_TIERED = frozenset(item.name for item in fields(PriceTier))


class Source(NamedTuple):
    """Where a provider's models come from.

    Attributes:
        type: of the provider, or the vendor's name in the package.
        base_url: where it is not the vendor's own address.
    """

    type: str
    base_url: str | None = None

    @classmethod
    def of(cls, item: ConfiguredProvider) -> Source:
        """Of a provider."""
        base_url = item.provider.options.get("base_url") if item.provider else None
        return cls(item.common.type, base_url if isinstance(base_url, str) else None)


def from_package(source: Source, model: str) -> PriceOptions | None:
    """The price that the package knows. It says nothing, 0, of what it cannot say: that is none."""
    vendor = None if source.base_url else PACKAGE_PROVIDERS.get(source.type, source.type)
    try:
        prices: Any = find_prices(model, vendor, source.base_url)
    except UnreadableError:
        prices = _from_its_code(model, vendor, source.base_url)
    if prices is None:
        return None
    names = {
        "input": "input_mtok",
        "output": "output_mtok",
        "cached_input": "cache_read_mtok",
        "cache_write": "cache_write_mtok",
        "reasoning": "output_reasoning_mtok",
        "audio_input": "input_audio_mtok",
        "audio_output": "output_audio_mtok",
        "image_input": "input_image_mtok",
        "image_output": "output_image_mtok",
        "request": "requests_kcount",
        "second": "input_audio_hours",
        "million_characters": "input_mchars",
        "thousand_searches": "rerank_searches_kcount",
    }
    per = {"request": 1000, "second": 3600}
    known: dict[str, Any] = {ours: getattr(prices, theirs, None) for ours, theirs in names.items()}
    known["second"] = known["second"] or getattr(prices, "audio_hours", None)
    known = {name: value for name, value in known.items() if value is not None}
    base = {
        name: float(getattr(value, "base", value) / per.get(name, 1))
        for name, value in known.items()
    }
    tiers: dict[int, dict[str, Any]] = {}
    for name, value in known.items():
        for tier in getattr(value, "tiers", ()):
            if name in _TIERED:
                tiers.setdefault(tier.start, {})[name] = float(tier.price)
    if not any(base.values()):
        return None
    return PriceOptions(
        **base,  # type: ignore[arg-type]
        tiers=tuple(PriceTier(above=start, **rates) for start, rates in sorted(tiers.items())),
    )


def _from_its_code(model: str, vendor: str | None, base_url: str | None) -> Any:
    """The same by the package's own code, which takes ten times as long to load."""
    try:
        from genai_prices import data_snapshot  # noqa: PLC0415
    except ImportError:
        return None
    snapshot = data_snapshot.get_snapshot()  # in the package: nothing is fetched
    try:
        _, found = snapshot.find_provider_model(model, None, vendor, base_url)
    except LookupError:
        return None
    return found.get_prices(datetime.datetime.now(datetime.UTC))
