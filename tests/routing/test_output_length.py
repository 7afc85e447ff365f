"""The bounds of answers: learned from what came, a little above nearly all of it."""

import random

import pytest

from tornado_router.routing import output_length
from tornado_router.routing.output_length import OutputBounds
from tornado_router.routing.routes import Target

ONE, OTHER = Target("p", "one"), Target("p", "other")


def test_begins_with_what_is_configured():
    assert OutputBounds(1024).bound(ONE) == 1024


def test_each_target_has_its_own():
    known = OutputBounds(1024)
    for _ in range(100):
        known.learn(ONE, 5000)
    assert known.bound(ONE) > 4000
    assert known.bound(OTHER) == 1024


def test_never_sinks_to_nothing():
    known = OutputBounds(1024)
    for _ in range(10_000):
        known.learn(ONE, 1)
    assert known.bound(ONE) == output_length.LEAST


@pytest.mark.parametrize("first", [16, 1024, 100_000])
@pytest.mark.parametrize("mean", [50, 2000])
def test_stays_above_most_answers(first, mean):
    chance = random.Random(7)
    known = OutputBounds(first)
    longer = 0
    for count in range(6000):
        tokens = int(chance.expovariate(1 / mean))
        if count >= 2000:
            longer += tokens > known.bound(ONE)
        known.learn(ONE, tokens)
    assert 0.02 < longer / 4000 < 0.10


def test_names_that_clients_make_up_push_out_none_that_is_in_use(monkeypatch):
    monkeypatch.setattr(output_length, "KNOWN_TARGETS", 10)
    known, alone = OutputBounds(1024), OutputBounds(1024)
    made_up = [Target("p", f"made-up-{number}") for number in range(25)]
    for target in made_up:
        known.learn(target, 5)
        known.learn(ONE, 5)
        alone.learn(ONE, 5)
    assert known.bound(ONE) == alone.bound(ONE)
    assert known.bound(made_up[0]) == 1024, "it is forgotten"
