"""The story of a call: what it is refused for, what it is served from, and that it is recorded."""

import asyncio

import orjson
import pytest

from tornado_router.accounts.key_lookup import Key
from tornado_router.background.held_memory import HeldMemory, Hold, request_hold
from tornado_router.calls.client import CACHE_DEFAULTS, ClientLeftError
from tornado_router.calls.response_cache import CacheControl
from tornado_router.errors import ProviderError, StoppedError
from tornado_router.limits.kinds import Rates
from tornado_router.observability.trace_context import TraceContext

from .story import KEY, LAST, LIMITED, USAGE, WAYS, WHOLE, Reader, Scripted, World, chunk, paying

TWO = Rates("key:2", 2)
ONLY_IF_CACHED = CacheControl(only_if_cached=True)


class TestWhole:
    def test_success(self):
        world = World(WHOLE)
        client = world.ask()
        assert orjson.loads(client.body) == WHOLE
        assert (client.content_type, client.is_stream) == ("application/json", False)
        assert client.headers["x-router-dropped-params"] == "seed"
        account = world.account
        assert (account.status, account.error_code) == (200, None)
        assert (account.usage.prompt_tokens, account.usage.completion_tokens) == (11, 7)
        assert not account.usage.estimated

    def test_without_usage_it_is_guessed(self):
        world = World({"choices": [{"message": {"content": "y" * 40}}]})
        world.ask()
        assert world.account.usage.estimated
        assert world.account.usage.prompt_tokens >= 10
        assert world.account.usage.completion_tokens == 10

    @pytest.mark.parametrize("model", ["nope", "dead", "off/m"])
    @WAYS
    def test_a_refusal_costs_nothing_and_is_accounted_for(self, model, stream):
        world = World()
        assert world.refused(model=model, stream=stream).status == 404
        account = world.account
        assert (account.status, account.error_code) == (404, "model_not_found")
        assert (account.provider, account.target_model) == (None, None)
        assert (account.usage.prompt_tokens, account.usage.completion_tokens) == (0, 0)

    def test_a_target_that_the_client_may_choose(self):
        assert World(WHOLE).ask(chosen="p/m1").headers["x-router-target"] == "p/m1"
        error = World(WHOLE).refused(chosen="p/m2")
        assert (error.status, error.code) == (400, "target_not_found")

    def test_of_an_error_in_the_router_the_place_is_known(self, monkeypatch):
        def fails(*_, **_options):
            raise KeyError("a prompt")

        world = World({"choices": [1]})
        monkeypatch.setattr(world.gateway._selection, "order", fails)
        with pytest.raises(KeyError):
            world.ask()
        account = world.account
        assert (account.status, account.error_code) == (500, "internal_error")
        assert account.internal_error.startswith("KeyError in ")
        assert "tornado_router.calls.gateway.Gateway.run:" in account.internal_error
        assert "a prompt" not in account.internal_error

    def test_a_call_is_part_of_a_trace(self):
        world = World({"choices": [{"message": {"content": "hi"}}]})
        world.ask(trace=TraceContext("4bf92f35"))
        assert world.account.trace_id == "4bf92f35"

    @pytest.mark.parametrize(("size", "turns"), [(100, 0), (300_000, 1)])
    def test_a_large_request_lets_others_run_before_it_is_translated(self, size, turns):
        world, others = World(WHOLE), []

        def send(call, http):
            seen.append(len(others))
            return Scripted.send(world.provider, call, http)

        seen, world.provider.send = [], send

        async def story():
            request_hold.set(Hold(HeldMemory(10**6)))
            asyncio.get_running_loop().call_soon(others.append, 1)
            await world.run(messages=[{"role": "user", "content": "x" * size}])

        asyncio.run(story())
        assert seen == [turns]

    @WAYS
    def test_a_failure_is_not_a_success(self, stream):
        world = World(ProviderError(429, "Slow down."))
        world.refused(stream=stream)
        account = world.account
        assert (account.status, account.error_code) == (429, "api_error")
        assert account.provider == "p"
        assert (account.usage.prompt_tokens, account.usage.completion_tokens) == (0, 0)

    @pytest.mark.parametrize("nonsense", [None, 5, {"choices": 5}])
    def test_nonsense_of_a_provider_is_a_failure(self, nonsense):
        world = World(nonsense)
        world.refused()
        assert (world.account.status, world.account.error_code) == (502, "provider_fault")

    @WAYS
    def test_a_stop_before_the_response(self, stream):
        world = World(Scripted.WAIT)
        assert isinstance(world.cancelled(stop=True, stream=stream), StoppedError)
        account = world.account
        assert (account.status, account.error_code) == (503, "stopped")
        assert account.usage.prompt_tokens >= 10
        assert world.provider.closed == stream

    @WAYS
    def test_a_client_that_leaves_before_the_response(self, stream):
        world = World(Scripted.WAIT)
        assert isinstance(world.cancelled(stream=stream), asyncio.CancelledError)
        account = world.account
        assert (account.status, account.error_code) == (499, "client_closed")
        assert account.usage.prompt_tokens >= 10  # the vendor may charge for it
        assert account.usage.completion_tokens == 0
        assert account.usage.estimated
        assert world.provider.closed == stream


@WAYS
def test_a_response_is_recorded_before_its_last_byte_goes_out(stream):
    world = World([chunk("a")], [LAST]) if stream else World(WHOLE)
    recorded = []
    client = Reader(on_piece=lambda data: recorded.append(len(world.books.added)))
    world.ask(stream=stream, client=client)
    assert recorded == ([0, 1] if stream else [1])


class NothingIsAsked:
    """Stands for what is kept; whoever asks for it fails."""

    async def find(self, call, user_id):
        raise AssertionError("no query for who may not use the model")


class TestPermissions:
    OTHER = Key(3, 1, "other", models=(("gpt-*",),), rates=(TWO,))

    def test_what_is_not_permitted_counts_as_a_request(self):
        world = World(WHOLE, key=self.OTHER)
        for _ in range(2):
            assert world.refused().code == "model_not_permitted"
        assert world.refused().code == "rate_limit_exceeded"
        assert world.provider.calls == 0

    def test_they_are_looked_at_once_a_call(self, monkeypatch):
        looked_at = []
        path = "tornado_router.calls.gateway.check_permissions"
        monkeypatch.setattr(path, lambda *call: looked_at.append(call))
        World(WHOLE).ask(model="cached", temperature=0)
        assert len(looked_at) == 1

    def test_without_one_nothing_is_looked_up_that_went_before(self):
        world = World(WHOLE, key=self.OTHER)
        world.gateway.origins = NothingIsAsked()
        error = world.refused(endpoint="responses", previous_response_id="resp_1")
        assert (error.status, error.code) == (403, "model_not_permitted")

    @pytest.mark.parametrize("control", [CACHE_DEFAULTS, ONLY_IF_CACHED])
    @pytest.mark.parametrize("seed", [1, 2], ids=["hit", "miss"])
    def test_without_one_nobody_learns_what_is_cached(self, control, seed):
        world = World(WHOLE)
        world.ask(model="cached", temperature=0, seed=1)
        world.key = self.OTHER
        error = world.refused(model="cached", temperature=0, seed=seed, control=control)
        assert (error.status, error.code) == (403, "model_not_permitted")
        assert "x-router-cache" not in error.headers


def hits(world, **asked):
    return world.ask(model="cached", temperature=0, **asked)


class TestShortMoney:
    PRICE = 2000
    PURSE = 10_000_000

    def test_the_bound_is_sent_and_told(self):
        world = World(WHOLE, key=paying(self.PURSE))
        client = world.ask()
        (sent,) = world.provider.received
        bound = sent.body["max_completion_tokens"]
        assert 16 < bound < self.PURSE // self.PRICE // 10
        assert orjson.loads(sent.raw) == sent.body
        assert client.headers["x-router-adapted-params"] == f"max_completion_tokens={bound}"

    @WAYS
    @pytest.mark.parametrize("fields", [{"max_tokens": 5}, {"max_completion_tokens": 9}])
    def test_what_the_client_set_is_left_alone(self, stream, fields):
        world = World([LAST] if stream else WHOLE, key=paying(self.PURSE))
        client = world.ask(stream=stream, **fields)
        (sent,) = world.provider.received
        assert {name: sent.body.get(name) for name in fields} == fields
        assert "x-router-adapted-params" not in client.headers

    @pytest.mark.parametrize("key", [KEY, LIMITED, paying(10**13)])
    def test_nobody_else_gets_one(self, key):
        world = World(WHOLE, key=key)
        assert "x-router-adapted-params" not in world.ask().headers
        assert "max_completion_tokens" not in world.provider.received[0].body

    def test_a_bound_beyond_the_models_own_is_lifted(self):
        world = World(WHOLE, key=paying(self.PURSE))
        world.provider.refuses_bounds_of = 100
        client = world.ask()
        first, second = world.provider.received
        assert first.body["max_completion_tokens"] > 100
        assert "max_completion_tokens" not in second.body
        assert "x-router-adapted-params" not in client.headers
        assert (world.account.status, world.account.charge.uncharged) == (200, 0)

    def test_a_response_that_was_cut_for_want_of_money_is_not_cached(self):
        def cached(completion_tokens):
            usage = {**USAGE, "completion_tokens": completion_tokens}
            world = World({**WHOLE, "usage": usage}, key=paying(self.PURSE))
            return [hits(world).headers["x-router-cache"] for _ in range(2)][1]

        assert cached(7) == "hit"
        assert cached(400) == "miss"


class TestCache:
    def test_a_hit_is_free_and_needs_no_money(self):
        world = World(WHOLE, key=paying(10**9))
        first = hits(world)
        world.key = paying(0)
        second = hits(world)
        assert second.body == first.body
        assert second.content_type == first.content_type
        assert second.headers["x-router-cache"] == "hit"
        hit = world.finished[-1]
        assert (hit.cache_hit, hit.charge.charged, hit.provider, hit.status) == (True, 0, None, 200)

    def test_misses_are_what_was_looked_for_and_not_there(self):
        def misses():
            world.metrics.sum_up()
            return world.metrics.registry.get_sample_value(
                "tornado_router_cache_misses_total", {"model": "cached"}
            )

        world = World(WHOLE, key=Key(2, 1, "laptop", rates=(TWO,)))
        hits(world)
        assert misses() == 1
        hits(world)
        assert world.refused(model="cached", temperature=0).status == 429
        world.key = KEY
        hits(world, control=CacheControl(read=False))
        assert misses() == 1

    def test_a_hit_says_which_parameters_were_dropped(self):
        world = World(WHOLE)
        assert [hits(world).headers["x-router-dropped-params"] for _ in range(2)] == ["seed"] * 2
        assert [call.dropped_params for call in world.finished] == [("seed",)] * 2

    def test_a_hit_counts_as_a_request(self):
        world = World(WHOLE, key=Key(2, 1, "laptop", rates=(TWO,)))
        hits(world)
        assert hits(world).headers["x-ratelimit-remaining-requests"] == "0"
        assert world.refused(model="cached", temperature=0).status == 429

    @WAYS
    @pytest.mark.parametrize(
        "asked",
        [
            {"model": "cached", "temperature": 0},
            {"model": "cached", "temperature": 0.5},
            {"model": "fast", "temperature": 0},
            {"model": "cached", "temperature": 0, "seed": 10**30},
        ],
        ids=["a miss", "too warm", "a route that caches nothing", "no JSON of orjson's"],
    )
    def test_only_if_cached_never_asks_a_provider(self, asked, stream):
        world = World(WHOLE, key=Key(2, 1, "laptop", rates=(TWO,)))
        for control in (ONLY_IF_CACHED, CacheControl(False, False, None, True)):
            error = world.refused(**asked, control=control, stream=stream)
            assert (error.status, error.code) == (504, "not_cached")
            assert error.headers["x-should-retry"] == "false"
        assert world.provider.calls == 0
        assert world.refused(**asked, control=ONLY_IF_CACHED).status == 429  # they count

    def test_only_if_cached_takes_a_hit(self):
        world = World(WHOLE)
        hits(world)
        assert hits(world, control=ONLY_IF_CACHED).headers["x-router-cache"] == "hit"

    def test_a_stream_comes_again_as_it_was(self):
        world = World([chunk("a")], [LAST])
        first, second = hits(world, stream=True), hits(world, stream=True)
        assert first.body == second.body
        assert second.content_type == first.content_type
        assert second.is_stream
        assert [item.cache_hit for item in world.finished] == [False, True]
        assert (world.provider.calls, world.provider.closed) == (1, 1)

    def test_a_client_that_leaves_a_cached_stream(self):
        """It is recorded as soon as it begins, once, and whatever becomes of its client."""
        world = World([chunk("a")], [LAST])
        hits(world, stream=True)
        with pytest.raises(ClientLeftError):
            hits(world, stream=True, client=Reader(leaves_after=0))
        assert [item.status for item in world.finished] == [200] * 2
        assert world.provider.calls == 1

    def test_a_stream_that_its_client_leaves_is_not_cached(self):
        world = World([chunk("a")], [chunk("b")], [LAST])
        for _ in range(2):
            client = Reader(leaves_after=1)
            with pytest.raises(ClientLeftError):
                hits(world, stream=True, client=client)
            assert client.headers["x-router-cache"] == "miss"
        assert world.provider.calls == 2

    def test_usage_is_in_a_cached_stream_only_if_it_was_asked_for(self):
        world = World([chunk("a")], [LAST])

        def ask(options):
            client = hits(world, stream=True, stream_options=options)
            return client.headers["x-router-cache"], len(client.events)

        wanted, unwanted = {"include_usage": True}, {"include_usage": False}
        assert ask(wanted) == ("miss", 3)
        assert ask(unwanted) == ("miss", 2)
        assert ask(wanted) == ("hit", 3)
        assert ask(unwanted) == ("hit", 2)


def test_a_secret_in_the_name_of_a_model_reaches_the_provider_alone():
    secret = "sk-proj-0123456789abcdefghij"
    world = World(WHOLE)
    client = world.ask(model=f"p/{secret}")
    assert world.provider.asked_for == [secret]
    assert client.headers["x-router-target"] == "p/[redacted]"
    assert (world.account.model, world.account.target_model) == ("[redacted]", "[redacted]")
    assert [call.model for call in world.books.begun] == ["[redacted]"]


def test_usage_is_not_estimated_where_the_vendor_reports_it():
    world = World([chunk("a" * 400)], [LAST])
    world.ask(stream=True)
    assert world.account.usage.completion_tokens == USAGE["completion_tokens"]
