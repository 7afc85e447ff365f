"""The bounds of answers: learned from what came, a little above nearly all of it."""

import random

import pytest

from tornado_router.config.options import LimitsOptions
from tornado_router.routing import output_length
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.routes import Target

ONE, OTHER = Target("p", "one"), Target("p", "other")
PAYER, ANOTHER = 3, 4


def bounds(first=1024, **options):
    return OutputBounds(LimitsOptions(default_output_tokens=first, **options))


def test_begins_with_what_is_configured():
    assert bounds().bound(PAYER, ONE) == 1024


def test_each_target_has_its_own():
    known = bounds()
    for _ in range(100):
        known.learn(PAYER, ONE, 5000)
    assert known.bound(PAYER, ONE) > 4000
    assert known.bound(PAYER, OTHER) == 1024


def test_a_target_hides_some_once_its_stream_showed_less_than_half():
    known = bounds()
    assert [known.may_hide(ONE, reasons=asked) for asked in (False, True)] == [False, True]
    known.compare(ONE, 1000, 600)
    known.compare(ONE, 70, 10)  # so few may be of its framing
    assert not known.may_hide(ONE, reasons=True)
    known.compare(ONE, 1000, 400)
    known.compare(ONE, 1000, 1000)
    assert known.may_hide(ONE, reasons=False)
    assert not known.may_hide(OTHER, reasons=False)


def test_never_sinks_to_nothing():
    known = bounds()
    for _ in range(10_000):
        known.learn(PAYER, ONE, 1)
    assert known.bound(PAYER, ONE) == 128


@pytest.mark.parametrize("first", [16, 1024, 100_000])
@pytest.mark.parametrize("mean", [50, 2000])
def test_stays_above_most_answers(first, mean):
    chance = random.Random(7)
    known = bounds(first)
    longer = 0
    for count in range(6000):
        tokens = int(chance.expovariate(1 / mean))
        if count >= 2000:
            longer += tokens > known.bound(PAYER, ONE)
        known.learn(PAYER, ONE, tokens)
    assert 0.02 < longer / 4000 < 0.10


def test_names_that_clients_make_up_push_out_none_that_is_in_use(monkeypatch):
    monkeypatch.setattr(output_length, "KNOWN_LENGTHS", 10)
    known, alone = bounds(), bounds()
    made_up = [Target("p", f"made-up-{number}") for number in range(25)]
    for target in made_up:
        known.learn(PAYER, target, 5)
        known.learn(PAYER, ONE, 5)
        alone.learn(PAYER, ONE, 5)
    assert known.bound(PAYER, ONE) == alone.bound(PAYER, ONE)
    assert known.bound(PAYER, made_up[0]) == 1024, "it is forgotten"


def test_nobody_teaches_it_for_another():
    known = bounds()
    for _ in range(1000):
        known.learn(ANOTHER, ONE, 1)
    assert known.bound(ANOTHER, ONE) == 128
    assert known.bound(PAYER, ONE) == 1024


def test_what_was_not_paid_for_is_reserved_the_next_time():
    known = bounds(most_output_tokens=50_000)
    known.learn(PAYER, ONE, 9000, unpaid=True)
    assert known.bound(PAYER, ONE) == 9000
    known.learn(PAYER, ONE, 10**12, unpaid=True)
    assert known.bound(PAYER, ONE) == 50_000
    known.learn(PAYER, ONE, 5, unpaid=True)
    assert known.bound(PAYER, ONE) < 50_000, "it costs more by its prompt alone"


def test_a_floor_above_what_is_configured_at_first_gives_way():
    known = bounds(16, least_output_tokens=128)
    known.learn(PAYER, ONE, 1)
    assert known.bound(PAYER, ONE) == 16


def test_a_refusal_of_a_low_bound_is_no_ceiling():
    known = bounds(most_output_tokens=50_000)
    known.refused(ONE, 5)
    assert known.ceiling(ONE) == 50_000


def test_the_least_bound_that_a_target_refused_is_its_ceiling(monkeypatch):
    known = bounds(most_output_tokens=50_000)
    assert known.ceiling(ONE) == 50_000
    for tokens in (20_000, 9000, 12_000):
        known.refused(ONE, tokens)
    assert (known.ceiling(ONE), known.ceiling(OTHER)) == (9000, 50_000)
    monkeypatch.setattr(output_length, "KNOWN_TARGETS", 1)
    known.refused(OTHER, 5000)
    assert known.ceiling(ONE) == 50_000, "it is forgotten"
