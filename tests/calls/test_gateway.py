"""The whole story of a call: whatever becomes of it, it is accounted for once."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import ClassVar

import orjson
import pytest

from tornado_router.accounts.key_lookup import Key
from tornado_router.calls import gateway as gateway_module
from tornado_router.calls.admission import Admission
from tornado_router.calls.dispatch import Dispatcher
from tornado_router.calls.gateway import CACHE_DEFAULTS, Gateway
from tornado_router.calls.response_cache import CacheControl, ResponseCache
from tornado_router.calls.tool_state import Memory
from tornado_router.config.options import (
    CacheOptions,
    PriceOptions,
    PricingOptions,
    ProviderOptions,
    RequestLogOptions,
    RouteOptions,
    RoutingOptions,
)
from tornado_router.errors import ApiError, ProviderError, StoppedError
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.limits import Demand, Purse, Rates
from tornado_router.limits.memory import MemoryLimiter
from tornado_router.observability.metrics import Metrics
from tornado_router.observability.trace_context import TraceContext
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Call, Provider
from tornado_router.redis.stores import ProcessStore
from tornado_router.routing.health import Health
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.prices import Prices
from tornado_router.routing.routes import Router
from tornado_router.routing.selection import Selection
from tornado_router.sse import Decoder

USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
KEY = Key(2, 1, "laptop")
PRICES = {"p/m1": PriceOptions(input=1.0, output=2.0)}  # 1,000 and 2,000 billionths a token


def paying(billionths):
    return Key(2, 1, "laptop", purses=(Purse("credits:1", billionths, 0),))


def chunk(content):
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": content}}]}


LAST = {"id": "c", "choices": [], "usage": USAGE}


class Scripted(Provider):
    """A model in this process that plays a script: answers, errors, and `WAIT` for ever."""

    capabilities: ClassVar = {"chat.completions": ("stream",)}
    WAIT = "wait"
    dropped = ("seed",)

    def __init__(self, *script):
        super().__init__("p", {})
        self.script = script
        self.began = asyncio.Event()
        self.calls = 0
        self.closed = 0
        self.asked_for = []

    async def play(self, item):
        if item is self.WAIT:
            self.began.set()
            await asyncio.Event().wait()
        if isinstance(item, BaseException):
            raise item
        return item

    async def send(self, call, http):
        self.calls += 1
        call.dropped.extend(self.dropped)
        self.asked_for.append(call.model)
        return await self.play(self.script[0])

    async def stream(self, call, http):
        self.calls += 1
        call.dropped.extend(self.dropped)
        try:
            for item in self.script:
                yield await self.play(item)
        finally:
            self.closed += 1


class Books:
    """Stands for the ledger: what it was told, in order."""

    def __init__(self):
        self.begun = []
        self.notes = []
        self.added = []
        self.has_room = True

    def begin(self, call):
        self.begun.append(call)

    def note(self, call):
        self.notes.append(call)

    def add(self, call):
        self.added.append(call)

    def takes_more(self):
        return self.has_room


class World:
    """A gateway before one provider."""

    def __init__(self, *script, key=KEY, first=16, revoked=None, telemetry=None):
        self.stopping = False
        self.provider = Scripted(*script)
        self.finished = []
        self.key = key
        self.limiter = MemoryLimiter()
        self.bounds = OutputBounds(first)
        providers = {
            "p": ConfiguredProvider("p", ProviderOptions(type="t"), self.provider),
            "off": ConfiguredProvider("off", ProviderOptions(type="t"), off="api_key is empty"),
        }
        routes = {
            "fast": RouteOptions(targets=("p/m1",)),
            "dead": RouteOptions(targets=("off/m",)),
            "cached": RouteOptions(targets=("p/m1",), cache_seconds=60),
        }
        self.books = Books()
        self.metrics = Metrics()
        prices = Prices(PRICES, PricingOptions(price_package=False), providers)
        self.gateway = Gateway(
            Router(providers, routes),
            Selection({}, Health(RoutingOptions()), prices),
            Admission(
                self.limiter,
                prices,
                self.bounds,
                refuse_unpriced=True,
            ),
            Dispatcher(
                providers,
                {"p": None},
                Memory(ProcessStore(1000), 60),
                Health(RoutingOptions()),
                RoutingOptions(retries=0),
            ),
            recorder=RequestRecorder(None, RequestLogOptions()),
            cache=ResponseCache(ProcessStore(10_000), CacheOptions(), {}),
            ledger=self.books,
            metrics=self.metrics,
            observers={"a plugin": self.observe},
            telemetry=telemetry,
            is_revoked=revoked,
            is_stopping=lambda: self.stopping,
        )

    def observe(self, call):
        self.finished.append(call)

    async def run(
        self, *, stream=False, model="fast", control=CACHE_DEFAULTS, trace=None, **fields
    ):
        messages = [{"role": "user", "content": "x" * 40}]
        body = {"model": model, "messages": messages, **fields}
        call = Call("req_1", "chat.completions", model, body, json.dumps(body).encode(), stream)
        return await self.gateway.run(
            call, self.key, "client-7", time.monotonic(), cache_control=control, trace=trace
        )

    @property
    def account(self):
        """The one account of the call."""
        (finished,) = self.finished
        return finished


async def read(reply):
    return [event for raw in [e async for e in reply.events] for event in Decoder().feed(raw)]


def fail(*_):
    raise OSError(28, "No space left on device")


class FullDisk(World):
    """An observer that fails, after it was told."""

    def observe(self, call):
        super().observe(call)
        fail()


@pytest.mark.parametrize("stream", [False, True])
def test_an_observer_that_fails_fails_no_call(stream):
    answer = [chunk("a"), LAST] if stream else {"choices": [{"index": 0}], "usage": USAGE}
    world = FullDisk(answer)

    async def story():
        reply = await world.run(stream=stream)
        return await read(reply) if stream else reply.body

    assert asyncio.run(story())
    assert world.account.status == 200
    assert len(world.books.added) == 1


class TestWhole:
    def test_success(self):
        world = World({"choices": [{"index": 0}], "usage": USAGE})
        reply = asyncio.run(world.run())
        assert orjson.loads(reply.body) == {"choices": [{"index": 0}], "usage": USAGE}
        assert reply.events is None
        assert list(reply.dropped) == ["seed"]
        account = world.account
        assert (account.status, account.error_code) == (200, None)
        assert (account.usage.prompt_tokens, account.usage.completion_tokens) == (11, 7)
        assert not account.usage.estimated

    def test_the_account_says_whose_call_it_was_and_who_served_it(self):
        world = World({"choices": [{"index": 0}], "usage": USAGE})
        before = time.time()
        asyncio.run(world.run())
        account = world.account
        assert (account.call_id, account.request_id) == ("req_1", "client-7")
        assert (account.user_id, account.key_id, account.key_name) == (1, 2, "laptop")
        assert (account.endpoint, account.model) == ("chat.completions", "fast")
        assert (account.provider, account.target_model) == ("p", "m1")
        assert (account.stream, account.first_chunk) == (False, None)
        assert account.dropped_params == ("seed",)
        assert before <= account.finished_at <= time.time()
        assert account.duration >= 0

    def test_a_secret_in_the_name_of_a_model_is_told_to_the_provider_alone(self):
        secret = "sk-proj-0123456789abcdefghij"
        world = World({"choices": [{"index": 0}], "usage": USAGE})
        reply = asyncio.run(world.run(model=f"p/{secret}"))
        assert world.provider.asked_for == [secret]
        assert reply.headers["x-router-target"] == "p/[redacted]"
        assert (world.account.model, world.account.target_model) == ("[redacted]", "[redacted]")
        assert [call.model for call in world.books.begun] == ["[redacted]"]

    def test_without_usage_it_is_guessed(self):
        world = World({"choices": [{"message": {"content": "y" * 40}}]})
        asyncio.run(world.run())
        assert world.account.usage.estimated
        assert world.account.usage.prompt_tokens >= 10
        assert world.account.usage.completion_tokens == 10

    @pytest.mark.parametrize("model", ["nope", "dead", "off/m"])
    @pytest.mark.parametrize("stream", [False, True])
    def test_a_refusal_costs_nothing_and_is_accounted_for(self, model, stream):
        world = World()
        with pytest.raises(ApiError):
            asyncio.run(world.run(model=model, stream=stream))
        account = world.account
        assert (account.status, account.error_code) == (404, "model_not_found")
        assert (account.provider, account.target_model) == (None, None)
        assert (account.usage.prompt_tokens, account.usage.completion_tokens) == (0, 0)

    def test_of_an_error_in_the_router_the_place_is_known(self, monkeypatch):
        def fails(*_):
            raise KeyError("a prompt")

        world = World({"choices": [1]})
        monkeypatch.setattr(world.gateway._selection, "order", fails)
        with pytest.raises(KeyError):
            asyncio.run(world.run())
        account = world.account
        assert (account.status, account.error_code) == (500, "internal_error")
        assert account.internal_error.startswith("KeyError in ")
        assert "tornado_router.calls.gateway.Gateway.run:" in account.internal_error
        assert "a prompt" not in account.internal_error

    def test_a_call_is_part_of_a_trace(self):
        world = World({"choices": [{"message": {"content": "hi"}}]})
        asyncio.run(world.run(trace=TraceContext("4bf92f35")))
        assert world.account.trace_id == "4bf92f35"

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_failure_is_no_success(self, stream):
        world = World(ProviderError(429, "Slow down."))
        with pytest.raises(ProviderError):
            asyncio.run(world.run(stream=stream))
        account = world.account
        assert (account.status, account.error_code) == (429, "api_error")
        assert account.provider == "p"
        assert (account.usage.prompt_tokens, account.usage.completion_tokens) == (0, 0)

    @pytest.mark.parametrize("nonsense", [None, 5, {"choices": 5}])
    def test_an_answer_that_is_none_is_a_failure(self, nonsense):
        world = World(nonsense)
        with pytest.raises(ProviderError):
            asyncio.run(world.run())
        assert (world.account.status, world.account.error_code) == (502, "provider_fault")

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_stop_before_the_answer(self, stream):
        world = World(Scripted.WAIT)

        async def main():
            task = asyncio.get_running_loop().create_task(world.run(stream=stream))
            await world.provider.began.wait()
            world.stopping = True
            task.cancel()
            with pytest.raises(StoppedError):
                await task

        asyncio.run(main())
        account = world.account
        assert (account.status, account.error_code) == (503, "stopped")
        assert account.usage.prompt_tokens >= 10
        assert world.provider.closed == stream

    @pytest.mark.parametrize("stream", [False, True])
    def test_a_client_that_goes_away_before_the_answer(self, stream):
        world = World(Scripted.WAIT)

        async def main():
            task = asyncio.get_running_loop().create_task(world.run(stream=stream))
            await world.provider.began.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(main())
        account = world.account
        assert (account.status, account.error_code) == (499, "client_closed")
        assert account.usage.prompt_tokens >= 10  # the vendor may charge for it
        assert account.usage.completion_tokens == 0
        assert account.usage.estimated
        assert world.provider.closed == stream


class TestOverhead:
    """The client, the log, the metrics and the plugins are told the same."""

    @staticmethod
    def told(headers):
        return float(headers["x-router-overhead-ms"])

    def test_of_a_whole_answer(self):
        world = World({"choices": [{"index": 0}], "usage": USAGE})
        reply = asyncio.run(world.run())
        assert self.told(reply.headers) == round(world.account.overhead * 1000, 2)

    def test_of_a_failure(self):
        world = World(ProviderError(503, "Overloaded."))
        with pytest.raises(ProviderError) as caught:
            asyncio.run(world.run())
        assert self.told(caught.value.headers) == round(world.account.overhead * 1000, 2)

    @pytest.mark.parametrize("end", [LAST, ProviderError(503, "Overloaded.")])
    def test_of_a_stream_is_not_what_came_after_its_first_chunk(self, end):
        world = World([chunk("a")], [end] if end is LAST else end)

        async def main():
            reply = await world.run(stream=True)
            await read(reply)
            return reply

        reply = asyncio.run(main())
        assert self.told(reply.headers) == round(world.account.overhead * 1000, 2)

    def test_a_call_that_reached_no_provider_has_none(self):
        world = World()
        with pytest.raises(ApiError):
            asyncio.run(world.run(model="nope"))
        assert world.account.overhead is None


class TestStream:
    def test_success(self):
        world = World([chunk("a"), chunk("b")], [chunk("c"), LAST])

        async def main():
            reply = await world.run(stream=True)
            assert world.finished == []
            assert reply.body is None
            assert list(reply.dropped) == ["seed"]
            return await read(reply)

        events = asyncio.run(main())
        assert events.pop().data == b"[DONE]"
        assert [orjson.loads(event.data) for event in events] == [
            chunk("a"),
            chunk("b"),
            chunk("c"),
        ]
        account = world.account
        assert (account.status, account.error_code, account.stream) == (200, None, True)
        assert (account.usage.prompt_tokens, account.usage.completion_tokens) == (11, 7)
        assert 0 <= account.first_chunk <= account.duration
        assert world.provider.closed == 1

    def test_what_arrives_together_is_written_together(self):
        async def main():
            reply = await World([chunk("a"), chunk("b")], [chunk("c"), LAST]).run(stream=True)
            return [len(Decoder().feed(raw)) async for raw in reply.events]

        assert asyncio.run(main()) == [2, 1, 1]

    def test_first_chunks_that_are_not_for_the_client_write_nothing(self):
        async def main():
            reply = await World([LAST], [chunk("a")]).run(stream=True)
            return [raw async for raw in reply.events]

        events = asyncio.run(main())
        assert all(events)
        assert len(events) == 2

    def test_a_failure_on_the_way_is_an_event_and_never_a_success(self):
        world = World([chunk("x" * 40)], ProviderError(503, "Overloaded.", code="busy"))

        async def main():
            return await read(await world.run(stream=True))

        *_, last = asyncio.run(main())
        assert last.name == "error"
        assert orjson.loads(last.data)["error"]["message"] == "Overloaded."
        account = world.account
        assert (account.status, account.error_code) == (503, "busy")
        assert account.usage.estimated
        assert account.usage.completion_tokens == 10
        assert world.provider.closed == 1

    def test_nonsense_on_the_way(self):
        world = World([chunk("a")], [5])

        async def main():
            return await read(await world.run(stream=True))

        assert asyncio.run(main())[-1].name == "error"
        assert (world.account.status, world.account.error_code) == (502, "provider_fault")
        assert world.provider.closed == 1

    def test_nonsense_at_first_is_a_proper_error(self):
        world = World([5], [chunk("a")])

        async def main():
            with pytest.raises(ProviderError):
                await world.run(stream=True)
            assert world.provider.closed == 1  # now, and not when somebody collects it

        asyncio.run(main())
        assert (world.account.status, world.account.error_code) == (502, "provider_fault")
        assert world.provider.closed == 1

    def test_a_client_that_goes_away_on_the_way_pays_for_what_came(self):
        world = World([chunk("x" * 40)], [chunk("y" * 40)], Scripted.WAIT)

        async def main():
            async def client():
                async for _ in (await world.run(stream=True)).events:
                    pass

            task = asyncio.get_running_loop().create_task(client())
            await world.provider.began.wait()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        asyncio.run(main())
        account = world.account
        assert (account.status, account.error_code) == (499, "client_closed")
        assert account.usage.completion_tokens == 20
        assert account.usage.prompt_tokens >= 10
        assert world.provider.closed == 1

    def test_a_stop_tells_who_waits_for_the_provider(self):
        world = World([chunk("x" * 40)], Scripted.WAIT)

        async def main():
            async def client():
                return await read(await world.run(stream=True))

            task = asyncio.get_running_loop().create_task(client())
            await world.provider.began.wait()
            world.stopping = True
            task.cancel()
            return await task

        *_, last = asyncio.run(main())
        self.check_stopped(world, last)

    @pytest.mark.parametrize("chunks", [1, 2])
    def test_a_stop_tells_who_was_being_written_to(self, chunks):
        world = World([chunk("x" * 40)], *[[chunk("")]] * (chunks - 1), Scripted.WAIT)

        async def main():
            events = (await world.run(stream=True)).events
            for _ in range(chunks):
                await anext(events)
            world.stopping = True
            return [event async for raw in events for event in Decoder().feed(raw)]

        (last,) = asyncio.run(main())
        self.check_stopped(world, last)

    @staticmethod
    def check_stopped(world, last):
        assert last.name == "error"
        assert json.loads(last.data)["error"]["code"] == "stopped"
        account = world.account
        assert (account.status, account.error_code) == (503, "stopped")
        assert account.usage.completion_tokens == 10
        assert account.usage.prompt_tokens >= 10
        assert world.provider.closed == 1

    def test_a_stop_that_cannot_tell_is_no_doing_of_the_client(self):
        world = World([chunk("x" * 40)], Scripted.WAIT)

        async def main():
            events = (await world.run(stream=True)).events
            await anext(events)
            world.stopping = True
            await events.aclose()

        asyncio.run(main())
        assert (world.account.status, world.account.error_code) == (503, "stopped")

    def test_a_stop_adds_nothing_to_an_answer_that_is_whole(self):
        world = World([chunk("x" * 40)], [LAST])

        async def main():
            events = (await world.run(stream=True)).events
            received = []
            async for data in events:
                received.append(data)
                world.stopping = b"[DONE]" in data
            return received

        assert asyncio.run(main())[-1].endswith(b"data: [DONE]\n\n")
        assert world.account.status == 200

    @pytest.mark.parametrize("read", [0, 1, 2])
    def test_a_reply_that_is_closed_early(self, read):
        world = World([chunk("x" * 40)], [chunk("y" * 40)], [LAST])

        async def main():
            reply = await world.run(stream=True)
            for _ in range(read):
                await anext(reply.events)
            await reply.events.aclose()

        asyncio.run(main())
        account = world.account
        assert (account.status, account.error_code) == (499, "client_closed")
        assert account.usage.completion_tokens == (10 if read < 2 else 20)
        assert world.provider.closed == 1

    def test_a_reply_that_is_closed_at_its_end_was_a_success(self):
        world = World([chunk("a")], [LAST])

        async def main():
            reply = await world.run(stream=True)
            async for _ in reply.events:
                pass
            await reply.events.aclose()

        asyncio.run(main())
        assert world.account.status == 200


class TestLimits:
    """What a call holds while it runs is free again whatever becomes of it."""

    LIMITED = Key(2, 1, "laptop", rates=(Rates("key:2", 100, 100_000, 1),))

    @staticmethod
    def is_free(world):
        async def main():
            await world.limiter.admit(Demand("other", (Rates("key:2", None, None, 1),)))

        asyncio.run(main())

    @pytest.mark.parametrize(
        "answer", [{"choices": [{"index": 0}], "usage": USAGE}, ProviderError(500, "No."), {}]
    )
    def test_whole(self, answer):
        world = World(answer, key=self.LIMITED)
        try:
            reply = asyncio.run(world.run())
            headers = reply.headers
        except ApiError as error:
            headers = error.headers
        assert headers["x-ratelimit-limit-requests"] == "100"
        assert headers["x-ratelimit-remaining-requests"] == "99"
        self.is_free(world)

    @pytest.mark.parametrize(
        "script", [(chunk("a"), LAST), (chunk("a"), ProviderError(500, "No."))]
    )
    def test_streamed(self, script):
        world = World(
            *([item] if isinstance(item, dict) else item for item in script), key=self.LIMITED
        )

        async def main():
            reply = await world.run(stream=True)
            with pytest.raises(ApiError) as caught:
                await world.run(stream=True)
            assert caught.value.status == 429
            await read(reply)
            return reply

        reply = asyncio.run(main())
        assert reply.headers["x-ratelimit-limit-tokens"] == "100000"
        self.is_free(world)

    def test_a_client_that_goes_away_before_the_answer(self):
        world = World(Scripted.WAIT, key=self.LIMITED)

        async def main():
            task = asyncio.get_running_loop().create_task(world.run(), name="call")
            await world.provider.began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())
        self.is_free(world)

    def test_a_refusal_is_accounted_for(self):
        world = World({}, key=Key(2, 1, "laptop", rates=(Rates("key:2", 0),)))
        with pytest.raises(ApiError):
            asyncio.run(world.run())
        assert (world.account.status, world.account.error_code) == (429, "rate_limit_exceeded")


class TestMoney:
    def test_a_call_is_charged_what_it_cost(self):
        world = World({"choices": [{"index": 0}], "usage": USAGE}, key=paying(10**9))
        asyncio.run(world.run())
        account = world.account
        assert account.charge.charged == 11 * 1000 + 7 * 2000
        assert account.charge.uncharged == 0
        assert account.paid_from_credits
        assert orjson.loads(account.charge.prices)["output"] == "2"

    def test_but_never_more_than_there_is(self):
        usage = {"prompt_tokens": 11, "completion_tokens": 50_000, "total_tokens": 50_011}
        world = World({"choices": [{"index": 0}], "usage": usage}, key=paying(10**6))
        asyncio.run(world.run())
        account = world.account
        assert account.charge.charged == 1_000_000
        assert account.charge.charged + account.charge.uncharged == 11_000 + 50_000 * 2000

    def test_a_long_stream_goes_on_while_there_is_money(self):
        script = [[chunk("x" * 400)] for _ in range(50)]
        world = World(*script, [LAST], key=paying(10**9))

        async def main():
            return await read(await world.run(stream=True))

        events = asyncio.run(main())
        assert events[-1].data == b"[DONE]"
        assert len(events) == 51
        assert world.account.error_code is None

    @pytest.mark.parametrize("options", [None, {"include_usage": True}])
    def test_a_stream_ends_properly_when_the_money_is_gone(self, options):
        script = [[chunk("x" * 400)] for _ in range(50)]
        world = World(*script, [LAST], key=paying(10**6))

        async def main():
            return await read(await world.run(stream=True, stream_options=options))

        events = [event.data for event in asyncio.run(main())]
        assert events.pop() == b"[DONE]"
        if options:
            usage = orjson.loads(events.pop())
            assert usage["choices"] == []
            assert usage["usage"]["completion_tokens"] > 0
        last = orjson.loads(events[-1])
        assert last["id"] == "c"
        assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
        assert last["router"]["error"]["code"] == "insufficient_quota"
        assert 1 < len(events) < 10
        account = world.account
        assert (account.status, account.error_code) == (200, "insufficient_quota")
        assert 700_000 < account.charge.charged <= 1_000_000
        assert world.provider.closed == 1


WHOLE = {"choices": [{"index": 0}], "usage": USAGE}
ONLY_IF_CACHED = CacheControl(only_if_cached=True)
LIMITED = Rates("key:2", 2)


def ask(world, **asked):
    return asyncio.run(world.run(model="cached", temperature=0, **asked))


def refused(world, **asked):
    with pytest.raises(ApiError) as caught:
        asyncio.run(world.run(**asked))
    assert world.finished[-1].error_code == caught.value.code
    return caught.value


def test_names_of_dropped_parameters_are_recorded_short_and_without_secrets():
    world = World(WHOLE)
    world.provider.dropped = ("sk-ant-" + "a" * 40, "y" * 10**6, *map(str, range(1000)))
    asyncio.run(world.run())
    recorded = world.account.dropped_params
    assert recorded[:3] == ("[redacted]", "y" * 200, "0")
    assert len(recorded) == 50


class TestCache:
    def test_a_hit_is_free_and_needs_no_money(self):
        world = World(WHOLE, key=paying(10**9))
        first = ask(world)
        world.key = paying(0)
        second = ask(world)
        assert second.body == first.body
        assert second.headers["x-router-cache"] == "hit"
        hit = world.finished[-1]
        assert (hit.cache_hit, hit.charge.charged, hit.provider, hit.status) == (True, 0, None, 200)

    def test_misses_are_what_was_looked_for_and_not_there(self):
        def misses():
            return world.metrics.registry.get_sample_value(
                "tornado_router_cache_misses_total", {"model": "cached"}
            )

        world = World(WHOLE, key=Key(2, 1, "laptop", rates=(LIMITED,)))
        ask(world)
        assert misses() == 1
        ask(world)
        assert refused(world, model="cached", temperature=0).status == 429
        world.key = KEY
        ask(world, control=CacheControl(read=False))
        assert misses() == 1

    def test_a_hit_says_which_parameters_were_dropped(self):
        world = World(WHOLE)
        ask(world)
        ask(world)
        assert [call.dropped_params for call in world.finished] == [("seed",)] * 2

    def test_a_hit_that_cannot_be_told_is_told_once(self):
        world = World(WHOLE, telemetry=SimpleNamespace(add=fail))
        ask(world)
        assert ask(world).headers["x-router-cache"] == "hit"
        assert len(world.books.added) == 2

    def test_a_hit_counts_as_a_request(self):
        world = World(WHOLE, key=Key(2, 1, "laptop", rates=(LIMITED,)))
        ask(world)
        assert ask(world).headers["x-ratelimit-remaining-requests"] == "0"
        assert refused(world, model="cached", temperature=0).status == 429

    @pytest.mark.parametrize("control", [CACHE_DEFAULTS, ONLY_IF_CACHED])
    @pytest.mark.parametrize("seed", [1, 2], ids=["hit", "miss"])
    def test_without_permission_nobody_learns_what_is_cached(self, control, seed):
        world = World(WHOLE)
        ask(world, seed=1)
        world.key = Key(3, 1, "other", models=(("gpt-*",),), rates=(LIMITED,))
        error = refused(world, model="cached", temperature=0, seed=seed, control=control)
        assert (error.status, error.code) == (403, "model_not_permitted")
        assert "x-router-cache" not in error.headers

    @pytest.mark.parametrize("stream", [False, True])
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
        world = World(WHOLE, key=Key(2, 1, "laptop", rates=(LIMITED,)))
        for control in (ONLY_IF_CACHED, CacheControl(False, False, None, True)):
            error = refused(world, **asked, control=control, stream=stream)
            assert (error.status, error.code) == (504, "not_cached")
            assert error.headers["x-should-retry"] == "false"
        assert world.provider.calls == 0
        assert refused(world, **asked, control=ONLY_IF_CACHED).status == 429  # they count

    def test_only_if_cached_takes_a_hit(self):
        world = World(WHOLE)
        ask(world)
        assert ask(world, control=ONLY_IF_CACHED).headers["x-router-cache"] == "hit"

    @pytest.mark.parametrize("read", [False, True])
    def test_a_client_that_leaves_a_cached_stream(self, read):
        """It is in the books as soon as it begins, once, and whatever becomes of its client."""
        world = World([chunk("a")], [LAST])

        async def main():
            first = [raw async for raw in (await world.run(**asked)).events]
            for _ in range(2):
                reply = await world.run(**asked)
                assert reply.headers["x-router-cache"] == "hit"
                if read:
                    assert await anext(reply.events) == b"".join(first)
                await reply.events.aclose()

        asked = {"model": "cached", "temperature": 0, "stream": True}
        asyncio.run(main())
        assert [item.status for item in world.finished] == [200] * 3
        assert [item.cache_hit for item in world.finished] == [False, True, True]
        assert (world.provider.calls, world.provider.closed) == (1, 1)

    def test_a_stream_that_its_client_leaves_is_not_cached(self):
        world = World([chunk("a")], [LAST])

        async def main():
            for _ in range(2):
                reply = await world.run(**asked)
                assert reply.headers["x-router-cache"] == "miss"
                await anext(reply.events)
                await reply.events.aclose()

        asked = {"model": "cached", "temperature": 0, "stream": True}
        asyncio.run(main())
        assert world.provider.calls == 2

    def test_usage_is_in_a_cached_stream_only_if_it_was_asked_for(self):
        world = World([chunk("a")], [LAST])

        async def main(options):
            asked = {"stream": True, "temperature": 0, "stream_options": options}
            reply = await world.run(model="cached", **asked)
            return reply.headers["x-router-cache"], len(await read(reply))

        wanted, unwanted = {"include_usage": True}, {"include_usage": False}
        assert asyncio.run(main(wanted)) == ("miss", 3)
        assert asyncio.run(main(unwanted)) == ("miss", 2)
        assert asyncio.run(main(wanted)) == ("hit", 3)
        assert asyncio.run(main(unwanted)) == ("hit", 2)


class TestRevokedStreams:
    def test_is_cut(self, monkeypatch):
        monkeypatch.setattr(gateway_module, "REVOCATION_SECONDS", 0)
        asked = []

        async def revoked(key):
            asked.append(key.id)
            return len(asked) > 2

        world = World(*([chunk("a")] for _ in range(9)), [LAST], revoked=revoked)

        async def main():
            return await read(await world.run(stream=True))

        events = asyncio.run(main())
        assert events[-1].name == "error"
        assert orjson.loads(events[-1].data)["error"]["code"] == "invalid_api_key"
        assert len(events) < 9
        assert (world.account.status, world.account.error_code) == (401, "invalid_api_key")
