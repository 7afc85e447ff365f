"""Admission: who may call, what is reserved for a call, what it is charged, and how it is told."""

import asyncio
import json
from contextlib import suppress
from decimal import Decimal

import pytest

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls.admission import Admission
from tornado_router.calls.permissions import check_permissions
from tornado_router.config.options import (
    LimitsOptions,
    PriceOptions,
    PricingOptions,
    ProviderOptions,
)
from tornado_router.errors import ApiError
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import LimiterAwayError, Purse
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.limits.retry_after import duration
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Call
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Target
from tornado_router.usage import Usage

DOLLAR = 1_000_000_000
CHEAP, DEAR, UNPRICED = Target("p", "cheap"), Target("p", "dear"), Target("p", "unpriced")
PRICES = {
    "p/cheap": PriceOptions(input=1.0, output=2.0),  # 1,000 and 2,000 billionths a token
    "p/dear": PriceOptions(input=10.0, output=20.0),
    "p/seeing": PriceOptions(input=0.0, image=0.01),
}


class Clock:
    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now


class World:
    def __init__(self, *, unpriced="refuse", default_input=0.0, first=100, **limits):
        self.clock = Clock()
        self.limiter = MemoryLimiter(self.clock)
        self.bounds = OutputBounds(
            LimitsOptions(
                default_output_tokens=first,
                **{f"{name}_output_tokens": value for name, value in limits.items()},
            )
        )
        options = PricingOptions(
            unpriced=unpriced, default_input=default_input, price_package=False
        )
        providers = {"p": ConfiguredProvider("p", ProviderOptions(type="t"))}
        self.admission = Admission(
            self.limiter,
            Prices(PRICES, options, providers),
            self.bounds,
            refuse_unpriced=unpriced == "refuse",
        )

    def admit(self, key, targets=(CHEAP,), **body):
        return asyncio.run(self.admission.admit(call(**body), key, targets))

    def refused(self, key, targets=(CHEAP,), **body):
        with pytest.raises(ApiError) as caught:
            self.admit(key, targets, **body)
        return caught.value

    def extend(self, permit, target, generated):
        return asyncio.run(self.admission.extend(permit, target, generated))

    def cover(self, permit, target, usage):
        missing = self.admission.bill(permit, target, usage)
        if missing:
            asyncio.run(self.admission.cover(permit, missing))


def call(model="m", endpoint="chat.completions", **body):
    body = {"model": model, "messages": [{"role": "user", "content": "Hi."}], **body}
    raw = json.dumps(body).encode()
    return Call("call", endpoint, model, body, raw, stream=bool(body.get("stream")))


def prompt_tokens(**body):
    return -(-len(call(**body).raw) // 4)


def rated(requests=None, tokens=None, in_flight=None):
    return Key(12, 3, "k", rates=(Rates("key:12", requests, tokens, in_flight),))


def paying(billionths, **fields):
    return Key(12, 3, "k", purses=(Purse("credits:3", billionths, 0),), **fields)


class TestPermissions:
    @pytest.mark.parametrize(
        ("patterns", "model", "allowed"),
        [
            ((), "anything", True),
            ((("gpt-*",),), "gpt-4.1", True),
            ((("gpt-*",),), "claude", False),
            ((("gpt-*",),), "GPT-4.1", False),
            ((("gpt-*",),), "openai/gpt-4.1", False),
            ((("gpt-*", "claude"),), "claude", True),
            ((("gpt-*",), ("*-mini",)), "gpt-mini", True),
            ((("gpt-*",), ("*-mini",)), "gpt-large", False),
            (((),), "anything", False),
        ],
    )
    def test_models(self, patterns, model, allowed):
        key = Key(1, 1, "k", models=patterns)
        if allowed:
            check_permissions("chat.completions", model, key)
        else:
            with pytest.raises(ApiError) as caught:
                check_permissions("chat.completions", model, key)
            assert (caught.value.status, caught.value.param) == (403, "model")
            assert caught.value.code == "model_not_permitted"

    def test_endpoints(self):
        key = Key(1, 1, "k", endpoints=frozenset(["embeddings"]))
        check_permissions("embeddings", "m", key)
        with pytest.raises(ApiError) as caught:
            check_permissions("chat.completions", "m", key)
        assert (caught.value.status, caught.value.code) == (403, "endpoint_not_permitted")

    def test_a_refusal_counts_as_a_request(self):
        world = World()
        asyncio.run(world.admission.count(call(), rated(1)))
        assert world.refused(rated(1)).code == "rate_limit_exceeded"


class TestRates:
    def test_who_has_no_limits_is_not_asked(self):
        permit = World().admit(Key(1, 1, "k"))
        assert permit.lease is None
        assert permit.headers() == {}

    def test_headers_are_those_that_openai_sends(self):
        permit = World().admit(rated(60, 6000), max_tokens=10)
        used = prompt_tokens(max_tokens=10) + 10
        assert permit.headers() == {
            "x-ratelimit-limit-requests": "60",
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-limit-tokens": "6000",
            "x-ratelimit-remaining-tokens": str(6000 - used),
            "x-ratelimit-reset-tokens": duration(used / 100),
        }

    def test_too_many_requests(self):
        world, key = World(), rated(2)
        world.admit(key)
        world.admit(key)
        error = world.refused(key, model="gpt-x")
        assert (error.status, error.type, error.code) == (429, "requests", "rate_limit_exceeded")
        assert error.message == (
            "Rate limit reached for gpt-x for this API key on requests per min (RPM): Limit 2, "
            "Used 2, Requested 1. Please try again in 30s."
        )
        assert error.headers["Retry-After"] == "30"
        assert error.headers["retry-after-ms"] == "30000"
        assert error.headers["x-ratelimit-remaining-requests"] == "0"
        world.clock.now += 30_000_000
        world.admit(key)

    def test_a_users_limit_is_named_as_such(self):
        key = Key(1, 3, "k", rates=(Rates("user:3", 0),))
        error = World().refused(key)
        assert "for your account" in error.message
        assert error.headers["x-should-retry"] == "false"
        assert "Retry-After" not in error.headers

    def test_a_request_that_never_fits(self):
        error = World().refused(rated(None, 50), max_tokens=51)
        assert (error.type, error.code) == ("tokens", "rate_limit_exceeded")
        assert error.message.startswith("Request too large for m for this API key on tokens per")
        assert error.headers["x-should-retry"] == "false"

    def test_a_guess_does_not_keep_a_request_out_for_ever(self):
        permit = World(first=10_000).admit(rated(None, 50))
        assert permit.headers()["x-ratelimit-remaining-tokens"] == "0"

    def test_a_prompt_that_never_fits_is_no_guess(self):
        error = World().refused(rated(None, 10), messages=[{"role": "user", "content": "x" * 99}])
        assert error.message.startswith("Request too large")

    def test_calls_in_flight(self):
        world, key = World(), rated(None, None, 1)
        permit = world.admit(key)
        error = world.refused(key)
        assert "on concurrent requests: Limit 1, Used 1" in error.message
        assert error.headers["Retry-After"] == "1"
        world.admission.settle(permit, CHEAP, Usage(1, 1))
        world.admit(key)

    @pytest.mark.parametrize(("choices", "most"), [(None, 50), (1, 50), (3, 50), (3.0, 50.0)])
    def test_tokens_that_are_reserved(self, choices, most):
        body = {"max_completion_tokens": most, "n": choices}
        permit = World().admit(rated(None, 10_000), **body)
        assert permit.lease.demand.tokens == prompt_tokens(**body) + 50 * int(choices or 1)
        assert isinstance(permit.lease.demand.tokens, int)

    def test_what_is_learned_is_reserved(self):
        world, key = World(first=100), rated(None, 100_000)
        for _ in range(200):
            world.admission.settle(world.admit(key), CHEAP, Usage(10, 3000))
            world.clock.now += 60_000_000
        assert world.admit(key).lease.demand.tokens > 2000

    def test_what_is_learned_of_many_choices_is_the_length_of_one(self):
        world = World(first=500)
        for _ in range(400):
            permit = world.admit(Key(1, 1, "k"), n=8)
            world.admission.settle(permit, CHEAP, Usage(10, 8 * 500))
        assert 450 < world.bounds.bound(1, CHEAP) < 700

    def test_an_estimate_teaches_nothing(self):
        world, key = World(first=100), rated(None, 100_000)
        world.admission.settle(world.admit(key), CHEAP, Usage(10, 3000, estimated=True))
        assert world.bounds.bound(3, CHEAP) == 100

    def test_embeddings_have_no_answer_to_reserve(self):
        permit = World().admit(rated(None, 10_000), endpoint="embeddings")
        assert permit.lease.demand.tokens == prompt_tokens()

    def test_a_picture_is_no_text(self):
        picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 9999}}
        permit = World().admit(
            rated(None, 10_000), messages=[{"role": "user", "content": [picture]}], max_tokens=1
        )
        assert permit.lease.demand.tokens < 1000
        assert permit.amounts.seen == 1

    def test_tokens_are_corrected(self):
        world, key = World(), rated(None, 1000)
        permit = world.admit(key, max_tokens=900)
        world.admission.settle(permit, CHEAP, Usage(10, 20))
        assert world.admit(key, max_tokens=900)


class TestMoney:
    def test_reserves_and_gives_back(self):
        world = World()
        key = paying(DOLLAR)
        permit = world.admit(key, max_tokens=100)
        assert permit.lease.cost == prompt_tokens(max_tokens=100) * 1000 + 100 * 2000
        charge = world.admission.settle(permit, CHEAP, Usage(10, 20))
        assert charge.charged == 10 * 1000 + 20 * 2000
        assert charge.uncharged == 0
        assert {name: Decimal(text) for name, text in json.loads(charge.prices).items()}[
            "output"
        ] == 2

    def test_the_dearest_target_counts(self):
        permit = World().admit(paying(DOLLAR), [CHEAP, DEAR], max_tokens=100)
        assert permit.lease.cost == prompt_tokens(max_tokens=100) * 10_000 + 100 * 20_000

    def test_no_credits(self):
        error = World().refused(paying(0))
        assert (error.status, error.type, error.code) == (
            429,
            "insufficient_quota",
            "insufficient_quota",
        )
        assert error.headers["x-should-retry"] == "false"
        assert "credits" in error.message

    def test_credits_that_running_calls_hold_come_back(self):
        world = World()
        key = paying(prompt_tokens(max_tokens=100) * 1000 + 200_000)
        world.admit(key, max_tokens=100)
        error = world.refused(key, max_tokens=100)
        assert error.headers["Retry-After"] == "1"
        assert "x-should-retry" not in error.headers

    def test_a_budget_is_named_as_such(self):
        key = Key(12, 3, "k", purses=(Purse("budget:12:2026-11-01", 5, 0),))
        assert "budget" in World().refused(key).message

    def test_free_calls_need_no_credits(self):
        world = World(unpriced="free")
        permit = world.admit(paying(0), [UNPRICED])
        assert world.admission.settle(permit, UNPRICED, Usage(5, 5)) == (0, 0, None)

    def test_an_endpoint_that_costs_nothing_needs_neither_credits_nor_a_price(self):
        world = World()
        permit = world.admit(paying(0), [UNPRICED], endpoint="moderations", input="x")
        assert world.admission.settle(permit, UNPRICED, Usage()) == (0, 0, None)

    def test_a_model_without_a_price_is_refused_to_who_pays(self):
        error = World().refused(paying(DOLLAR), [UNPRICED], model="local")
        assert (error.status, error.code, error.param) == (403, "model_not_priced", "model")

    def test_and_served_to_everybody_else(self):
        world = World()
        permit = world.admit(Key(1, 1, "k"), [UNPRICED])
        assert world.admission.settle(permit, UNPRICED, Usage(5, 5)).prices is None

    def test_targets_without_a_price_are_passed_over(self):
        assert World().admit(paying(DOLLAR), [UNPRICED, CHEAP]).targets == [CHEAP]

    def test_a_default_price(self):
        world = World(unpriced="default", default_input=3.0)
        permit = world.admit(paying(DOLLAR), [UNPRICED])
        assert world.admission.settle(permit, UNPRICED, Usage(10, 5)).charged == 30_000

    def test_the_books_have_a_cost_also_where_nobody_pays(self):
        world = World()
        permit = world.admit(Key(1, 1, "k"))
        assert world.admission.settle(permit, CHEAP, Usage(10, 20)).charged == 50_000
        assert not permit.from_credits

    def test_a_call_that_reached_nobody_costs_nothing(self):
        world, key = World(), paying(DOLLAR)
        permit = world.admit(key)
        assert world.admission.settle(permit, None, Usage()) == (0, 0, None)
        assert asyncio.run(world.limiter.extend(permit.lease, 2 * DOLLAR)) <= DOLLAR

    def test_what_it_cost_beyond_the_lease_is_reserved_while_there_is_money(self):
        world, key = World(first=16), paying(DOLLAR)
        permit = world.admit(key)
        usage = Usage(100, 5000)
        world.cover(permit, CHEAP, usage)
        charge = world.admission.settle(permit, CHEAP, usage)
        assert charge[:2] == (100 * 1000 + 5000 * 2000, 0)

    def test_nobody_is_charged_what_is_not_there(self):
        world, key = World(first=16), paying(200_000)
        permit = world.admit(key)
        usage = Usage(100, 5000)
        world.cover(permit, CHEAP, usage)
        charge = world.admission.settle(permit, CHEAP, usage)
        assert charge[:2] == (200_000, 100 * 1000 + 5000 * 2000 - 200_000)


class TestPictures:
    @pytest.mark.parametrize("key", [Key(12, 3, "k"), rated(100, 100_000), paying(10**9)])
    def test_each_is_paid_whoever_asks(self, key):
        picture = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
        content = [picture, {"type": "text", "text": "What is it?"}, picture]
        world, seeing = World(), Target("p", "seeing")
        permit = world.admit(key, [seeing], messages=[{"role": "user", "content": content}])
        charge = world.admission.settle(permit, seeing, Usage(800, 20))
        assert charge.charged == 20_000_000


class TestGuesses:
    """Whole responses to calls that set no bound themselves, paid from a purse."""

    ROOM = 100_000_000

    def bounded(self, world, key, targets=(CHEAP,), **body):
        permit = world.admit(key, targets, **body)
        return permit, permit.bounds and [permit.bounds.get(target) for target in targets]

    def test_where_money_is_plenty_there_is_no_bound(self):
        _, bounds = self.bounded(World(most=1000), paying(DOLLAR))
        assert bounds is None

    def test_a_share_of_what_is_left_is_held_and_bounds_the_response(self):
        world, left = World(first=16), 160_000_000
        permit, (bound,) = self.bounded(world, paying(left))
        least = prompt_tokens() * 1000 + 16 * 2000
        assert permit.lease.cost == least + (left - least) // 16
        assert bound == (permit.lease.cost - prompt_tokens() * 1000) // 2000

    def test_the_bound_is_of_each_choice_and_by_the_price_of_each_target(self):
        permit, (cheap, dear) = self.bounded(World(first=16), paying(DOLLAR), [CHEAP, DEAR], n=4)
        prompt = prompt_tokens(n=4)
        assert prompt * 1000 + cheap * 4 * 2000 <= permit.lease.cost
        assert prompt * 10_000 + dear * 4 * 20_000 <= permit.lease.cost
        assert cheap > 9 * dear > 0

    @pytest.mark.parametrize("choices", [1, 8])
    @pytest.mark.parametrize("length", [1, 50, 5000])
    def test_who_obeys_its_bound_is_paid_for_whatever_many_calls_come_to(self, choices, length):
        world = World(first=16)
        key = paying(50 * choices * (prompt_tokens(n=choices) * 1000 + 100 * 2000))
        for _ in range(450):  # what others were sent, and short responses of its own
            world.bounds.learn(99, CHEAP, 1)
            world.bounds.learn(3, CHEAP, 1)
        running = []
        for _ in range(100):
            with suppress(ApiError):
                running.append(self.bounded(world, key, n=choices))
        assert 0 < len(running) < 100
        spent = 0
        for permit, (bound,) in running:
            tokens = choices * min(length, bound)
            usage = Usage(prompt_tokens(n=choices), tokens)
            world.cover(permit, CHEAP, usage)
            charge = world.admission.settle(permit, CHEAP, usage)
            assert charge.uncharged == 0
            spent += charge.charged
        assert spent <= key.purses[0].allowance

    def test_who_does_not_teaches_what_to_reserve_at_once(self):
        world, key = World(first=16), paying(1_000_000)
        permit = world.admit(key)
        usage = Usage(10, 3000)
        world.cover(permit, CHEAP, usage)
        assert world.admission.settle(permit, CHEAP, usage).uncharged > 0
        assert world.bounds.bound(3, CHEAP) == 3000

    def test_less_than_a_usual_response_is_served_with_what_is_left(self):
        world = World(first=500, least=128)
        left = prompt_tokens() * 1000 + 130 * 2000
        permit, bounds = self.bounded(world, paying(left))
        assert (permit.lease.cost, bounds) == (left, [130])
        error = world.refused(paying(left))
        assert (error.status, error.code) == (429, "insufficient_quota")

    def test_less_than_the_shortest_is_refused(self):
        left = prompt_tokens() * 1000 + 127 * 2000
        assert World(first=500, least=128).refused(paying(left)).code == "insufficient_quota"

    def test_the_poorer_of_two_purses_counts(self):
        world = World(first=500, least=128)
        rich, poor = Purse("credits:3", DOLLAR, 0), Purse("budget:12", 700_000, 0)
        permit, bounds = self.bounded(world, Key(12, 3, "k", purses=(rich, poor)))
        assert permit.lease.cost == 700_000
        assert bounds == [(700_000 - prompt_tokens() * 1000) // 2000]

    def test_a_rate_that_is_reached_is_not_met_with_less_money(self):
        key = Key(12, 3, "k", rates=(Rates("key:12", 0),), purses=(Purse("credits:3", DOLLAR, 0),))
        assert World().refused(key).code == "rate_limit_exceeded"

    @pytest.mark.parametrize(
        "body", [{"max_tokens": 50}, {"max_completion_tokens": 50, "n": 2}, {"stream": True}]
    )
    def test_nothing_is_bounded_that_the_client_bounds_or_streams(self, body):
        permit, bounds = self.bounded(World(first=16), paying(self.ROOM), **body)
        assert bounds is None
        assert permit.lease.demand.most == 0

    def test_a_stream_is_bounded_that_asks_for_reasoning_until_it_is_seen(self):
        world, key = World(first=16), paying(self.ROOM)
        body = {"stream": True, "reasoning_effort": "high"}
        permit, (bound,) = self.bounded(world, key, **body)
        assert 16 < bound == (permit.lease.cost - prompt_tokens(**body) * 1000) // 2000
        world.admission.settle(permit, CHEAP, Usage(10, 500), 4 * 500)
        assert self.bounded(world, key, **body)[1] is None
        assert self.bounded(world, key, stream=True, reasoning_effort="none")[1] is None

    def test_a_stream_is_bounded_only_at_targets_that_hide_some(self):
        world, key = World(first=16), paying(self.ROOM)
        permit, bounds = self.bounded(world, key, [CHEAP, DEAR], stream=True)
        assert bounds is None
        world.admission.settle(permit, DEAR, Usage(10, 500), 4 * 100)
        permit, (cheap, dear) = self.bounded(world, key, [CHEAP, DEAR], stream=True)
        assert cheap is None
        assert 0 < dear <= permit.lease.cost // 20_000
        assert self.bounded(world, key, [CHEAP], stream=True)[1] is None

    @pytest.mark.parametrize("hidden", [200, 5000])
    def test_streams_that_hide_some_are_paid_for_whatever_many_come_to(self, hidden):
        world = World(first=16)
        key = paying(50 * (prompt_tokens(stream=True) * 1000 + 100 * 2000))
        world.bounds.compare(CHEAP, 500, 0)
        running = []
        for _ in range(100):
            with suppress(ApiError):
                running.append(self.bounded(world, key, stream=True))
        assert 0 < len(running) < 100
        for permit, (bound,) in running:
            usage = Usage(prompt_tokens(stream=True), min(hidden, bound))
            world.cover(permit, CHEAP, usage)
            assert world.admission.settle(permit, CHEAP, usage, 0).uncharged == 0

    def test_a_price_without_output_needs_no_bound(self):
        _, bounds = self.bounded(World(), paying(self.ROOM), [Target("p", "seeing")])
        assert bounds is None

    def test_embeddings_have_none(self):
        _, bounds = self.bounded(World(), paying(self.ROOM), endpoint="embeddings", input="x")
        assert bounds is None

    def test_what_a_target_refused_as_too_high_is_not_sent_again(self):
        world, key = World(first=16), paying(self.ROOM)
        permit, (bound,) = self.bounded(world, key)
        error = ApiError(400, f"max_tokens is too large: {bound}. At most 4096.", type="e")
        assert permit.bounds.lift(CHEAP, error)
        assert permit.bounds.get(CHEAP) is None
        world.admission.settle(permit, CHEAP, Usage())
        assert self.bounded(world, key)[1] == [None]
        poorer = Key(12, 3, "k", purses=(Purse("budget:12", 500_000, 0),))
        assert 0 < self.bounded(world, poorer)[1][0] < bound

    @pytest.mark.parametrize(
        ("status", "message", "code", "param", "lifted"),
        [
            (
                400,
                "maxOutputTokens is {bound}, but the supported range is from 1 to 8193",
                None,
                None,
                True,
            ),
            (422, "max_new_tokens={bound} is beyond the context", None, None, True),
            (400, "no equivalent", "unsupported_parameter", "max_completion_tokens", True),
            (400, "no equivalent", "unsupported_parameter", "thinking", False),
            (400, "max_tokens must exceed thinking.budget_tokens", None, "max_tokens", False),
            (500, "a fault after {bound} tokens", None, None, False),
            (429, "at most {bound} tokens per minute", None, None, False),
        ],
    )
    def test_no_other_refusal_lifts_a_bound(self, status, message, code, param, lifted):
        permit, (bound,) = self.bounded(World(first=16), paying(self.ROOM))
        error = ApiError(status, message.format(bound=bound), type="e", code=code, param=param)
        assert permit.bounds.lift(CHEAP, error) is lifted


class TestStreams:
    def test_a_stream_may_spend_what_is_reserved(self):
        world = World(first=16)
        permit = world.admit(paying(DOLLAR), stream=True)
        assert world.admission.room(permit, CHEAP) == 16 * 4

    def test_and_more_while_there_is_money(self):
        world = World(first=16)
        permit = world.admit(paying(DOLLAR), stream=True)
        assert world.extend(permit, CHEAP, 16 * 4 + 1)
        assert world.admission.room(permit, CHEAP) >= (16 + 256) * 4

    def test_but_not_when_it_is_gone(self):
        world = World(first=16)
        reserved = prompt_tokens(stream=True) * 1000 + 16 * 2000
        permit = world.admit(paying(reserved + 10 * 2000), stream=True)
        assert world.extend(permit, CHEAP, 17 * 4)  # the last money there is
        assert world.admission.room(permit, CHEAP) == 26 * 4
        assert not world.extend(permit, CHEAP, 26 * 4 + 1)

    @pytest.mark.parametrize("key", [Key(1, 1, "k"), rated(10, 10_000)])
    def test_who_does_not_pay_has_no_end(self, key):
        world = World(first=1)
        permit = world.admit(key)
        assert world.admission.room(permit, CHEAP) > 10**15
        assert world.extend(permit, CHEAP, 10**9)


def test_limits_that_cannot_be_checked():
    class Away(MemoryLimiter):
        async def admit(self, demand):
            raise LimiterAwayError

    world = World()
    world.admission._limiter = Away()
    error = world.refused(rated(5))
    assert (error.status, error.code) == (503, "limits_unavailable")
    assert error.headers["Retry-After"] == "1"
