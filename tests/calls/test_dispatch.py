"""One call, several targets: the order, when the next is tried, and when one is tried again."""

import asyncio
import time

import pytest

from tornado_router.background.supervisor import failures
from tornado_router.config.options import RoutingOptions
from tornado_router.errors import ApiError
from tornado_router.provider import bad_answer
from tornado_router.routing.routes import Target

from ..support import DEADLINE
from .dispatching import ANSWER, BOTH, Gated, Scripted, Slow, World, call, failure, read


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
        assert world.attempts.target == Target("two", "m-two")

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


def test_bad_answers_go_to_the_next_target():
    world = World(Scripted("a", bad_answer("HTML")), Scripted("b", ANSWER))
    assert world.ask() is ANSWER


class TestBookkeeping:
    """Whatever goes wrong in what is noted of targets, it decides no call."""

    @BOTH
    @pytest.mark.parametrize("part", ["_succeeded", "_failed", "_open", "on_open"])
    @pytest.mark.parametrize("error", [OverflowError, KeyError, OSError])
    def test_a_fault_of_it_keeps_no_call_from_the_next_target(
        self, stream, part, error, monkeypatch
    ):
        def fail(*_, **__):
            raise error

        reported = failures().get("health of targets", 0)
        routing = RoutingOptions(retries=0, breaker_failures=1)
        item = [ANSWER] if stream else ANSWER
        world = World(Scripted("a", failure(503)), Scripted("b", item), routing=routing)
        monkeypatch.setattr(world.health, part, fail)
        answer = world.stream()[0][0] if stream else world.ask()
        assert answer is ANSWER
        assert world.tried == ["a", "b"]
        assert failures()["health of targets"] > reported

    def test_nor_does_one_of_a_target_without_room(self, monkeypatch):
        world = World(Scripted("a", failure(429)), Scripted("b", ANSWER))
        monkeypatch.setattr(world.health, "_open", None)
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


LONG = failure(400, "No.", code="context_length_exceeded")
BUSY = failure(503, "Busy.")
LIMITED = failure(429, "Slow down.")
UNPAID = failure(402, "Pay.")
BAD_KEY = failure(401, "No.")


class TestEveryTargetFails:
    @pytest.mark.parametrize(
        ("first", "second", "code"),
        [
            (LONG, BUSY, "context_length_exceeded"),
            (BUSY, LONG, "context_length_exceeded"),
            (LONG, BAD_KEY, "context_length_exceeded"),
            (BUSY, UNPAID, None),
            (LIMITED, ValueError("a plugin's fault"), None),
            (UNPAID, BAD_KEY, "provider_refused_credentials"),
            (BAD_KEY, UNPAID, "insufficient_quota"),
        ],
    )
    def test_the_most_useful_error_is_the_clients(self, first, second, code):
        world = World(Scripted("a", first), Scripted("b", second))
        assert world.refused().code == code
        assert world.tried == ["a", "b"]

    def test_that_of_an_earlier_round_as_well(self):
        again = [failure(503, f"Busy {number}.") for number in range(3)]
        world = World(Scripted("a", LONG), Scripted("b", *again), routing=eager())
        assert world.refused().code == "context_length_exceeded"
        assert world.tried == ["a", "b", "b", "b"]
        assert world.decisive == "a"


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

    @BOTH
    def test_hedged_attempts_end_with_it_too(self, stream):
        """Only the very first attempt of a call is left to its provider's time-outs."""
        routing = eager(retries=0, deadline_seconds=0.2)
        world = World(Scripted("a", failure(503)), Slow("b"), routing=routing)

        async def main():
            async with asyncio.timeout(DEADLINE):
                await world.send(call(stream), 60)

        with pytest.raises(ApiError) as caught:
            asyncio.run(main())
        assert (caught.value.status, caught.value.code) == (504, "timeout")
        assert world.tried == ["a", "b"]

    @BOTH
    def test_retries_of_hedged_calls_end_with_it_too(self, stream):
        class Recovers(Slow):
            async def send(self, call, http):
                if not self.calls:
                    self.calls.append(call)
                    raise failure(503)
                await super().send(call, http)

            async def stream(self, call, http):
                await self.send(call, http)
                yield

        world = World(Recovers("a"), Recovers("b"), routing=eager(deadline_seconds=0.2))

        async def main():
            async with asyncio.timeout(DEADLINE):
                await world.send(call(stream), 60)

        with pytest.raises(ApiError) as caught:
            asyncio.run(main())
        assert caught.value.code == "timeout"
        assert world.tried[:3] == ["a", "b", "a"]


class TestLimits:
    TOO_LARGE = "max_tokens is too large: 64000. This model supports at most 16384 tokens."

    @BOTH
    def test_a_bound_above_the_vendors_is_lowered_at_once_and_from_then_on(self, stream):
        refusal = failure(400, self.TOO_LARGE, retryable=False)
        asked = call(stream)
        asked.body["max_tokens"] = 64_000
        asked.unsupported = "adapt"
        answer = [["answer"]] if stream else ["answer"]

        class Vendor(Scripted):
            async def send(self, call, http):
                if call.body.get("max_tokens"):
                    self.calls.append(call)
                    raise refusal
                return await super().send(call, http)

            async def stream(self, call, http):
                if call.body.get("max_tokens"):
                    self.calls.append(call)
                    raise refusal
                async for chunk in super().stream(call, http):
                    yield chunk

        vendor = Vendor("a", *answer, *answer)
        world = World(vendor, unsupported="adapt")
        for tries in (2, 3):
            attempt = asyncio.run(world.send(asked))
            assert attempt.dropped == ["max_tokens"]
            assert len(vendor.calls) == tries
            assert vendor.calls[-1].body["max_completion_tokens"] == 16_384

    def test_a_vendor_that_always_names_less_is_not_asked_for_ever(self):
        class Vendor(Scripted):
            async def send(self, call, http):
                self.calls.append(call)
                bound = call.body.get("max_tokens") or call.body["max_completion_tokens"]
                text = f"max_tokens is too large: {bound}. It is at most {bound - 1} tokens."
                raise failure(400, text, retryable=False)

        vendor = Vendor("a")
        asked = call(False)
        asked.body["max_tokens"], asked.unsupported = 64_000, "adapt"
        with pytest.raises(ApiError, match="too large"):
            asyncio.run(World(vendor, unsupported="adapt").send(asked))
        assert len(vendor.calls) == 5

    def test_any_other_refusal_is_the_clients(self):
        world = World(Scripted("a", failure(400, "max_tokens is odd.", retryable=False)))
        assert world.refused().message == "max_tokens is odd."


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

    @BOTH
    @pytest.mark.parametrize(
        "error",
        [LONG, failure(404), failure(413), failure(400, "Your credit balance is too low"), BAD_KEY],
        ids=str,
    )
    def test_what_it_cannot_serve_is_no_failure_of_a_target(self, error, stream):
        a = Scripted("a", *[error] * 3)
        b = Scripted("b", *[["answer"]] * 3) if stream else Scripted("b", *["answer"] * 3)
        world = World(a, b, routing=eager(breaker_failures=1))
        for _ in range(3):
            if stream:
                world.stream()
            else:
                world.ask()
        assert len(a.calls) == (1 if error is BAD_KEY else 3)

    @pytest.mark.parametrize(
        "error", [failure(400, retryable=False), ApiError(400, "cannot do that")], ids=str
    )
    def test_a_wrong_request_says_nothing_of_the_target(self, error):
        world = World(Scripted("a", *[error] * 5), Scripted("b"), routing=eager(breaker_failures=1))
        for _ in range(5):
            world.refused()
        assert world.tried == ["a"] * 5


@BOTH
class TestHedging:
    @staticmethod
    def run(world, stream, seconds=0.01):
        async def main():
            attempt = await world.send(call(stream), seconds)
            return await read(attempt) if stream else attempt.body

        return asyncio.run(main())

    def test_who_is_too_slow_is_outrun_and_cut_off(self, stream):
        slow, fast, spare = Gated("slow", ANSWER), Scripted("fast", ANSWER), Scripted("spare")
        world = World(slow, fast, spare)
        assert self.run(world, stream) == ([ANSWER] if stream else ANSWER)
        assert world.tried == ["slow", "fast"]
        assert world.outrun == ["slow"]
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

    def test_the_one_that_responded_is_the_decisive_one(self, stream):
        first, second = Gated("first", ANSWER), Gated("second", ANSWER)
        world = World(first, second)

        async def open_first():
            await second.asked.wait()
            first.gate.set()

        async def main():
            opening = asyncio.get_running_loop().create_task(open_first(), name="opens")
            attempt = await world.send(call(stream), 0.01)
            await attempt.aclose()
            await opening

        asyncio.run(main())
        assert (world.tried, world.decisive) == (["first", "second"], "first")
        assert world.outrun == ["second"]

    def test_the_one_that_refused_for_good_is_the_decisive_one(self, stream):
        first = Gated("first", failure(400, retryable=False))
        second = Gated("second", ANSWER)
        world = World(first, second)

        async def open_first():
            await second.asked.wait()
            first.gate.set()

        async def main():
            opening = asyncio.get_running_loop().create_task(open_first(), name="opens")
            with pytest.raises(ApiError) as caught:
                await world.send(call(stream), 0.01)
            await opening
            return caught.value.status

        assert asyncio.run(main()) == 400
        assert (world.tried, world.decisive) == (["first", "second"], "first")
        assert world.outrun == ["second"]
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
            attempt = await world.send(call(stream), 0.01)
            await attempt.aclose()
            await opening
            return attempt.first if stream else attempt.body

        answer = asyncio.run(main())
        assert second.cancelled == 0
        outrun, answered = ("first", "second") if "2" in str(answer) else ("second", "first")
        assert (world.tried, world.decisive) == (["first", "second"], answered)
        assert world.outrun == [outrun]

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
            attempt = await world.send(call(stream), 0.01)
            await attempt.aclose()
            await opening

        asyncio.run(main())
        assert world.tried == ["slow"]
        assert fast.calls == []

    def test_overhead_does_not_count_the_race(self, stream):
        world = World(Gated("slow", ANSWER), Scripted("fast", ANSWER))
        began = time.monotonic()
        self.run(world, stream, 0.05)
        assert 0.05 <= world.attempts.waited <= time.monotonic() - began
