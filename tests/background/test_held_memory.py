"""Bytes that bodies hold together."""

from tornado_router.background.held_memory import HeldMemory, Hold


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
