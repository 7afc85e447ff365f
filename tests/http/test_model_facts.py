"""What is known of a model: no more than is so of its targets."""

from types import SimpleNamespace

import pytest

from tornado_router.config.options import PriceOptions, TargetOptions
from tornado_router.http.model_facts import ModelFactsReader
from tornado_router.routing.prices import Price
from tornado_router.routing.routes import Target

A, B, UNKNOWN = Target("p", "a"), Target("p", "b"), Target("off", "c")


@pytest.fixture
def reader():
    provider = SimpleNamespace(supports={"embeddings"}.__contains__)
    prices = {"a": Price(PriceOptions(input=1)), "b": Price(PriceOptions(input=2))}
    routes = {"one": (A,), "same": (A, A), "both": (A, B), "unknown": (UNKNOWN,), "none": ()}
    tables = {
        "p/a": TargetOptions(context_window=10, input_modalities=("text",)),
        "p/b": TargetOptions(context_window=20, input_modalities=("image",), max_output_tokens=5),
    }
    return ModelFactsReader(
        SimpleNamespace(
            config=SimpleNamespace(targets=tables),
            providers={
                "p": SimpleNamespace(provider=provider),
                "off": SimpleNamespace(provider=None),
            },
            router=SimpleNamespace(served=routes.__getitem__),
            prices=SimpleNamespace(find=lambda provider, model: prices.get(model)),
        )
    )


def test_of_several_targets_the_most(reader):
    facts = reader.read("both")
    assert (facts.context_window, facts.max_output_tokens) == (20, 5)
    assert facts.input_modalities == ("text", "image")
    assert facts.endpoints == ("embeddings",)


def test_prices_that_differ_are_no_prices(reader):
    assert reader.read("one").prices == reader.read("same").prices
    assert reader.read("one").prices["input"] == "1"
    assert reader.read("both").prices is None


@pytest.mark.parametrize("name", ["unknown", "none"])
def test_nothing_is_made_up(reader, name):
    assert reader.read(name) == (None, None, (), (), None)
