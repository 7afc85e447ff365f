"""Prices of a LiteLLM proxy: none becomes zero because it was not understood."""

import pytest

from tornado_router_import_litellm.prices import Prices
from tornado_router_import_litellm.settings import Settings


def prices(params, info=None, embeds=False):
    notes = []
    found = Prices(lambda where, message: notes.append(where))
    found.add("p/m", Settings(params, "params"), Settings(info, "info"), embeds)
    return found.tables.get("p/m"), notes


def test_dollars_for_a_million_tokens():
    table, notes = prices(
        {
            "input_cost_per_token": "1e-6",  # as PyYAML reads it
            "output_cost_per_token": 0.000004,
            "cache_read_input_token_cost": 1e-7,
            "output_cost_per_reasoning_token": 0.000005,
        }
    )
    assert table == {"input": 1.0, "output": 4.0, "cached_input": 0.1, "reasoning": 5.0}
    assert notes == []


def test_long_prompts():
    table, notes = prices(
        {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
        {
            "input_cost_per_token_above_200k_tokens": 3e-6,
            "output_cost_per_token_above_200k_tokens": 4e-6,
            "input_cost_per_token_above_128k_tokens": "2e-6",
        },
    )
    assert table == {
        "input": 1.0,
        "output": 2.0,
        "tiers": [
            {"above": 128_000, "input": 2.0},
            {"above": 200_000, "input": 3.0, "output": 4.0},
        ],
    }
    assert notes == []


@pytest.mark.parametrize("side", ["input_cost_per_token", "output_cost_per_token"])
def test_one_side_alone_is_no_price(side):
    table, notes = prices({side: 1e-6, "cache_read_input_token_cost": 1e-7})
    assert table is None
    assert notes == [f"params.{side}", "params.cache_read_input_token_cost"]


def test_the_answer_of_an_embedding_costs_nothing():
    assert prices({"input_cost_per_token": 1e-6}, embeds=True) == ({"input": 1.0}, [])


def test_free_is_said():
    free = {"input_cost_per_token": 0, "output_cost_per_token": 0.0}
    assert prices(free) == ({"input": 0.0, "output": 0.0}, [])


def test_what_holds_of_two():
    both = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
    table, notes = prices(both, {**both, "input_cost_per_token": 9e-6})
    assert table == {"input": 1.0, "output": 2.0}
    assert notes == ["info.input_cost_per_token"]


def test_deployments_that_do_not_agree():
    notes = []
    found = Prices(lambda where, message: notes.append(where))
    for name, dollars in (("a", 1e-6), ("b", 2e-6)):
        both = {"input_cost_per_token": dollars, "output_cost_per_token": dollars}
        found.add("p/m", Settings(both, name), Settings({}, ""), False)
    assert found.tables["p/m"] == {"input": 1.0, "output": 1.0}
    assert notes == ["b.input_cost_per_token", "b.output_cost_per_token"]


def test_what_is_no_price_stays():
    params = Settings({"input_cost_per_token": "dear", "output_cost_per_token": -1}, "params")
    found = Prices(lambda where, message: None)
    found.add("p/m", params, Settings({}, ""), False)
    assert found.tables == {}
    assert list(params.left()) == ["params.input_cost_per_token", "params.output_cost_per_token"]


@pytest.mark.parametrize(
    ("base_model", "price_as"),
    [
        ("azure/gpt-4o", "azure/gpt-4o"),
        ("gpt-4o", "azure/gpt-4o"),
        ("gemini/gemini-2.5-pro", "google/gemini-2.5-pro"),
        ("somewhere/else", "somewhere/else"),
    ],
)
def test_the_model_behind_a_deployment_has_its_price(base_model, price_as):
    found = Prices(lambda *_: None)
    found.add_as("p/m", base_model, "azure")
    assert found.tables == {"p/m": {"price_as": price_as}}


def test_a_price_of_the_deployment_itself_goes_first():
    found = Prices(lambda *_: None)
    found.add(
        "p/m",
        Settings({"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}, "params"),
        Settings(None, "info"),
        embeds=False,
    )
    found.add_as("p/m", "azure/gpt-4o", "azure")
    assert found.tables == {"p/m": {"input": 1.0, "output": 2.0}}
