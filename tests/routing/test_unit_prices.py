"""Prices of what is not tokens."""

import json

import pytest

from tornado_router.config.options import ImagePrice, PriceOptions
from tornado_router.routing.prices import Price, check_prices
from tornado_router.usage import Amounts, Drawn, Usage

BILLION = 10**9

IMAGES = (
    ImagePrice(price=0.04),
    ImagePrice(price=0.08, quality="hd"),
    ImagePrice(price=0.12, size="1792x1024", quality="hd"),
    ImagePrice(price=0.06, size="1792x1024"),
)


@pytest.mark.parametrize(
    ("size", "quality", "dollars", "most"),
    [
        ("", "", 0.04, 0.12),
        ("auto", "auto", 0.04, 0.12),
        ("1024x1024", "standard", 0.04, 0.04),
        ("1024x1024", "auto", 0.04, 0.08),
        ("1024x1024", "hd", 0.08, 0.08),
        ("auto", "standard", 0.04, 0.06),
        ("1792x1024", "hd", 0.12, 0.12),
        ("1792x1024", "standard", 0.06, 0.06),
        ("1792x1024", "", 0.06, 0.12),
    ],
)
def test_an_image_costs_by_the_entry_that_says_most_about_it(size, quality, dollars, most):
    price = Price(PriceOptions(images=IMAGES))
    amounts = Amounts(images=2, size=size, quality=quality)
    assert price.cost(Usage(images=2), amounts).billionths == int(2 * dollars * BILLION)
    assert price.estimate(0, 0, amounts) == int(2 * most * BILLION)


def test_what_the_vendor_chooses_costs_no_more_than_was_held():
    price = Price(
        PriceOptions(images=[ImagePrice(price=0.02, size="512x512", quality="low"), *IMAGES[1:3]])
    )
    for size in ("", "auto", "512x512", "1792x1024"):
        for quality in ("", "auto", "low", "hd"):
            asked = Amounts(images=1, size=size, quality=quality)
            held = price.estimate(0, 0, asked)
            for drawn_size in ("512x512", "1792x1024", "9x9") if size in ("", "auto") else ("",):
                for drawn_quality in ("low", "hd", "x") if quality in ("", "auto") else ("",):
                    made = asked.made(Drawn(drawn_size, drawn_quality))
                    assert price.cost(Usage(images=1), made).billionths <= held, (asked, made)


def test_an_image_that_no_entry_is_for_costs_as_the_dearest():
    price = Price(PriceOptions(images=IMAGES[1:3]))
    assert price.cost(Usage(images=1), Amounts(size="auto")).billionths == 120_000_000


def test_audio_by_the_minute_is_paid_to_the_second():
    price = Price(PriceOptions(minute=0.006))
    assert price.cost(Usage(seconds=90.5)).billionths == 9_050_000


def test_characters_and_searches():
    price = Price(PriceOptions(million_characters=15.0, thousand_searches=2.0))
    assert price.cost(Usage(characters=40)).billionths == 600_000
    assert price.cost(Usage(searches=3)).billionths == 6_000_000


def test_the_prices_that_were_used_are_told():
    price = Price(PriceOptions(input=1.0, image_output=40.0, minute=0.006, images=IMAGES[2:]))
    shown = json.loads(price.prices)
    assert (shown["image_output"], shown["minute"]) == ("40", "0.006")
    assert shown["images"][0] == {"size": "1792x1024", "quality": "hd", "price": "0.12"}
    assert "audio_input" not in shown


def test_a_price_of_anything_is_enough_and_minutes_stand_instead_of_seconds():
    tables = {
        "fine": PriceOptions(million_characters=15.0),
        "none": PriceOptions(),
        "both": PriceOptions(second=0.1, minute=6.0),
    }
    faults = {fault.where: fault.message for fault in check_prices(tables, {})}
    assert faults == {
        "prices.none": "lacks 'input', or 'price_as'",
        "prices.both.minute": "stands instead of 'second', not beside it",
    }
