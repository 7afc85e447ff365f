"""What clients are told of the cost of a call: the header, and the usage of streams."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from tornado_router.calls.costs import Costs
from tornado_router.config.options import PriceOptions, PricingOptions
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Target
from tornado_router.usage import NO_AMOUNTS, Usage

USED = Usage(11, 7)


def costs(target="p/m", permit=True):
    tables = {"p/m": PriceOptions(input=1.0, output=2.0), "p/free": PriceOptions(input=0, output=0)}
    prices = Prices(tables, PricingOptions(price_package=False), {})
    target = Target(*target.split("/")) if target else None
    account = SimpleNamespace(
        permit=SimpleNamespace(amounts=NO_AMOUNTS) if permit else None,
        attempts=SimpleNamespace(target=target),
    )
    return Costs(prices, account)


def test_the_header_is_exact():
    assert costs().headers(USED) == {"x-router-cost": "0.000025"}
    assert costs().dollars(USED) == Decimal("0.000025")
    assert costs().number(USED) == 0.000025


def test_what_is_free_costs_nothing_and_what_is_unpriced_says_nothing():
    assert costs("p/free").headers(USED) == {"x-router-cost": "0"}
    assert costs("p/unknown").headers(USED) == {}
    assert costs("p/unknown").number(USED) is None


@pytest.mark.parametrize("how", [{"target": None}, {"permit": False}])
def test_what_nothing_served_says_nothing(how):
    assert costs(**how).headers(USED) == {}
