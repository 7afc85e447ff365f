"""Work in lanes."""

import asyncio

import pytest

from tornado_router.calls.lanes import MOST_LANES, MOST_RUNNING, MOST_WAITING, Lanes
from tornado_router.errors import ApiError


@pytest.mark.gen_test
async def test_a_lane_does_one_thing_after_the_other_and_others_beside_it():
    lanes, done, go = Lanes(), [], asyncio.Event()

    async def wait():
        await go.wait()
        done.append("first")

    async def note(what):
        done.append(what)

    lanes.add("a", wait)
    lanes.add("a", lambda: note("second"))
    await lanes.add("b", lambda: note("beside"))
    await lanes.add(None, lambda: note("nameless"))
    assert done == ["beside", "nameless"]
    go.set()
    await asyncio.wait(lanes.tasks)
    assert done[2:] == ["first", "second"]
    assert not lanes.tasks


@pytest.mark.gen_test
async def test_what_is_cancelled_holds_nothing_up():
    lanes, done = Lanes(), []

    async def note():
        done.append(1)

    first = lanes.add(None, asyncio.Event().wait)
    second = lanes.add(None, asyncio.Event().wait)
    third = lanes.add(None, note)
    await asyncio.sleep(0)
    second.cancel()
    first.cancel()
    await third
    assert done == [1]


@pytest.mark.gen_test
async def test_there_are_bounds():
    lanes, running = Lanes(), []

    async def run():
        running.append(1)
        await asyncio.Event().wait()

    for number in range(MOST_LANES):
        lanes.add(str(number), run)
    with pytest.raises(ApiError) as caught:
        lanes.add("more", run)
    assert caught.value.code == "websocket_stream_limit_reached"
    for _ in range(MOST_RUNNING + MOST_WAITING - MOST_LANES):
        lanes.add(None, run)
    with pytest.raises(ApiError) as caught:
        lanes.add(None, run)
    assert caught.value.status == 429
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(running) == MOST_RUNNING
    for task in lanes.tasks:
        task.cancel()
    await asyncio.wait(lanes.tasks)
