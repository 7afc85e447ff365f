"""One attempt: what comes of it, whose fault a fault is, and what is noted of it."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from typing import ClassVar

import orjson
import pytest
from loguru import logger

from tornado_router.calls.stores import ProcessStore
from tornado_router.calls.tool_state import ToolState
from tornado_router.config.options import RoutingOptions
from tornado_router.errors import ProviderError, bad_answer
from tornado_router.provider import Call, Provider, Relayed

from .dispatching import ANSWER, BOTH, SECRET, Gated, Scripted, Slow, World, call, failure


@pytest.fixture
def logged():
    lines = []
    sink = logger.add(lambda message: lines.append(str(message)), level="WARNING")
    yield lines
    logger.remove(sink)


def delta(**fields):
    return {"id": "c", "choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def relayed(body):
    return Relayed(body, orjson.dumps(body))


ROLE = delta(role="assistant")


class Plain(Provider):
    """Streams as the core does it."""

    capabilities: ClassVar = {"chat.completions": ("stream",)}


class TestPassing:
    """Events may go by unread only where nothing but the encoder wants to see them."""

    @pytest.mark.parametrize(
        ("provider", "asked", "traced", "passes"),
        [
            (Plain("a", {}), call(stream=True), False, True),
            (Plain("a", {}), call(stream=False), False, False),
            (Plain("a", {}), call(stream=True), True, False),
            (Plain("a", {}), replace(call(stream=True), endpoint="messages"), False, False),
            (Scripted("a"), call(stream=True), False, False),
        ],
        ids=["native", "whole", "traced", "behind a bridge", "with a stream of its own"],
    )
    def test_it(self, provider, asked, traced, passes):
        world = World(provider)
        world.attempts.traced = traced

        async def main():
            return await world.dispatcher._attempt(asked, world.targets[0], world.attempts)

        assert (asyncio.run(main()).call.passing is not None) == passes


class TestStream:
    def test_the_first_chunks_are_waited_for_and_the_rest_comes_as_it_comes(self):
        assert World(Scripted("a", ["1", "2"], ["3"])).stream() == [["1", "2"], ["3"]]

    def test_a_failure_before_the_first_chunk_goes_to_the_next(self):
        one, two = Scripted("one", failure()), Scripted("two", ["1"], ["2"])
        world = World(one, two)
        assert world.stream() == [["1"], ["2"]]
        assert world.tried == ["one", "two"]
        assert (one.closed, two.closed) == (1, 1)

    def test_an_empty_stream_is_a_failure_before_the_first_chunk(self):
        world = World(Scripted("one"), Scripted("two", ["1"]))
        assert world.stream() == [["1"]]
        error = World(Scripted("one")).refused(stream=True)
        assert (error.status, error.code) == (502, "bad_provider_answer")

    def test_a_stream_begins_with_its_first_chunk_and_not_before(self):
        assert World(Scripted("a", [], [], ["1"], ["2"])).stream() == [["1"], ["2"]]
        world = World(Scripted("a", [], failure()), Scripted("b", ["1"]))
        assert world.stream() == [["1"]]
        assert world.tried == ["a", "b"]

    def test_behind_the_first_chunk_nothing_is_tried_again(self):
        one, two = Scripted("one", ["1"], failure(503, "Overloaded.")), Scripted("two", ["1"])
        world = World(one, two)
        first, error = world.stream()
        assert first == ["1"]
        assert (error.status, error.message) == (503, "Overloaded.")
        assert world.tried == ["one"]
        assert one.closed == 1

    @pytest.mark.parametrize(
        "batches",
        [
            [[ROLE]],
            [[ROLE, delta(content="")]],
            [[ROLE], [delta(content="", refusal=None)], []],
            [[{"choices": [], "prompt_filter_results": [{}]}], [ROLE]],
            [[{"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 0}}]],
            [[relayed(ROLE)], [relayed({"choices": None})]],
            [[delta(tool_calls=[], reasoning_content="")]],
        ],
        ids=str,
    )
    def test_before_the_first_content_a_failure_goes_to_the_next(self, batches):
        one, two = Scripted("one", *batches, failure()), Scripted("two", *batches, ["1"], ["2"])
        world = World(one, two)
        held = [chunk for batch in batches for chunk in batch]
        assert world.stream() == [[*held, "1"], ["2"]]
        assert world.tried == ["one", "two"]
        assert world.outcomes == [(False, 502, None), (True, None, None)]

    @pytest.mark.parametrize(
        "content",
        [
            delta(content="a"),
            relayed(delta(refusal="a")),
            delta(reasoning_content="a"),
            delta(thinking=[{"text": "a"}]),
            delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": ""}}]),
            delta(function_call={"name": "f"}),
            delta(audio={"data": "AA=="}),
        ],
        ids=str,
    )
    def test_behind_it_nothing_is_tried_again(self, content):
        world = World(Scripted("one", [ROLE], [content], failure()), Scripted("two", ["1"]))
        first, error = world.stream()
        assert first == [ROLE, content]
        assert error.status == 502
        assert world.tried == ["one"]

    def test_an_end_without_content_is_one_all_the_same(self):
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        world = World(Scripted("one", [ROLE], [end]), Scripted("two", ["1"]))
        assert world.stream() == [[ROLE, end]]
        assert world.outcomes == [(True, None, None)]

    @pytest.mark.parametrize("form", [dict, lambda chunk: relayed({**chunk, "x": "x" * 170})])
    def test_what_is_held_back_for_it_is_bounded(self, form):
        role = form(ROLE)
        first, error = World(Scripted("one", *([role] for _ in range(1000)), failure())).stream()
        assert 200 < len(first) < 300
        assert error.status == 502

    def test_closing_it_closes_the_providers(self):
        one = Scripted("one", ["1"], ["2"])

        async def main():
            attempt = await World(one).send(call(stream=True))
            await attempt.aclose()

        asyncio.run(main())
        assert one.closed == 1

    def test_a_plugin_that_fails_as_it_is_closed_fails_no_call(self, logged):
        class Odd(Scripted):
            async def stream(self, call, http):
                try:
                    yield ["1"]
                finally:
                    raise ValueError("my secret prompt")

        async def main():
            attempt = await World(Odd("odd")).send(call(stream=True))
            await attempt.aclose()

        asyncio.run(main())
        assert "odd/m-odd raised ValueError (attempt 1) in request r1" in "".join(logged)


class TestFaultsOfPlugins:
    @pytest.mark.parametrize(
        "error",
        [
            KeyError("my secret prompt"),
            TimeoutError(),
            ExceptionGroup("x", [OSError()]),
            SystemExit(3),
        ],
    )
    @BOTH
    def test_an_exception_is_the_plugins_and_the_next_target_serves(self, error, stream, logged):
        world = World(Scripted("bad", error), Scripted("good", ["1"] if stream else ANSWER))
        assert world.stream() == [["1"]] if stream else world.ask() is ANSWER
        assert world.tried == ["bad", "good"]

    @BOTH
    def test_the_client_learns_who_failed_and_nothing_else(self, stream):
        error = World(Scripted("bad", ValueError("my secret prompt"))).refused(stream)
        assert error.body()["error"] == {
            "message": "The provider 'bad' failed.",
            "type": "api_error",
            "param": None,
            "code": "provider_fault",
        }
        assert error.status == 502
        assert error.__cause__ is None

    @BOTH
    def test_the_log_says_where_but_never_the_prompt(self, stream, logged):
        World(Scripted("bad", ValueError("my secret prompt"))).refused(stream)
        text = "".join(logged)
        assert "bad/m-bad raised ValueError (attempt 1) in request r1" in text
        assert "in play" in text
        assert "my secret prompt" not in text

    def test_in_the_middle_of_a_stream(self):
        first, error = World(Scripted("bad", ["1"], ZeroDivisionError())).stream()
        assert first == ["1"]
        assert (error.status, error.code) == (502, "provider_fault")

    def test_a_stream_that_is_none(self):
        class Odd(Scripted):
            def stream(self, call, http):
                return None

        assert World(Odd("odd")).refused(stream=True).code == "provider_fault"


class TestLog:
    @BOTH
    def test_a_failure_is_logged_once_by_its_target_attempt_and_request(self, stream, logged):
        first = Scripted("a", failure(500, "my secret prompt", code="oops"))
        World(first, Scripted("b", failure(503))).refused(stream)
        assert [line.rpartition(" - ")[2] for line in logged] == [
            "a/m-a failed with status 500, oops (attempt 1) in request r1\n",
            "b/m-b failed with status 503 (attempt 2) in request r1\n",
        ]

    @BOTH
    def test_secrets_are_taken_out(self, stream, logged):
        error = World(Scripted("a", failure(400, f"Use {SECRET}.", code=SECRET))).refused(stream)
        assert (error.message, error.code) == ("Use ***.", "***")
        assert "failed with status 400, ***" in "".join(logged)
        assert SECRET not in "".join(logged)

    @BOTH
    def test_the_operator_learns_that_the_account_at_a_vendor_is_empty(self, stream, logged):
        quota = failure(429, "Your quota of $7 is used up.", code="insufficient_quota")
        error = World(Scripted("a", quota)).refused(stream)
        assert (error.status, error.code) == (503, "insufficient_quota")
        assert "$7" not in error.message
        assert (
            "a/m-a refused the router's account, which cannot pay: status 429, insufficient_quota "
            "(attempt 1) in request r1"
        ) in "".join(logged)


class TestDropped:
    class Dropping(Scripted):
        async def send(self, call, http):
            call.dropped.append(f"seed of {self.name}")
            return await super().send(call, http)

    def test_only_what_the_last_one_left_out_is_told(self):
        world = World(self.Dropping("a", failure()), self.Dropping("b", ANSWER))
        world.ask()
        assert world.attempts.dropped == ["seed of b"]

    @pytest.mark.parametrize("policy", ["reject", "drop"])
    def test_providers_learn_what_the_operator_wants(self, policy):
        one = Scripted("one", ANSWER)
        World(one, unsupported=policy).ask()
        assert one.calls[0].unsupported == policy


class TestMemory:
    class Signing(Scripted):
        remembers = True

        async def send(self, call, http):
            answer = await super().send(call, http)
            call.keep("call_1", f"signed by {self.name}")
            return answer

        async def stream(self, call, http):
            async with aclosing(super().stream(call, http)) as chunks:
                async for batch in chunks:
                    call.keep("call_1", f"signed by {self.name}")
                    yield batch

    def again(self, memory, provider, user_id=1):
        """What a provider is told on the next turn of a conversation."""
        world = World(provider, memory=memory)
        world.attempts.user_id = user_id
        body = {"messages": [{"role": "assistant", "tool_calls": [{"id": "call_1"}]}]}
        asyncio.run(world.send(Call("r2", "chat.completions", "fast", body, b"", False)))
        return provider.calls[0].memory

    @BOTH
    def test_what_was_kept_comes_back_with_the_tool_call(self, stream):
        memory = ToolState(ProcessStore(1000), 60)
        world = World(self.Signing("a", ["1"] if stream else ANSWER), memory=memory)
        world.stream() if stream else world.ask()
        assert self.again(memory, self.Signing("a", ANSWER)) == {"call_1": "signed by a"}

    def test_to_the_same_provider_and_user_only(self):
        memory = ToolState(ProcessStore(1000), 60)
        World(self.Signing("a", ANSWER), memory=memory).ask()
        assert self.again(memory, self.Signing("b", ANSWER)) == {}
        assert self.again(memory, self.Signing("a", ANSWER), user_id=2) == {}

    def test_a_provider_that_does_not_ask_is_told_nothing(self):
        memory = ToolState(ProcessStore(1000), 60)
        World(self.Signing("a", ANSWER), memory=memory).ask()
        assert self.again(memory, Scripted("a", ANSWER)) == {}

    def test_it_is_there_before_the_client_sees_the_call(self):
        memory = ToolState(ProcessStore(1000), 60)

        async def main():
            world = World(self.Signing("a", ["1"], ["2"]), memory=memory)
            attempt = await world.send(call(stream=True))
            kept = await memory.recall((1, "a"), ["call_1"])
            await attempt.aclose()
            return kept

        assert asyncio.run(main()) == {"call_1": "signed by a"}


class TestHealth:
    """What the circuit breaker learns."""

    @BOTH
    def test_calls_in_flight_are_counted_until_they_are_over(self, stream):
        async def main():
            world = World(Scripted("a", ["one"], ["two"]))
            target = world.targets[0]
            attempt = await world.send(call(stream))
            if stream:
                assert world.health.in_flight(target) == 1
                await attempt.aclose()
            assert world.health.in_flight(target) == 0

        asyncio.run(main())

    @BOTH
    def test_a_target_cut_off_by_the_deadline_failed_once(self, stream):
        routing = RoutingOptions(retries=0, deadline_seconds=0.05, slow_seconds=0.01)
        world = World(Scripted("a", failure(503)), Slow("b"), routing=routing)
        world.refused(stream)
        failures = {item.target.provider: item.failures for item in world.health.targets()}
        assert failures == {"a": 1, "b": 1}


class TestWhatIsToldOfAttempts:
    @BOTH
    def test_each_has_its_outcome(self, stream):
        world = World(Scripted("one", failure(503, code="busy")), Scripted("two", ANSWER))
        world.stream() if stream else world.ask()
        assert world.outcomes == [(False, 503, "busy"), (True, None, None)]

    def test_a_stream_that_breaks_off_began_and_failed(self):
        world = World(Scripted("one", ANSWER, failure(503, code="busy")))
        world.stream()
        assert world.outcomes == [(True, 503, "busy")]

    def test_a_stream_that_ends_before_it_began_failed(self):
        world = World(Scripted("one"))
        world.refused(stream=True)
        assert world.outcomes == [(False, 502, "bad_provider_answer")]

    @BOTH
    def test_one_that_another_outran_neither_failed_nor_answered(self, stream):
        world = World(Gated("slow", ANSWER), Scripted("fast", ANSWER))

        async def main():
            attempt = await world.send(call(stream), 0.01)
            await attempt.aclose()

        asyncio.run(main())
        assert world.outcomes == [(False, None, None), (True, None, None)]


class TestRecords:
    """What is noted of attempts for traces."""

    @staticmethod
    def records(world, stream=False):
        world.attempts.traced = True
        world.stream() if stream else world.ask()
        return world.attempts.records

    @BOTH
    def test_what_is_answered_is_not_read_if_nobody_traces(self, stream):
        answer = {"id": "a1", "choices": [1]}
        world = World(Scripted("a", [answer] if stream else answer))
        world.stream() if stream else world.ask()
        (record,) = world.attempts.records
        assert (record.complete, record.response_id) == (True, None)

    def test_a_fallback(self):
        answer = {"id": "a1", "choices": [{"finish_reason": "stop"}]}
        world = World(Scripted("a", ProviderError(503, "no", code="busy")), Scripted("b", answer))
        failed, served = self.records(world)
        assert (failed.provider, failed.model, failed.complete) == ("a", "m-a", False)
        assert (failed.status, failed.error_code) == (503, "busy")
        assert failed.began <= failed.ended <= served.began <= served.ended
        assert (served.complete, served.status, served.response_id) == (True, None, "a1")
        assert served.otel_provider_name == "t"  # the name of its type

    def test_a_vendor_that_opentelemetry_knows(self):
        provider = Scripted("a", {"choices": [1]})
        provider.otel_provider_name = "gcp.gemini"
        (record,) = self.records(World(provider))
        assert record.otel_provider_name == "gcp.gemini"

    def test_a_stream(self):
        chunk = {"id": "a1", "choices": [{"finish_reason": "stop"}]}
        (record,) = self.records(World(Scripted("a", [chunk], [])), stream=True)
        assert record.began <= record.first_chunk <= record.ended
        assert (record.complete, record.finish_reasons) == (True, ["stop"])

    def test_a_stream_that_breaks(self):
        (record,) = self.records(World(Scripted("a", ["1"], bad_answer("Oh."))), stream=True)
        assert (record.complete, record.status) == (False, 502)
        assert record.first_chunk is not None

    def test_nonsense_of_a_plugin_is_left_to_others(self):
        (record,) = self.records(World(Scripted("a", "nonsense")))
        assert record.complete
