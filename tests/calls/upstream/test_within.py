"""What need not wait has no timer; what does is held to its time."""

import asyncio

import pytest

from tornado_router.background.supervisor import child_task
from tornado_router.calls.upstream.within import within


async def at_once():
    return "now"


async def slowly(*seconds):
    for each in seconds:
        await asyncio.sleep(each)
    return "later"


def test_what_it_returns():
    async def main():
        return await within(60, at_once()), await within(60, slowly(0, 0.001, 0))

    assert asyncio.run(main()) == ("now", "later")


def test_what_it_raises():
    async def fail(*seconds):
        await slowly(*seconds)
        raise ZeroDivisionError

    async def main():
        for seconds in ((), (0, 0.001)):
            with pytest.raises(ZeroDivisionError):
                await within(60, fail(*seconds))

    asyncio.run(main())


def test_it_is_cut_off_in_time_and_may_tidy_up():
    tidied = []

    async def tidy():
        try:
            await slowly(60)
        finally:
            await slowly(0)
            tidied.append(True)

    async def main():
        with pytest.raises(TimeoutError):
            await within(0.01, tidy())

    asyncio.run(main())
    assert tidied


def test_a_cancellation_is_none_of_its_own():
    async def main():
        task = child_task("wait", within(60, slowly(60)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
