"""One of two vendors has a fault: clients do not notice."""

import socket

import pytest

from .conftest import Outcome
from .upstream import FAULTS

CALLS = 3000
MANY_CALLS = 20_000
"""Where the fault comes behind the first chunk: what it costs until the target is left out is seen
by clients, as an error event, so it takes so many calls to see whether it is one in a thousand."""

LATER = [name for name in FAULTS if name.endswith("-later")]


@pytest.mark.parametrize("fault", [name for name in FAULTS if name not in (*LATER, "well")])
def test_nobody_notices(deploy, fault):
    outcome = Outcome()
    world = deploy(fault)
    world.load(outcome, calls=CALLS)
    world.check(fault, outcome)
    assert len(outcome.answered) == CALLS


def test_nobody_notices_that_nobody_listens(deploy):
    with socket.socket() as taken:  # bound, so that nobody else takes it, and not listened on
        taken.bind(("127.0.0.1", 0))
        outcome = Outcome()
        world = deploy(bad=f"http://127.0.0.1:{taken.getsockname()[1]}")
        world.load(outcome, calls=CALLS)
        world.check("refused", outcome)
    assert len(outcome.answered) == CALLS


@pytest.mark.parametrize("fault", LATER)
def test_few_notice_what_comes_behind_the_first_chunk(deploy, fault):
    outcome = Outcome()
    world = deploy(fault)
    world.load(outcome, calls=MANY_CALLS)
    world.check(fault, outcome)
    assert outcome.unanswered == []
    assert len(outcome.answered) >= 0.999 * MANY_CALLS
