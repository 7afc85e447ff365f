"""What calls cost beside their tokens: for each call, image, second, character and search."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tornado_router.config.options import ImagePrice, PriceOptions
from tornado_router.storage.values import BILLION, dollar_text
from tornado_router.usage import Amounts, Usage

UNITS = ("request", "image", "second", "minute", "million_characters", "thousand_searches")
"""The options that are prices of units, with a number each; `images` is a list of them."""

_OPEN = ("", "auto")
"""Of a size or a quality: what leaves it to the vendor."""

_MINUTE = 60
_THOUSAND = 1000
_MILLION = 1_000_000


class UnitPrices:
    """The prices of one model beside those of tokens, in billionths of a US dollar.

    Args:
        options: the `[prices."MODEL"]` table.

    Attributes:
        request: for each call.
        seen: for each image in a prompt.
        shown: those that are set, as JSON has them.
    """

    __slots__ = ("_character", "_images", "_search", "_second", "request", "seen", "shown")

    def __init__(self, options: PriceOptions) -> None:
        self.request = _decimal(options.request) * BILLION
        self.seen = _decimal(options.image) * BILLION
        minutes = _decimal(options.minute) * BILLION / _MINUTE
        self._second = _decimal(options.second) * BILLION + minutes
        self._character = _decimal(options.million_characters) * BILLION / _MILLION
        self._search = _decimal(options.thousand_searches) * BILLION / _THOUSAND
        self._images = [(item, _decimal(item.price) * BILLION) for item in options.images]
        shown: dict[str, Any] = {
            name: dollar_text(_decimal(getattr(options, name)))
            for name in UNITS
            if getattr(options, name)
        }
        if options.images:
            shown["images"] = [_shown(item) for item in options.images]
        self.shown: Mapping[str, Any] = shown

    def cost(self, usage: Usage, amounts: Amounts) -> Decimal:
        """What a usage costs beside its tokens, the call itself and the images that were seen."""
        total = _decimal(usage.seconds) * self._second
        total += usage.characters * self._character + usage.searches * self._search
        return total + usage.images * self._image(amounts)

    def most(self, amounts: Amounts) -> int:
        """The most that a call may cost beside its tokens, in whole billionths."""
        total = self.request + amounts.seen * self.seen
        total += _decimal(amounts.seconds) * self._second
        total += amounts.characters * self._character + amounts.searches * self._search
        return math.ceil(total + amounts.images * self._dearest(amounts))

    def _dearest(self, amounts: Amounts) -> Decimal:
        """The most that one image may cost: the vendor chooses what the request leaves open."""
        sizes, qualities = (_may_be(asked) for asked in (amounts.size, amounts.quality))
        fitting = [
            price
            for item, price in self._images
            if (sizes is None or item.size in sizes)
            and (qualities is None or item.quality in qualities)
        ]
        return max(*fitting, self._image(amounts), Decimal(0))

    def _image(self, amounts: Amounts) -> Decimal:
        """For one image that is made: by the entry that says most about it.

        Where none is for such an image, it costs as the dearest: nothing is free by accident.
        """
        fitting = [
            (bool(item.size) + bool(item.quality), price)
            for item, price in self._images
            if item.size in ("", amounts.size) and item.quality in ("", amounts.quality)
        ]
        if fitting:
            return max(fitting)[1]
        return max((price for _, price in self._images), default=Decimal(0))


def _may_be(asked: str) -> tuple[str, str] | None:
    """What an entry may say so that it fits; None for anything."""
    return None if asked in _OPEN else ("", asked)


def _decimal(number: float) -> Decimal:
    """The number as it was written: 0.1 is a tenth."""
    return Decimal(str(number))


def _shown(item: ImagePrice) -> dict[str, str]:
    named = {"size": item.size, "quality": item.quality}
    kept = {name: value for name, value in named.items() if value}
    return {**kept, "price": dollar_text(_decimal(item.price))}
