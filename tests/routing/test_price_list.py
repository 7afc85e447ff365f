"""The price list is read as the package reads it: for every model that it names."""

import datetime
from importlib.metadata import version

import pytest
from genai_prices import data_snapshot

from tornado_router.routing import price_list
from tornado_router.routing.package_prices import Source, from_package
from tornado_router.routing.price_list import types


def prices_of(found):
    """What a price says, comparable."""
    return found and {
        name: (
            getattr(value, "base", value),
            [(t.start, t.price) for t in getattr(value, "tiers", ())],
        )
        for name, value in vars(found).items()
        if value is not None
    }


def asked_of_the_package(model, vendor, base_url):
    try:
        _, found = data_snapshot.get_snapshot().find_provider_model(model, None, vendor, base_url)
    except LookupError:
        return None
    return found.get_prices(datetime.datetime.now(datetime.UTC))


def test_every_model_has_the_price_that_the_package_gives():
    ignores_case = tuple(map(int, version("genai-prices").split(".")[:2])) >= (0, 2)
    compared = 0
    for provider in data_snapshot.get_snapshot().providers:
        for number, model in enumerate(provider.models):
            more = (model.id.upper(), f"{model.id}-20251211", f"{model.id}-20250230")
            for name in (model.id, *(more if number % 10 == 0 else ())):
                theirs = asked_of_the_package(name, provider.id, None)
                if theirs is None and not ignores_case:
                    continue  # for an early version, which minds it, more have a price
                ours = price_list.find_prices(name, provider.id, None)
                assert prices_of(ours) == prices_of(theirs), (provider.id, name)
                compared += theirs is not None
    assert compared > 500


MODELS = ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-pro", "deepseek-chat", "whisper-1", "unknown"]
VENDORS = ["openai", "OpenAI", "anthropic", "google", "gemini", "x-ai", "azure", "bedrock", "echo"]
ADDRESSES = [
    "https://api.openai.com/v1",
    "https://my.openai.azure.com/openai",
    "https://api.deepseek.com",
    "http://127.0.0.1:8000",
]


@pytest.mark.parametrize("model", MODELS)
def test_vendors_and_addresses_are_known_as_the_package_knows_them(model):
    asked = [(vendor, None) for vendor in VENDORS] + [(None, address) for address in ADDRESSES]
    for vendor, address in asked:
        ours = price_list.find_prices(model, vendor, address)
        assert prices_of(ours) == prices_of(asked_of_the_package(model, vendor, address)), vendor


def test_a_list_that_cannot_be_read_leaves_it_to_the_package(monkeypatch):
    monkeypatch.setattr(types, "__all__", ["Provider"])
    price_list._providers.cache_clear()
    with pytest.raises(price_list.UnreadableError):
        price_list.find_prices("gpt-4o", "openai", None)
    assert from_package(Source("openai"), "gpt-4o").input == 2.5
    price_list._providers.cache_clear()


def test_a_field_that_is_not_known_cannot_be_read():
    with pytest.raises(TypeError):
        types.ModelInfo(id="x", match=str.islower, prices=types.ModelPrice(), only_on="mondays")
    with pytest.raises(TypeError):
        types.StartDateConstraint(end_date=datetime.date(2026, 1, 1))


def test_times_of_the_day():
    def at(hour):
        return datetime.datetime(2026, 1, 1, hour, tzinfo=datetime.UTC)

    day = types.TimeOfDateConstraint(start_time=datetime.time(8), end_time=datetime.time(20))
    night = types.TimeOfDateConstraint(start_time=datetime.time(20), end_time=datetime.time(8))
    hours = range(24)
    assert [hour for hour in hours if day(at(hour))] == list(range(8, 20))
    assert [hour for hour in hours if not night(at(hour))] == list(range(8, 20))
