"""Crowds on the event loop."""

import asyncio
from itertools import pairwise

import pytest

from tornado_router.background.supervisor import child_task, failures
from tornado_router.background.turns import Turns

CROWD = 100
AT_ONCE = 8


def other_work(seen):
    """What else the loop has to do: notes each of its turns, until the crowd has gone on."""

    def turn():
        if seen.count("other") < 2 * CROWD:
            seen.append("other")
            asyncio.get_running_loop().call_soon(turn)

    asyncio.get_running_loop().call_soon(turn)


def most_in_a_turn(seen):
    """How many of a crowd went on between two turns."""
    ends = [-1, *(index for index, item in enumerate(seen) if item == "other"), len(seen)]
    return max(second - first - 1 for first, second in pairwise(ends))


def run(story):
    """What was seen of a crowd that came beside other work."""
    seen = []

    async def main():
        other_work(seen)
        await story(seen)
        await after(2 * CROWD)

    asyncio.run(main())
    return seen


async def after(turns):
    """Returns after so many turns of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def call(seen):
    turns = Turns("test", AT_ONCE)
    for number in range(CROWD):
        turns.run(lambda number=number: seen.append(number))


async def wait(seen):
    turns = Turns("test", AT_ONCE)

    async def one(number):
        await turns.wait()
        seen.append(number)

    await asyncio.gather(*map(one, range(CROWD)))


@pytest.mark.parametrize("story", [call, wait])
def test_a_crowd_goes_on_in_turns(story):
    seen = run(story)
    assert most_in_a_turn(seen) <= AT_ONCE
    assert [item for item in seen if item != "other"] == list(range(CROWD))


def test_who_comes_alone_goes_on_at_once():
    async def story():
        turns, seen = Turns("test", AT_ONCE), []
        for _ in range(CROWD):
            seen.append(turns.run(lambda: None))
            await asyncio.sleep(0)
        return seen

    assert asyncio.run(story()).count(False) <= CROWD / AT_ONCE


def test_who_waits_may_be_cancelled():
    async def story():
        turns, done = Turns("test", 1), []

        async def one(number):
            await turns.wait()
            done.append(number)

        tasks = [child_task("one", one(number)) for number in range(4)]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.wait(tasks)
        return done

    assert asyncio.run(story()) == [0, 1, 3]


def test_the_failure_of_one_is_reported_and_holds_up_none():
    def fail():
        raise RuntimeError

    async def story():
        turns, done = Turns("test of turns", 1), []
        for work in (lambda: None, fail, lambda: done.append("last")):
            turns.run(work)
        await after(4)
        return done

    assert asyncio.run(story()) == ["last"]
    assert failures()["test of turns"] == 1
