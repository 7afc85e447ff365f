"""A race for an answer: who is heard, who is cut off, and when the second begins."""

import asyncio

import pytest

from tornado_router.routing.hedging import race


class Runner:
    """Finds an answer once it is told to, and knows what became of it."""

    def __init__(self):
        self.go = asyncio.Event()
        self.begun = asyncio.Event()
        self.cancelled = False
        self.answer = None
        self.error = None

    async def __call__(self):
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if self.error:
            raise self.error
        return self.answer

    def answers(self, answer):
        self.answer = answer
        self.go.set()


def play(script, seconds=60.0, permitted=True):
    """Races two runners while a script tells them what to do: the outcome, and what was unused."""

    async def main():
        first, second = Runner(), Runner()
        unused = []

        async def discard(answer):
            unused.append(answer)

        racing = asyncio.get_running_loop().create_task(
            race(first, second, seconds, lambda: permitted, discard), name="race"
        )
        await first.begun.wait()
        await script(first, second, racing)
        return await racing, first, second, unused

    return asyncio.run(asyncio.wait_for(main(), 10))


def test_one_that_answers_in_time_is_alone():
    async def script(first, second, racing):
        first.answers("one")

    answer, _, second, _ = play(script)
    assert answer == "one"
    assert not second.begun.is_set()


@pytest.mark.parametrize("fastest", [0, 1])
def test_after_a_time_the_second_begins_and_the_fastest_is_heard(fastest):
    async def script(first, second, racing):
        await second.begun.wait()
        (first, second)[fastest].answers("mine")

    answer, *runners, _ = play(script, 0.01)
    assert answer == "mine"
    assert [runner.cancelled for runner in runners] == [fastest == 1, fastest == 0]


def test_the_second_begins_at_once_when_the_first_finds_nothing():
    async def script(first, second, racing):
        first.answers(None)
        await second.begun.wait()
        second.answers("two")

    assert play(script)[0] == "two"


def test_without_permission_the_second_waits_for_the_first():
    async def script(first, second, racing):
        await asyncio.sleep(0.05)
        assert not second.begun.is_set()
        first.answers(None)
        await second.begun.wait()
        second.answers("two")

    assert play(script, 0.01, permitted=False)[0] == "two"


def test_one_that_finds_nothing_does_not_end_the_race():
    async def script(first, second, racing):
        await second.begun.wait()
        second.answers(None)
        await asyncio.sleep(0.01)
        first.answers("one")

    assert play(script, 0.01)[0] == "one"


def test_there_may_be_no_answer():
    async def script(first, second, racing):
        first.answers(None)
        second.answers(None)

    assert play(script)[0] is None


def test_an_answer_that_came_at_the_same_time_is_discarded():
    async def script(first, second, racing):
        await second.begun.wait()
        first.answers("one")
        second.answers("two")

    answer, _, _, unused = play(script, 0.01)
    assert {answer, *unused} == {"one", "two"}


def test_an_error_ends_the_race_and_the_other_runner():
    seen = []

    async def script(first, second, racing):
        seen.append(first)
        await second.begun.wait()
        second.error = ValueError("mine")
        second.go.set()

    with pytest.raises(ValueError, match="mine"):
        play(script, 0.01)
    assert seen[0].cancelled


def test_who_is_cancelled_leaves_nobody_running():
    seen = []

    async def script(first, second, racing):
        seen.extend((first, second))
        await second.begun.wait()
        racing.cancel()

    with pytest.raises(asyncio.CancelledError):
        play(script, 0.01)
    assert [runner.cancelled for runner in seen] == [True, True]
