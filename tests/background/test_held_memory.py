"""Bytes that bodies hold together."""

import asyncio
import itertools

from tornado_router.background.held_memory import PIECES_AT_ONCE, HeldMemory, Hold


def test_holds_share_one_limit():
    memory = HeldMemory(100)
    first, second = Hold(memory), Hold(memory)
    assert first.grow(60)
    assert not second.grow(41)
    assert second.grow(40)
    assert (memory.held, memory.refused) == (100, 1)


def test_what_is_given_back_is_room_for_others():
    memory = HeldMemory(100)
    first, second = Hold(memory), Hold(memory)
    first.grow(100)
    first.shrink(30)
    assert second.grow(30)
    first.free()
    assert memory.held == 30


def test_nothing_is_given_back_twice():
    memory = HeldMemory(100)
    hold, other = Hold(memory), Hold(memory)
    hold.grow(10)
    other.grow(10)
    hold.shrink(50)
    hold.free()
    assert memory.held == 10


def test_what_belongs_to_it_ends_with_it_once():
    memory, disk, closed = HeldMemory(100), HeldMemory(100), []
    hold, on_disk = Hold(memory), Hold(disk)
    on_disk.grow(70)
    hold.at_end(on_disk.free)
    hold.at_end(lambda: closed.append("file"))
    hold.free()
    hold.free()
    assert (closed, disk.held) == (["file"], 0)


def test_large_bodies_take_turns_of_the_loop():
    memory, seen = HeldMemory(100), []

    async def work(number):
        await Hold(memory).turn()
        seen.append(number)

    async def others():
        while len(seen) < 3 * 5:
            seen.append("other")
            await asyncio.sleep(0)

    async def run():
        await asyncio.gather(work(1), work(2), work(3), others())

    asyncio.run(run())
    turns = [index for index, name in enumerate(seen) if name != "other"]
    assert len(turns) == 3
    assert all("other" in seen[first:second] for first, second in itertools.pairwise(turns))


def test_pieces_of_all_bodies_take_turns_of_the_loop():
    memory, seen = HeldMemory(100), []

    async def inflate():
        for _ in range(PIECES_AT_ONCE):
            seen.append("piece")
            await Hold(memory).piece()

    async def others():
        for _ in range(100):
            seen.append("other")
            await asyncio.sleep(0)

    async def run():
        await asyncio.gather(*(inflate() for _ in range(20)), others())

    asyncio.run(run())
    ends = [index for index, name in enumerate(seen) if name == "other"]
    most = max(second - first - 1 for first, second in itertools.pairwise(ends))
    assert PIECES_AT_ONCE <= most <= 2 * PIECES_AT_ONCE
