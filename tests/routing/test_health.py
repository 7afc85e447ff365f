"""Breakers: when a target is left out, who tries it again, and when it is back."""

import pytest
from loguru import logger

from tornado_router.config.options import RoutingOptions
from tornado_router.routing import health
from tornado_router.routing.health import Health
from tornado_router.routing.routes import Target

A, B = Target("a", "m"), Target("b", "m")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class World:
    def __init__(self, **options):
        self.clock = Clock()
        self.opened = []
        self.health = Health(RoutingOptions(**options), self.clock)
        self.health.on_open = lambda *opened: self.opened.append(opened)

    def well(self, *targets):
        return list(self.health.well(targets or (A, B)))

    def succeed(self, target=A, seconds=0.0, times=1):
        for _ in range(times):
            attempt = self.health.begin(target)
            self.clock.now += seconds
            attempt.succeeded()
            attempt.end()

    def fail(self, target=A, times=1):
        for _ in range(times):
            attempt = self.health.begin(target)
            attempt.failed()
            attempt.end()

    def state(self, target=A):
        (found,) = [item for item in self.health.targets() if item.target == target]
        return found


@pytest.fixture
def world():
    return World(breaker_failures=3, breaker_seconds=10.0)


class TestOpen:
    def test_nobody_is_left_out_at_first(self, world):
        assert world.well() == [A, B]

    def test_enough_failures_leave_a_target_out_at_once(self, world):
        world.fail(times=2)
        assert world.well() == [A, B]
        world.fail()
        assert world.well() == [B]
        assert world.opened == [(A, 10.0)]
        assert world.state()._replace(first_byte=None) == (A, "open", 3, 10.0, 0, None)

    def test_failures_among_successes_count_too(self, world):
        for _ in range(3):
            world.succeed(times=3)
            world.fail()
        assert world.well() == [B]

    def test_old_failures_are_forgotten(self, world):
        world.fail(times=2)
        world.succeed(times=health.WINDOW)
        world.fail(times=2)
        assert world.well() == [A, B]

    def test_another_model_of_the_provider_is_another_target(self, world):
        other = Target("a", "other")
        world.fail(times=3)
        assert world.well(A, other) == [other]

    def test_who_has_nobody_else_tries_it_all_the_same(self, world):
        world.fail(A, times=3)
        world.fail(B, times=3)
        assert world.well() == [A, B]
        assert world.well(A) == [A]

    def test_the_log_tells_of_it_once(self, world):
        lines = []
        sink = logger.add(lambda line: lines.append(line.record["message"]), level="INFO")
        world.fail(times=5)
        world.clock.now += 11
        world.succeed()
        logger.remove(sink)
        assert lines == [
            "the target a/m is skipped for 10.0 s",
            "the target a/m is well again",
        ]

    def test_what_is_gone_is_forgotten(self, world):
        world.fail(times=3)
        world.fail(B)
        world.health.forget({"a"})
        assert world.well() == [A, B]
        assert [item.target for item in world.health.targets()] == [B]


class TestHalfOpen:
    @pytest.fixture(autouse=True)
    def opened(self, world):
        world.fail(times=3)
        world.clock.now += 10.0

    def test_one_call_tries_it_and_others_do_not(self, world):
        assert world.state().state == "half-open"
        assert world.well() == [A, B]
        attempt = world.health.begin(A)
        assert world.well() == [B]
        attempt.end()
        assert world.well() == [A, B]  # that one was broken off: another may try

    def test_success_closes_it(self, world):
        world.succeed()
        assert world.well() == [A, B]
        world.fail(times=2)
        assert world.well() == [A, B]
        assert world.state().state == "closed"

    def test_failure_leaves_it_out_for_twice_as_long(self, world):
        for seconds in (20.0, 40.0, 80.0, 160.0, 300.0, 300.0):
            world.fail()
            assert world.state().seconds == seconds
            world.clock.now += seconds - 0.1
            assert world.well() == [B]
            world.clock.now += 0.1
            assert world.well() == [A, B]
        world.succeed()
        world.fail(times=3)
        assert world.state().seconds == 10.0

    def test_ten_thousand_failures_are_as_good_as_ten(self, world):
        """Bookkeeping must never decide a call."""
        for _ in range(10_000):
            world.fail()
            world.clock.now += health.LONGEST_SECONDS
        assert world.state().state == "half-open"
        world.fail()
        assert world.state().seconds == health.LONGEST_SECONDS
        world.succeed()
        assert world.state().state == "closed"

    def test_what_began_before_decides_nothing(self, world):
        calm = World(breaker_failures=3, breaker_seconds=10.0)
        early = [calm.health.begin(A) for _ in range(3)]
        calm.fail(times=3)
        early[0].succeeded()
        early[1].failed()
        assert calm.well() == [B]
        assert calm.state().seconds == 10.0


class TestLimited:
    def test_a_target_without_room_is_left_out_for_as_long_as_it_says(self, world):
        attempt = world.health.begin(A)
        attempt.limited(7.0)
        attempt.end()
        assert world.well() == [B]
        world.clock.now += 7.0
        assert world.well() == [A, B]

    def test_or_for_a_moment(self, world):
        world.health.begin(A).limited(None)
        assert world.well() == [B]
        world.clock.now += health.LIMITED_SECONDS
        assert world.well() == [A, B]

    def test_but_not_for_hours(self, world):
        world.health.begin(A).limited(86400.0)
        assert world.state().seconds == health.LONGEST_SECONDS

    def test_it_is_no_failure(self, world):
        for _ in range(5):
            world.health.begin(A).limited(1.0)
            world.clock.now += 1.0
        assert world.state().failures == 0


class TestSlow:
    def test_slow_first_bytes_are_failures_where_the_operator_says_so(self):
        world = World(breaker_failures=3, slow_seconds=2.0)
        world.succeed(seconds=2.0, times=5)
        assert world.well() == [A, B]
        world.succeed(seconds=2.1, times=3)
        assert world.well() == [B]

    def test_and_not_otherwise(self, world):
        world.succeed(seconds=100.0, times=30)
        assert world.well() == [A, B]

    @pytest.mark.parametrize("begun", [False, True])
    def test_one_that_is_slow_and_then_fails_failed_once(self, begun):
        world = World(slow_seconds=2.0)
        attempt = world.health.begin(A)
        world.clock.now += 3.0
        if begun:
            attempt.succeeded()
        else:
            attempt.end()
        attempt.failed()
        attempt.end()
        assert world.state().failures == 1


class TestMeasures:
    def test_calls_in_flight(self, world):
        first, second = world.health.begin(A), world.health.begin(A)
        assert (world.health.in_flight(A), world.health.in_flight(B)) == (2, 0)
        first.end()
        first.end()
        assert world.health.in_flight(A) == 1
        second.failed()
        assert world.health.in_flight(A) == 1
        second.end()
        assert world.health.in_flight(A) == 0

    def test_how_fast_it_is(self, world):
        assert world.health.first_byte(A) is None
        world.succeed(seconds=2.0)
        assert world.health.first_byte(A) == 2.0
        world.succeed(seconds=1.0)
        assert world.health.first_byte(A) == pytest.approx(1.8)
        world.clock.now += health.STALE_SECONDS + 1
        assert world.health.first_byte(A) is None
        world.succeed(seconds=0.5)
        assert world.health.first_byte(A) == 0.5

    def test_names_that_clients_make_up_do_not_fill_the_memory(self, world, monkeypatch):
        monkeypatch.setattr(health, "KNOWN_TARGETS", 100)
        world.fail(times=3)
        held = world.health.begin(B)
        for number in range(1000):
            world.succeed(Target("a", f"made up {number}"))
        assert len(list(world.health.targets())) <= 101
        assert world.well() == [B]
        assert world.health.in_flight(B) == 1
        held.end()

    def test_nor_do_those_that_a_vendor_has_no_room_for(self, world, monkeypatch):
        monkeypatch.setattr(health, "KNOWN_TARGETS", 100)
        held = world.health.begin(B)
        for number in range(1000):
            world.health.leave_out(Target("a", f"made up {number}"), 60.0)
        known = {item.target for item in world.health.targets()}
        assert len(known) <= 101
        assert {B, Target("a", "made up 999")} <= known
        held.end()

    def test_nor_those_whose_time_is_up(self, world, monkeypatch):
        monkeypatch.setattr(health, "KNOWN_TARGETS", 100)
        for number in range(100):
            world.health.leave_out(Target("a", f"made up {number}"), 5.0)
        world.clock.now += 6.0
        world.succeed(A)
        assert [item.target for item in world.health.targets()] == [A]


def test_what_another_router_found(world):
    world.health.leave_out(A, 5.0)
    assert world.well() == [B]
    assert world.opened == []
    world.clock.now += 5.0
    world.succeed()
    assert world.state().state == "closed"


class TestAbandoned:
    """A call was cut off before its target had answered."""

    @pytest.mark.parametrize(("seconds", "state"), [(1.0, "closed"), (3.0, "open")])
    def test_who_took_too_long_by_then_failed(self, seconds, state):
        world = World(breaker_failures=1, slow_seconds=2.0)
        attempt = world.health.begin(A)
        world.clock.now += seconds
        attempt.end()
        assert world.state().state == state

    def test_an_answer_that_is_read_for_long_is_no_slow_one(self):
        world = World(breaker_failures=1, slow_seconds=2.0)
        attempt = world.health.begin(A)
        attempt.succeeded()
        world.clock.now += 100
        attempt.end()
        assert world.state().state == "closed"
