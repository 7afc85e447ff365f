"""One call, several targets: the order, when the next is tried, and whose fault a fault is."""

import asyncio
import time
from contextlib import aclosing
from typing import ClassVar

import orjson
import pytest
from loguru import logger

from tornado_router.calls.dispatch import Attempts, ChunkStream, Dispatcher
from tornado_router.calls.tool_state import Memory
from tornado_router.config.options import ProviderOptions, RoutingOptions
from tornado_router.errors import ApiError, ProviderError
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Call, Provider, bad_answer
from tornado_router.redis.stores import ProcessStore
from tornado_router.routing.health import Health
from tornado_router.routing.routes import Target

SECRET = "sk-hunter2"


class Scripted(Provider):
    """A model in this process: gives or raises what it was told, and remembers what was asked."""

    capabilities: ClassVar = {"chat.completions": ("stream",)}

    def __init__(self, name, *script):
        super().__init__(name, {})
        self.script = list(script)
        self.calls = []
        self.closed = 0

    async def send(self, call, http):
        self.calls.append(call)
        await asyncio.sleep(0)
        return self.play(self.script.pop(0))

    async def stream(self, call, http):
        self.calls.append(call)
        try:
            for item in self.script:
                await asyncio.sleep(0)
                yield self.play(item)
        finally:
            self.closed += 1

    @staticmethod
    def play(item):
        if isinstance(item, BaseException):
            raise item
        return item


@pytest.fixture
def logged():
    lines = []
    sink = logger.add(lambda message: lines.append(str(message)), level="WARNING")
    yield lines
    logger.remove(sink)


def call(stream=False):
    body = {"model": "fast", "messages": [{"role": "user", "content": "my secret prompt"}]}
    return Call("r1", "chat.completions", "fast", body, orjson.dumps(body), stream)


class World:
    """Some providers, and a call that goes to each in turn as `NAME/m-NAME`."""

    def __init__(self, *providers, memory=None, routing=None, **options):
        self.health = Health(routing or RoutingOptions())
        common = ProviderOptions(type="t", **options)
        self.targets = [Target(item.name, f"m-{item.name}") for item in providers]
        self.attempts = Attempts(user_id=1, started=time.monotonic())
        self.dispatcher = Dispatcher(
            {
                item.name: ConfiguredProvider(item.name, common, item, secrets=(SECRET,))
                for item in providers
            },
            {item.name: None for item in providers},
            memory or Memory(ProcessStore(1000), 60),
            self.health,
            routing or RoutingOptions(retries=0),
        )

    async def send(self, call):
        return await self.dispatcher.send(call, self.targets, self.attempts)

    def ask(self):
        return asyncio.run(self.send(call()))

    def stream(self):
        """Every batch of a stream; of one that fails, those before, and the error."""

        async def main():
            answer = await self.send(call(stream=True))
            assert isinstance(answer, ChunkStream)
            batches = [answer.first]
            try:
                async with aclosing(answer.rest) as rest:
                    async for batch in rest:
                        batches.append(batch)
            except ApiError as error:
                batches.append(error)
            return batches

        return asyncio.run(main())

    def refused(self, stream=False):
        with pytest.raises(ApiError) as caught:
            asyncio.run(self.send(call(stream)))
        return caught.value

    @property
    def tried(self):
        return [target.provider for target in self.attempts.targets]

    @property
    def outcomes(self):
        """Of each attempt: whether an answer began, and the failure."""
        return [
            (record.answered, record.status, record.error_code) for record in self.attempts.records
        ]


def failure(status=500, message="It broke.", retryable=True, **fields):
    return ProviderError(status, message, retryable=retryable, **fields)


BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
ANSWER = {"choices": []}


class TestOrder:
    def test_the_first_that_answers_is_enough(self):
        one, two = Scripted("one", ANSWER), Scripted("two", ANSWER)
        world = World(one, two)
        assert world.ask() is ANSWER
        assert world.tried == ["one"]
        assert two.calls == []

    def test_each_sees_its_own_name_of_the_model_and_the_same_request(self):
        one, two = Scripted("one", failure()), Scripted("two", ANSWER)
        world = World(one, two)
        world.ask()
        assert [item.calls[0].model for item in (one, two)] == ["m-one", "m-two"]
        assert one.calls[0].body is two.calls[0].body
        assert one.calls[0].body["model"] == "fast"
        assert world.attempts.last == Target("two", "m-two")

    def test_each_is_tried_once(self):
        world = World(*(Scripted(name, failure(status=429)) for name in ("a", "b", "c")))
        world.refused()
        assert world.tried == ["a", "b", "c"]

    @BOTH
    def test_the_last_failure_is_the_answer(self, stream):
        world = World(Scripted("a", failure(500)), Scripted("b", failure(429, "Slow down.")))
        error = world.refused(stream)
        assert (error.status, error.message) == (429, "Slow down.")

    @BOTH
    def test_what_every_target_would_refuse_is_refused_at_once(self, stream):
        world = World(Scripted("a", failure(400, "Too long.", retryable=False)), Scripted("b"))
        assert world.refused(stream).message == "Too long."
        assert world.tried == ["a"]

    @BOTH
    def test_a_refusal_of_the_router_itself_is_not_tried_elsewhere(self, stream):
        world = World(Scripted("a", ApiError(400, "Never.", param="n")), Scripted("b"))
        assert world.refused(stream).param == "n"
        assert world.tried == ["a"]

    @BOTH
    def test_a_client_that_goes_away_is_not_taken_elsewhere(self, stream):
        world = World(Scripted("a", asyncio.CancelledError()), Scripted("b", ANSWER))
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(world.send(call(stream)))
        assert world.tried == ["a"]


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

    def test_behind_the_first_chunk_nothing_is_tried_again(self):
        one, two = Scripted("one", ["1"], failure(503, "Overloaded.")), Scripted("two", ["1"])
        world = World(one, two)
        first, error = world.stream()
        assert first == ["1"]
        assert (error.status, error.message) == (503, "Overloaded.")
        assert world.tried == ["one"]
        assert one.closed == 1

    def test_closing_it_closes_the_providers(self):
        one = Scripted("one", ["1"], ["2"])

        async def main():
            answer = await World(one).send(call(stream=True))
            await answer.rest.aclose()

        asyncio.run(main())
        assert one.closed == 1


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


class TestWhatTheClientSees:
    @pytest.mark.parametrize(
        ("status", "seen"),
        [
            *((status, status) for status in (400, 404, 408, 409, 413, 422, 429, 503, 504)),
            (500, 502),
            (502, 502),
            (529, 503),
            (301, 502),
            (599, 502),
        ],
    )
    @BOTH
    def test_statuses(self, status, seen, stream):
        assert World(Scripted("a", failure(status))).refused(stream).status == seen

    @pytest.mark.parametrize("status", [401, 403])
    @BOTH
    def test_the_routers_own_key_is_not_the_clients_fault(self, status, stream):
        error = World(Scripted("a", failure(status, f"Incorrect API key: {SECRET}"))).refused(
            stream
        )
        assert (error.status, error.code) == (502, "provider_refused_credentials")
        assert error.message == "The provider 'a' refused the router's credentials."

    @BOTH
    def test_secrets_are_taken_out_of_messages(self, stream, logged):
        error = World(Scripted("a", failure(400, f"Use {SECRET}, not {SECRET}x."))).refused(stream)
        assert error.message == "Use ***, not ***x."
        assert SECRET not in "".join(logged)

    @BOTH
    def test_secrets_are_taken_out_of_a_plugins_own_refusal(self, stream):
        refusal = ApiError(400, f"Not with {SECRET}.", param=SECRET)
        error = World(Scripted("a", refusal)).refused(stream)
        assert (error.message, error.param) == ("Not with ***.", "***")

    @BOTH
    def test_a_vendors_words_forge_no_line_of_the_log(self, stream, logged):
        given = failure(400, "a\nb\ud800", code="x\n12:00 INFO forged", type=["no", "text"])
        error = World(Scripted("a", given)).refused(stream)
        assert (error.message, error.type) == ("a b ", "api_error")
        assert error.code == "x 12:00 INFO forged"
        assert not any("\n" in line.rstrip("\n") for line in logged)

    @BOTH
    def test_the_vendors_bill_is_not_the_clients(self, stream):
        assert World(Scripted("a", failure(402))).refused(stream).status == 503

    def test_secrets_are_taken_out_behind_the_first_chunk_too(self):
        _, error = World(Scripted("a", ["1"], failure(400, SECRET))).stream()
        assert error.message == "***"

    @BOTH
    def test_the_rest_of_an_error_is_kept(self, stream):
        given = failure(
            429, "Slow.", type="tokens", param="n", code="rate_limit", headers={"Retry-After": "7"}
        )
        error = World(Scripted("a", given)).refused(stream)
        assert error.body()["error"] == {
            "message": "Slow.",
            "type": "tokens",
            "param": "n",
            "code": "rate_limit",
        }
        assert error.headers == {"Retry-After": "7"}

    @BOTH
    @pytest.mark.parametrize(
        ("status", "fields", "headers"),
        [
            (429, {}, {"Retry-After": "1"}),
            (503, {}, {"Retry-After": "1"}),
            (529, {}, {"Retry-After": "1"}),
            (402, {}, {}),
            (429, {"code": "insufficient_quota"}, {}),
            (429, {"retryable": False}, {}),
            (500, {}, {}),
        ],
        ids=["429", "503", "529", "no_money", "no_quota", "too_large", "500"],
    )
    def test_a_client_hears_when_to_try_again(self, stream, status, fields, headers):
        error = World(Scripted("a", failure(status, **fields))).refused(stream)
        assert error.headers == headers

    @BOTH
    def test_a_failure_is_logged_once_by_its_target_attempt_and_request(self, stream, logged):
        first = Scripted("a", failure(500, "my secret prompt", code="oops"))
        World(first, Scripted("b", failure(503))).refused(stream)
        assert [line.rpartition(" - ")[2] for line in logged] == [
            "a/m-a failed with status 500, oops (attempt 1) in request r1\n",
            "b/m-b failed with status 503 (attempt 2) in request r1\n",
        ]


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
        memory = Memory(ProcessStore(1000), 60)
        world = World(self.Signing("a", ["1"] if stream else ANSWER), memory=memory)
        world.stream() if stream else world.ask()
        assert self.again(memory, self.Signing("a", ANSWER)) == {"call_1": "signed by a"}

    def test_to_the_same_provider_and_user_only(self):
        memory = Memory(ProcessStore(1000), 60)
        World(self.Signing("a", ANSWER), memory=memory).ask()
        assert self.again(memory, self.Signing("b", ANSWER)) == {}
        assert self.again(memory, self.Signing("a", ANSWER), user_id=2) == {}

    def test_a_provider_that_does_not_ask_is_told_nothing(self):
        memory = Memory(ProcessStore(1000), 60)
        World(self.Signing("a", ANSWER), memory=memory).ask()
        assert self.again(memory, Scripted("a", ANSWER)) == {}

    def test_it_is_there_before_the_client_sees_the_call(self):
        memory = Memory(ProcessStore(1000), 60)

        async def main():
            world = World(self.Signing("a", ["1"], ["2"]), memory=memory)
            answer = await world.send(call(stream=True))
            kept = await memory.recall((1, "a"), ["call_1"])
            await answer.rest.aclose()
            return kept

        assert asyncio.run(main()) == {"call_1": "signed by a"}


def test_bad_answers_go_to_the_next_target():
    world = World(Scripted("a", bad_answer("HTML")), Scripted("b", ANSWER))
    assert world.ask() is ANSWER


def eager(**options):
    """Retries without pauses."""
    return RoutingOptions(**{"retries": 2, "backoff_seconds": 0.0, **options})


class TestRetries:
    @pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
    def test_what_may_be_over_in_a_moment_is_tried_again(self, status):
        world = World(Scripted("a", failure(status), failure(status), "answer"), routing=eager())
        assert world.ask() == "answer"
        assert world.tried == ["a", "a", "a"]

    def test_a_stream_is_tried_again_until_its_first_chunk(self):
        class Flaky(Scripted):
            async def stream(self, call, http):
                self.calls.append(call)
                if len(self.calls) < 3:
                    raise failure(503)
                yield ["chunk"]

        world = World(Flaky("a"), routing=eager())
        assert world.stream() == [["chunk"]]
        assert world.tried == ["a", "a", "a"]

    def test_but_not_after_it(self):
        world = World(Scripted("a", ["chunk"], failure(503)), routing=eager())
        first, error = world.stream()
        assert first == ["chunk"]
        assert error.status == 503
        assert world.tried == ["a"]

    @pytest.mark.parametrize(
        "error",
        [
            failure(400, retryable=False),
            failure(401),
            failure(402),
            failure(403),
            failure(404),
            failure(504, code="timeout"),
            ApiError(400, "This provider cannot do that."),
            ValueError("a plugin's fault"),
        ],
        ids=str,
    )
    def test_what_will_not_be_over_is_not(self, error):
        world = World(Scripted("a", error, "answer"), routing=eager())
        world.refused()
        assert world.tried == ["a"]

    def test_another_target_goes_before_another_try(self):
        world = World(Scripted("a", failure(503)), Scripted("b", "answer"), routing=eager())
        assert world.ask() == "answer"
        assert world.tried == ["a", "b"]

    def test_only_those_that_may_do_better_are_tried_again(self):
        world = World(
            Scripted("a", failure(401), "never"),
            Scripted("b", failure(503), "answer"),
            routing=eager(),
        )
        assert world.ask() == "answer"
        assert world.tried == ["a", "b", "b"]

    def test_the_last_failure_is_told_when_all_tries_failed(self):
        world = World(
            Scripted("a", *[failure(503, f"no {number}") for number in range(3)]), routing=eager()
        )
        assert world.refused().message == "no 2"
        assert len(world.tried) == 3

    def test_an_outage_is_not_multiplied(self):
        a = Scripted("a", *[failure(503) for _ in range(1000)])
        world = World(a, routing=eager(retries=5, retry_budget=0.1))
        for _ in range(200):
            world.refused()
        assert 200 + 20 <= len(a.calls) <= 200 + 10 + 20

    def test_it_waits_as_long_as_the_provider_asks_for(self):
        limited = failure(429, headers={"Retry-After": "0.2"})
        world = World(Scripted("a", limited, "answer"), routing=eager())
        began = time.monotonic()
        assert world.ask() == "answer"
        assert time.monotonic() - began >= 0.2
        assert world.attempts.waited >= 0.2

    def test_but_not_too_long(self):
        limited = failure(429, headers={"Retry-After": "11"})
        world = World(Scripted("a", limited, "never"), routing=eager())
        assert world.refused().headers["Retry-After"] == "11"
        assert world.tried == ["a"]


class Slow(Scripted):
    """Never answers."""

    async def send(self, call, http):
        self.calls.append(call)
        await asyncio.Event().wait()

    async def stream(self, call, http):
        self.calls.append(call)
        await asyncio.Event().wait()
        yield


class TestDeadline:
    @BOTH
    def test_later_attempts_end_with_it(self, stream):
        world = World(Scripted("a", failure(503)), Slow("b"), routing=eager(deadline_seconds=0.2))
        error = world.refused(stream)
        assert (error.status, error.code) == (504, "timeout")
        assert world.tried == ["a", "b"]
        assert world.outcomes[-1] == (False, 504, "timeout")
        assert world.health.in_flight(Target("b", "m-b")) == 0

    def test_none_begins_after_it(self):
        world = World(
            Scripted("a", failure(503)),
            Scripted("b", "never"),
            routing=eager(deadline_seconds=0.000001),
        )
        assert world.refused().status == 503
        assert world.tried == ["a"]


class TestHealth:
    @BOTH
    def test_a_target_that_fails_is_left_out(self, stream):
        a = Scripted("a", *[failure(503) for _ in range(5)])
        b = Scripted("b", *[["answer"]] * 50) if stream else Scripted("b", *["answer"] * 50)
        world = World(a, b, routing=eager(breaker_failures=3))
        for _ in range(10):
            if stream:
                world.stream()
            else:
                world.ask()
        assert len(a.calls) == 3
        assert len(b.calls) == 10

    def test_a_stream_that_breaks_off_is_a_failure(self):
        a = Scripted("a", ["chunk"], failure(502))
        world = World(a, Scripted("b", ["chunk"]), routing=eager(breaker_failures=2))
        for _ in range(3):
            world.stream()
        assert world.tried == ["a", "a", "b"]

    @pytest.mark.parametrize(
        "error", [failure(400, retryable=False), ApiError(400, "cannot do that")], ids=str
    )
    def test_a_wrong_request_says_nothing_of_the_target(self, error):
        world = World(Scripted("a", *[error] * 5), Scripted("b"), routing=eager(breaker_failures=1))
        for _ in range(5):
            world.refused()
        assert world.tried == ["a"] * 5

    @BOTH
    def test_calls_in_flight_are_counted_until_they_are_over(self, stream):
        async def main():
            world = World(Scripted("a", ["one"], ["two"]))
            target = world.targets[0]
            answer = await world.send(call(stream))
            if stream:
                assert world.health.in_flight(target) == 1
                await answer.rest.aclose()
            assert world.health.in_flight(target) == 0

        asyncio.run(main())


class Gated(Scripted):
    """Answers once it is let."""

    def __init__(self, name, *script):
        super().__init__(name, *script)
        self.gate = asyncio.Event()
        self.asked = asyncio.Event()
        self.cancelled = 0

    async def send(self, call, http):
        await self.wait()
        return await super().send(call, http)

    async def stream(self, call, http):
        await self.wait()
        async with aclosing(super().stream(call, http)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def wait(self):
        self.asked.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@BOTH
class TestHedging:
    @staticmethod
    def run(world, stream, seconds=0.01):
        async def main():
            answer = await world.dispatcher.send(
                call(stream), world.targets, world.attempts, seconds
            )
            if not stream:
                return answer
            async with aclosing(answer.rest) as rest:
                return [answer.first, *[batch async for batch in rest]]

        return asyncio.run(main())

    def test_who_is_too_slow_is_outrun_and_cut_off(self, stream):
        slow, fast, spare = Gated("slow", ANSWER), Scripted("fast", ANSWER), Scripted("spare")
        world = World(slow, fast, spare)
        assert self.run(world, stream) == ([ANSWER] if stream else ANSWER)
        assert world.tried == ["slow", "fast"]
        assert [target.provider for target in world.attempts.outrun] == ["slow"]
        assert slow.cancelled == 1
        assert spare.calls == []
        assert {item.in_flight for item in world.health.targets()} == {0}

    def test_who_answers_in_time_is_alone(self, stream):
        one, two = Scripted("one", ANSWER), Scripted("two", ANSWER)
        world = World(one, two)
        self.run(world, stream, 10)
        assert world.tried == ["one"]
        assert world.attempts.outrun == []

    def test_a_failure_goes_on_to_the_next_at_once(self, stream):
        world = World(Scripted("one", failure()), Scripted("two", ANSWER))
        self.run(world, stream, 10)
        assert world.tried == ["one", "two"]
        assert world.attempts.outrun == []

    def test_the_last_that_is_named_is_the_one_that_answered(self, stream):
        first, second = Gated("first", ANSWER), Gated("second", ANSWER)
        world = World(first, second)

        async def open_first():
            await second.asked.wait()
            first.gate.set()

        async def main():
            opening = asyncio.get_running_loop().create_task(open_first(), name="opens")
            answer = await world.dispatcher.send(call(stream), world.targets, world.attempts, 0.01)
            if stream:
                await answer.rest.aclose()
            await opening

        asyncio.run(main())
        assert world.tried == ["second", "first"]
        assert [target.provider for target in world.attempts.outrun] == ["second"]

    def test_the_last_that_is_named_is_the_one_that_refused_for_good(self, stream):
        first = Gated("first", failure(400, retryable=False))
        second = Gated("second", ANSWER)
        world = World(first, second)

        async def open_first():
            await second.asked.wait()
            first.gate.set()

        async def main():
            opening = asyncio.get_running_loop().create_task(open_first(), name="opens")
            with pytest.raises(ApiError) as caught:
                await world.dispatcher.send(call(stream), world.targets, world.attempts, 0.01)
            await opening
            return caught.value.status

        assert asyncio.run(main()) == 400
        assert world.tried == ["second", "first"]
        assert [target.provider for target in world.attempts.outrun] == ["second"]
        assert second.cancelled == 1

    def test_an_answer_that_came_at_the_same_time_is_outrun(self, stream):
        first, second = Gated("first", {"a": 1}), Gated("second", {"a": 2})
        world = World(first, second)

        async def open_both():
            await second.asked.wait()
            first.gate.set()
            second.gate.set()

        async def main():
            opening = asyncio.get_running_loop().create_task(open_both(), name="opens")
            answer = await world.dispatcher.send(call(stream), world.targets, world.attempts, 0.01)
            if stream:
                await answer.rest.aclose()
            await opening
            return answer.first if stream else answer

        answer = asyncio.run(main())
        assert second.cancelled == 0
        outrun, answered = ("first", "second") if "2" in str(answer) else ("second", "first")
        assert world.tried == [outrun, answered]
        assert [target.provider for target in world.attempts.outrun] == [outrun]

    def test_all_that_fail_are_one_failure(self, stream):
        world = World(Scripted("one", failure(500)), Scripted("two", failure(503)))
        with pytest.raises(ApiError) as caught:
            self.run(world, stream)
        assert caught.value.status == 503
        assert world.tried == ["one", "two"]

    def test_a_wrong_request_is_not_asked_twice(self, stream):
        two = Scripted("two", ANSWER)
        world = World(Scripted("one", failure(400, retryable=False)), two)
        with pytest.raises(ApiError) as caught:
            self.run(world, stream, 10)
        assert caught.value.status == 400
        assert two.calls == []

    def test_a_slow_day_is_not_doubled(self, stream):
        slow, fast = Gated("slow", ANSWER), Scripted("fast", ANSWER)
        world = World(slow, fast, routing=RoutingOptions(retries=0, retry_budget=0))

        async def open_later():
            await asyncio.sleep(0.05)
            slow.gate.set()

        async def main():
            opening = asyncio.get_running_loop().create_task(open_later(), name="opens")
            answer = await world.dispatcher.send(call(stream), world.targets, world.attempts, 0.01)
            if stream:
                await answer.rest.aclose()
            await opening

        asyncio.run(main())
        assert world.tried == ["slow"]
        assert fast.calls == []

    def test_overhead_does_not_count_the_race(self, stream):
        world = World(Gated("slow", ANSWER), Scripted("fast", ANSWER))
        began = time.monotonic()
        self.run(world, stream, 0.05)
        assert 0.05 <= world.attempts.waited <= time.monotonic() - began


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
            answer = await world.dispatcher.send(call(stream), world.targets, world.attempts, 0.01)
            if stream:
                await answer.rest.aclose()

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
        (record,) = self.records(World(Scripted("a", [{}], bad_answer("Oh."))), stream=True)
        assert (record.complete, record.status) == (False, 502)
        assert record.first_chunk is not None

    def test_nonsense_of_a_plugin_is_left_to_others(self):
        (record,) = self.records(World(Scripted("a", "nonsense")))
        assert record.complete
