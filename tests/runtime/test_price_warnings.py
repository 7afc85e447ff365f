"""Models without a price, and those that have one at another address only."""

import pytest

from tornado_router.runtime.loaded_config import load_config
from tornado_router.runtime.price_warnings import price_warnings

PLAN = "[plans.free]\ncredits = 1\n"
ECHO = '[providers.echo]\ntype = "echo"\nmodels = ["echo", "two"]\n'
PROXY = (
    '[providers.proxy]\ntype = "openai"\nbase_url = "https://llm.corp.example/v1"\n'
    'api_key = "x"\nmodels = ["gpt-4o", "own"]\n'
)


@pytest.fixture
def warnings(tmp_path):
    def warnings(text):
        path = tmp_path / "router.toml"
        path.write_text(text)
        return [str(item) for item in price_warnings(load_config(path, {}))]

    return warnings


@pytest.mark.parametrize(
    "text",
    [
        ECHO,
        ECHO + "[plans.free]\nrpm = 1\n",
        ECHO + PLAN + '[prices."echo/*"]\ninput = 0\n',
        ECHO + PLAN + '[pricing]\nunpriced = "free"\n',
        ECHO + PLAN + '[pricing]\nunpriced = "default"\n',
    ],
)
def test_a_price_is_missed_only_where_it_is_needed(warnings, text):
    assert warnings(text) == []


def test_models_that_callers_who_pay_cannot_use(warnings):
    (warning,) = warnings(ECHO + PLAN)
    assert warning == (
        "providers.echo: no price for echo, two: refused for callers who pay from credits or a "
        'budget, free for all others; set one in [prices."echo/echo"]'
    )


def test_a_model_that_a_route_alone_names(warnings):
    text = '[providers.echo]\ntype = "echo"\n[routes.a]\ntargets = ["echo/x"]\n'
    assert ["no price for x:" in item for item in warnings(text + PLAN)] == [True]


def test_a_route_that_avoids_targets_without_a_price(warnings):
    route = '[routes.fast]\ntargets = ["echo/two", "echo/echo"]\n[prices."echo/echo"]\ninput = 1\n'
    assert warnings(ECHO + PLAN + route)[1:] == [
        "routes.fast: callers who pay from credits or a budget are served by echo/echo alone, as "
        "echo/two has no price"
    ]


def test_a_base_url_of_ones_own_loses_the_price_of_the_package(warnings):
    (warning,) = warnings(PROXY)
    assert warning == (
        "providers.proxy: no price for gpt-4o, as its base_url is not the vendor's own; "
        '[prices."proxy/*"] price_as = "openai/*" gives it the vendor\'s'
    )
    assert warnings(PROXY + '[prices."proxy/*"]\nprice_as = "openai/*"\n') == []


def test_a_price_as_of_what_has_none(warnings):
    (warning, *_) = warnings(PROXY + '[prices."proxy/*"]\nprice_as = "openai/gpt-nine"\n')
    assert warning == """prices."proxy/*".price_as: no price of 'openai/gpt-nine' is known"""
