"""Prices: found by a stated order, and turned into an exact cost."""

import json
import socket
import sys
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.config.options import (
    ImagePrice,
    PriceOptions,
    PriceTier,
    PricingOptions,
    ProviderOptions,
)
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Provider
from tornado_router.routing import price_list
from tornado_router.routing.prices import Price, Prices, check_prices
from tornado_router.usage import Amounts, Usage

BILLION = 10**9

amounts = st.decimals(0, 1000, places=6).map(float)
maybe = st.none() | amounts
tables = st.builds(
    PriceOptions,
    input=amounts,
    output=amounts,
    cached_input=maybe,
    cache_write=maybe,
    reasoning=maybe,
    request=amounts,
    image=amounts,
    audio_input=maybe,
    audio_output=maybe,
    image_input=maybe,
    image_output=maybe,
    second=amounts,
    million_characters=amounts,
    thousand_searches=amounts,
    images=st.lists(
        st.builds(
            ImagePrice,
            price=amounts,
            size=st.sampled_from(["", "small", "large"]),
            quality=st.sampled_from(["", "small", "large"]),
        ),
        max_size=4,
        unique_by=lambda item: (item.size, item.quality),
    ).map(tuple),
    tiers=st.lists(
        st.builds(
            PriceTier,
            above=st.integers(1, 3000),
            input=maybe,
            output=maybe,
            cached_input=maybe,
            cache_write=maybe,
            reasoning=maybe,
        ),
        max_size=3,
        unique_by=lambda tier: tier.above,
    ).map(tuple),
)


def parts(draw, whole, count):
    """Numbers that come to a whole, or less."""
    for _ in range(count):
        part = draw(st.integers(0, whole))
        whole -= part
        yield part


@st.composite
def usage_of_a_call(draw):
    prompt = draw(st.integers(0, 4000) | st.integers(0, 10**7))
    completion = draw(st.integers(0, 10**7))
    cached, written, heard, seen = parts(draw, prompt, 4)
    reasoning, spoken, drawn = parts(draw, completion, 3)
    return Usage(
        prompt,
        completion,
        cached,
        written,
        reasoning,
        heard,
        spoken,
        seen,
        drawn,
        images=draw(st.integers(0, 10)),
        seconds=float(draw(st.decimals(0, 10_000, places=3))),
        characters=draw(st.integers(0, 10**6)),
        searches=draw(st.integers(0, 10**6)),
    )


words = st.sampled_from(["", "small", "large"])


@st.composite
def amounts_of_a_call(draw, usage):
    """What a call of a usage may have asked for: no less than that."""
    return Amounts(
        seen=draw(st.integers(0, 5)),
        has_media=any(usage[5:9]),
        images=usage.images + draw(st.integers(0, 3)),
        size=draw(words),
        quality=draw(words),
        seconds=usage.seconds + draw(st.sampled_from([0.0, 1.5])),
        characters=usage.characters,
        searches=usage.searches + 1,
    )


usages = usage_of_a_call()


def exact_image(options, amounts):
    """For one image, by the entry that says most about it, or else the dearest."""
    entries = {(item.size, item.quality): item.price for item in options.images}
    size, quality = amounts.size, amounts.quality
    fitting = [key for key in ((size, quality), (size, ""), ("", quality)) if key in entries]
    if fitting:
        most = sum(map(bool, fitting[0]))
        price = max(entries[key] for key in fitting if sum(map(bool, key)) == most)
    else:
        price = entries.get(("", ""), max(entries.values(), default=0.0))
    return Fraction(str(price))


def exact_cost(options, usage, amounts):
    """A second opinion, in billionths, from the words of the documentation."""
    layers = [options]
    for tier in sorted(options.tiers, key=lambda tier: tier.above):
        if usage.prompt_tokens > tier.above:
            layers = [tier, options]

    def price(*names):
        for name in names:
            for layer in layers:
                if getattr(layer, name, None) is not None:
                    return Fraction(str(getattr(layer, name)))
        raise AssertionError(names)

    tokens = (
        (usage.prompt_tokens - sum(usage[name] for name in (2, 3, 5, 7))) * price("input")
        + usage.audio_prompt_tokens * price("audio_input", "input")
        + usage.image_prompt_tokens * price("image_input", "input")
        + usage.audio_completion_tokens * price("audio_output", "output")
        + usage.image_completion_tokens * price("image_output", "output")
        + usage.cached_tokens * price("cached_input", "input")
        + usage.cache_write_tokens * price("cache_write", "input")
        + (usage.completion_tokens - sum(usage[name] for name in (4, 6, 8))) * price("output")
        + usage.reasoning_tokens * price("reasoning", "output")
    )
    others = (
        Fraction(str(options.request))
        + amounts.seen * Fraction(str(options.image))
        + Fraction(str(usage.seconds)) * Fraction(str(options.second))
        + Fraction(str(usage.seconds)) * Fraction(str(options.minute)) / 60
        + usage.characters * Fraction(str(options.million_characters)) / 10**6
        + usage.searches * Fraction(str(options.thousand_searches)) / 1000
        + usage.images * exact_image(options, amounts)
    )
    return tokens * 1000 + others * BILLION


def provider(name, kind=None, models=("*",), **options):
    common = ProviderOptions(type=kind or name, models=models)
    return ConfiguredProvider(name, common, Provider(name, options))


def find(tables, target, *, package=False, providers=None, **options):
    providers = providers or {name: provider(name) for name in ("openai", "google", "anthropic")}
    tables = {key: PriceOptions(input=value) for key, value in tables.items()}
    prices = Prices(tables, PricingOptions(price_package=package, **options), providers)
    price = prices.find(*target.split("/", 1))
    return None if price is None else price.cost(Usage(1_000_000, 0)).billionths / BILLION


class TestOrder:
    @pytest.mark.parametrize(
        ("tables", "price"),
        [
            ({}, None),
            ({"other": 1}, None),
            ({"gpt-4.1": 1}, 1),
            ({"openai/gpt-4.1": 1}, 1),
            ({"openai/*": 2, "gpt-4.1": 1}, 2),
            ({"openai/*": 2, "openai/gpt-4.1": 1}, 1),
            ({"openai/gpt-*": 2, "openai/gpt-4*": 1, "openai/*": 3}, 1),
            ({"*": 3, "gpt-*": 2, "gpt-4.1": 1}, 1),
            ({"*": 3, "gpt-*": 2}, 2),
            ({"google/*": 1}, None),
            ({"*/gpt-4.1": 1}, 1),
            ({"GPT-4.1": 1}, None),
            ({"gpt-4.1": 1, "*/*": 2}, 2),
            ({"openai/gpt-?.1": 2, "openai/gpt-[4]*": 1}, 1),
            ({"openai": 1, "gpt-4": 2, "openai/gpt-4": 3}, None),
        ],
    )
    def test_the_nearest_name_holds(self, tables, price):
        assert find(tables, "openai/gpt-4.1") == price

    def test_what_is_not_priced_costs_the_default_where_that_is_meant(self):
        assert find({}, "openai/x", unpriced="default", default_input=4.0) == 4
        assert find({"openai/*": 1}, "openai/x", unpriced="default", default_input=4.0) == 1
        assert find({}, "openai/x", unpriced="free", default_input=4.0) is None

    def test_a_price_of_nothing_is_a_price(self):
        assert find({"openai/*": 0}, "openai/gpt-4.1", package=True) == 0

    def test_names_that_clients_make_up_do_not_pile_up(self, monkeypatch):
        """Nor do they push out a name that is in use, which would be looked up for every call."""
        monkeypatch.setattr("tornado_router.routing.prices.KNOWN_TARGETS", 5)
        looked_up = []
        monkeypatch.setattr(
            "tornado_router.routing.prices.from_package", lambda _, model: looked_up.append(model)
        )
        prices = Prices({}, PricingOptions(), {"openai": provider("openai")})
        for number in range(12):
            prices.find("openai", "in-use")
            prices.find("openai", f"made-up-{number}")
        assert looked_up.count("in-use") == 1
        prices.find("openai", "made-up-0")
        assert looked_up.count("made-up-0") == 2, "it is forgotten"


class TestPackage:
    def prices(self, **providers):
        providers = {name: provider(name) for name in ("openai", "google", "anthropic")} | providers
        return Prices({}, PricingOptions(), providers)

    def test_openai(self):
        price = self.prices().find("openai", "gpt-4.1")
        cost = price.cost(Usage(1_000_000, 1_000_000, cached_tokens=500_000))
        assert Decimal(cost.billionths) / BILLION == Decimal("1.0") + Decimal("0.25") + 8

    def test_what_is_written_to_a_cache_and_read_from_it(self):
        price = self.prices().find("anthropic", "claude-sonnet-4-5")
        assert (
            price.cost(Usage(100_000, 0, cache_write_tokens=100_000)).billionths == 100_000 * 3750
        )
        assert price.cost(Usage(100_000, 0, cached_tokens=100_000)).billionths == 100_000 * 300

    def test_long_prompts(self):
        price = self.prices().find("google", "gemini-2.5-pro")
        short, long = price.cost(Usage(200_000, 0)), price.cost(Usage(200_001, 0))
        assert long.billionths > 1.9 * short.billionths

    def test_the_type_of_a_provider_counts_not_its_name(self):
        prices = self.prices(mine=provider("mine", "openai"), openai=provider("openai", "google"))
        used = Usage(1_000_000, 0)
        assert prices.find("mine", "gpt-4.1").cost(used).billionths == 2 * BILLION
        assert prices.find("openai", "gpt-4.1") is None

    def test_a_model_that_nobody_knows_has_no_price(self):
        assert self.prices().find("openai", "a-model-of-my-own") is None
        assert self.prices().find("nobody", "gpt-4.1") is None

    def test_a_server_of_ones_own_is_not_priced_as_its_type(self):
        local = provider("local", "openai", base_url="http://127.0.0.1:8000/v1")
        assert self.prices(local=local).find("local", "gpt-4.1") is None

    def test_a_price_in_the_file_goes_before(self):
        assert find({"gpt-4.1": 7}, "openai/gpt-4.1", package=True) == 7

    def test_nothing_is_fetched(self, monkeypatch):
        def no(*_args, **_keywords):
            raise AssertionError("somebody connects")

        monkeypatch.setattr(socket.socket, "connect", no)
        monkeypatch.setattr(socket, "getaddrinfo", no)
        assert self.prices().find("openai", "gpt-4o") is not None

    def test_without_the_package_there_is_no_price(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "genai_prices", None)
        price_list._providers.cache_clear()
        assert self.prices().find("openai", "gpt-4.1") is None
        price_list._providers.cache_clear()


class TestCost:
    def test_each_kind_has_its_price(self):
        price = Price(
            PriceOptions(
                input=1.0,
                output=10.0,
                cached_input=0.1,
                cache_write=1.25,
                reasoning=20.0,
                request=0.01,
                image=0.002,
                second=0.0001,
            )
        )
        usage = Usage(
            1000, 100, cached_tokens=200, reasoning_tokens=40, cache_write_tokens=300, seconds=2.5
        )
        expected = (
            (500 * 1000 + 200 * 100 + 300 * 1250 + 60 * 10_000 + 40 * 20_000)
            + 10_000_000
            + 3 * 2_000_000
            + 250_000
        )
        assert price.cost(usage, Amounts(seen=3)).billionths == expected

    def test_what_has_no_price_of_its_own_costs_as_its_kind(self):
        price = Price(PriceOptions(input=1.0, output=2.0))
        usage = Usage(1000, 100, cached_tokens=200, reasoning_tokens=40, cache_write_tokens=300)
        assert price.cost(usage).billionths == 1000 * 1000 + 100 * 2000

    def test_asked_again_it_is_that_of_the_usage_and_the_images_that_are_asked_for(self):
        price = Price(PriceOptions(input=1.0, output=2.0, image=0.001))
        one, other = Usage(1000, 100), Usage(2000, 100)
        none, two = Amounts(), Amounts(seen=2)
        asked = [(one, none), (one, none), (one, two), (other, two), (one, none)]
        costs = [price.cost(usage, amounts).billionths for usage, amounts in asked]
        assert costs == [1_200_000, 1_200_000, 3_200_000, 4_200_000, 1_200_000]

    def test_half_a_billionth_is_rounded_up_once(self):
        price = Price(PriceOptions(input=0.0005, output=0.0005))  # half a billionth a token
        assert price.cost(Usage(1, 0)).billionths == 1
        assert price.cost(Usage(1, 1)).billionths == 1
        assert price.cost(Usage(1, 2)).billionths == 2

    def test_the_prices_that_were_used_are_told(self):
        tiers = (PriceTier(above=100, input=2.0),)
        price = Price(PriceOptions(input=0.15, output=10.0, request=0.5, tiers=tiers))
        assert json.loads(price.cost(Usage(100, 1)).prices) == {
            "input": "0.15",
            "output": "10",
            "cached_input": "0.15",
            "cache_write": "0.15",
            "reasoning": "10",
            "request": "0.5",
        }
        assert json.loads(price.cost(Usage(101, 1)).prices)["input"] == "2"

    def test_tiers_hold_for_the_whole_call(self):
        tiers = (PriceTier(above=200, input=4.0, output=8.0), PriceTier(above=100, input=2.0))
        price = Price(PriceOptions(input=1.0, output=5.0, cached_input=0.5, tiers=tiers))
        assert price.cost(Usage(100, 1)).billionths == 100 * 1000 + 5000
        assert price.cost(Usage(101, 1)).billionths == 101 * 2000 + 5000
        assert price.cost(Usage(201, 1)).billionths == 201 * 4000 + 8000
        assert price.cost(Usage(201, 0, cached_tokens=1)).billionths == 200 * 4000 + 500

    @given(st.data())
    def test_is_exact(self, data):
        options = data.draw(tables)
        usage = data.draw(usages)
        amounts = data.draw(amounts_of_a_call(usage))
        cost = Price(options).cost(usage, amounts).billionths
        assert cost == (exact_cost(options, usage, amounts) + Fraction(1, 2)) // 1

    @given(st.data())
    def test_an_estimate_is_never_too_low(self, data):
        options = data.draw(tables)
        usage = data.draw(usages)
        prompt = usage.prompt_tokens + data.draw(st.integers(0, 1000))
        completion = usage.completion_tokens + data.draw(st.integers(0, 1000))
        amounts = data.draw(amounts_of_a_call(usage))
        price = Price(options)
        cost = price.cost(usage, amounts).billionths
        assert price.estimate(prompt, completion, amounts) >= cost

    def test_an_estimate_minds_what_is_read_from_a_cache(self):
        price = Price(PriceOptions(input=1.0, cached_input=3.0))
        assert price.estimate(100, 0) == price.cost(Usage(100, 0, cached_tokens=100)).billionths

    def test_an_estimate_minds_that_the_prompt_may_be_shorter(self):
        tiers = (PriceTier(above=100, input=1.0, output=2.0),)
        price = Price(PriceOptions(input=4.0, output=8.0, tiers=tiers))
        assert price.estimate(101, 10) >= price.cost(Usage(100, 10)).billionths

    def test_an_estimate_of_a_short_prompt_has_no_part_of_a_dear_tier(self):
        tiers = (PriceTier(above=100, input=100.0, output=100.0),)
        price = Price(PriceOptions(input=1.0, output=2.0, tiers=tiers))
        assert price.estimate(100, 10) == 100 * 1000 + 10 * 2000


class TestFaults:
    def faults(self, **tables):
        providers = {"openai": provider("openai", models=("meta/llama",))}
        return [(fault.where, fault.message) for fault in check_prices(tables, providers)]

    def test_what_is_right_has_none(self):
        table = PriceOptions(input=1.0)
        assert not self.faults(
            **{"openai/gpt": table, "anything": table, "*/x": table, "meta/llama": table}
        )

    def test_a_provider_that_is_not_there(self):
        ((where, message),) = self.faults(**{"opnai/gpt": PriceOptions(input=1.0)})
        assert where == 'prices."opnai/gpt"'
        assert message == "there is no provider 'opnai'; did you mean 'openai'?"

    def test_tiers_that_do_not_ascend(self):
        tiers = (PriceTier(above=2), PriceTier(above=1))
        assert len(self.faults(x=PriceOptions(input=1.0, tiers=tiers))) == 1


class TestPriceAs:
    """The price of another model, for proxies and for names of the operator's own."""

    def prices(self, providers=None, **tables):
        tables = {
            key: PriceOptions(price_as=value)
            if isinstance(value, str)
            else PriceOptions(input=value)
            for key, value in tables.items()
        }
        return Prices(tables, PricingOptions(), providers or {})

    def cost(self, price):
        return None if price is None else price.cost(Usage(1_000_000, 0)).billionths / BILLION

    def test_a_vendors_price_at_another_address(self):
        own = {"proxy": provider("proxy", "openai", base_url="https://llm.corp.example/v1")}
        assert self.prices(own).find("proxy", "gpt-4o") is None
        prices = self.prices(own, **{"proxy/*": "openai/*"})
        assert self.cost(prices.find("proxy", "gpt-4o")) == 2.5
        assert prices.look_up("proxy", "gpt-4o").source == "as openai/*"
        assert prices.find("proxy", "no-such-model") is None

    def test_a_deployment_has_the_price_of_its_model(self):
        prices = self.prices(**{"azure/blue": "openai/gpt-4o"})
        assert self.cost(prices.find("azure", "blue")) == 2.5

    def test_a_provider_of_that_name_with_an_address_of_its_own(self):
        own = {"openai": provider("openai", base_url="https://llm.corp.example/v1")}
        assert (
            self.cost(self.prices(own, **{"openai/*": "openai/*"}).find("openai", "gpt-4o")) == 2.5
        )

    def test_a_table_goes_before_the_package(self):
        prices = self.prices(**{"azure/blue": "openai/gpt-4o", "openai/gpt-4o": 7.0})
        assert self.cost(prices.find("azure", "blue")) == 7

    def test_a_circle_ends(self):
        prices = self.prices(**{"a/x": "b/y", "b/y": "a/x"})
        assert prices.find("a", "x") is None

    def test_faults(self):
        def faults(table):
            return [fault.where for fault in check_prices({"x": table}, {})]

        assert faults(PriceOptions(price_as="openai/gpt-4o")) == []
        assert faults(PriceOptions()) == ["prices.x"]
        assert faults(PriceOptions(output=1.0)) == ["prices.x"]
        assert faults(PriceOptions(price_as="gpt-4o")) == ["prices.x.price_as"]
        assert faults(PriceOptions(price_as="a/b", output=1.0)) == ["prices.x.price_as"]

    def test_where_a_price_is_from(self):
        prices = self.prices({"openai": provider("openai")}, **{"openai/own": 1.0})
        assert prices.look_up("openai", "own").source == '[prices."openai/own"]'
        assert prices.look_up("openai", "gpt-4o").source == "genai-prices"
        assert prices.look_up("openai", "gpt-nine") == (None, "")
