"""What this process keeps for a while."""

import asyncio
import tracemalloc

import pytest

from tornado_router.calls import stores
from tornado_router.calls.stores import ENTRY_BYTES, WRITE_BYTES, ProcessStore, WriteBehind

ENTRY = len("k") + 10 + ENTRY_BYTES
"""What an entry with ten bytes takes."""


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stores, "time", clock)
    return clock


def keep(kept, seconds=60, **values):
    asyncio.run(kept.put(values, seconds))


def recall(kept, *keys):
    found = asyncio.run(kept.get(keys))
    return {key: data for key, data in zip(keys, found, strict=True) if data is not None}


def test_it_is_forgotten_after_a_time(clock):
    kept = ProcessStore(10_000)
    keep(kept, call_1=b"a")
    clock.now += 59
    assert recall(kept, "call_1") == {"call_1": b"a"}
    clock.now += 1
    assert recall(kept, "call_1") == {}


def test_the_oldest_goes_when_it_is_full():
    kept = ProcessStore(3 * ENTRY)
    for name in "abc":
        keep(kept, **{name: b"x" * 10})
    assert len(recall(kept, *"abc")) == 3
    keep(kept, d=b"x" * 10)
    assert set(recall(kept, *"abcd")) == set("bcd")


def test_what_is_written_again_is_young_again():
    kept = ProcessStore(3 * ENTRY)
    for name in "abca":
        keep(kept, **{name: b"x" * 10})
    keep(kept, d=b"x" * 10)
    assert set(recall(kept, *"abcd")) == set("acd")


def test_what_is_too_large_is_not_kept_and_pushes_nothing_out():
    kept = ProcessStore(ENTRY)
    keep(kept, a=b"x")
    keep(kept, b=b"x" * 11)
    assert recall(kept, "a", "b") == {"a": b"x"}
    keep(kept, c=b"x" * 10)
    assert recall(kept, "a", "c") == {"c": b"x" * 10}


def test_what_is_old_takes_no_room(clock):
    kept = ProcessStore(10_000_000)
    for number in range(100):
        keep(kept, **{f"call_{number}": b"x"})
    clock.now += 61
    keep(kept, last=b"x")
    assert len(kept._values) == 1
    assert kept._bytes == len("last") + 1 + ENTRY_BYTES
    asyncio.run(kept.close())
    assert kept._bytes == 0


def test_small_values_take_no_more_memory_than_allowed():
    """As reckoned by the allocator, for keys and values as the response cache has them."""
    most = 4 * 1024 * 1024
    tracemalloc.start()
    try:
        kept = ProcessStore(most)
        for number in range(20_000):
            keep_now(kept, f"cache:1:{number:064}", bytes(65))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most * 0.5 < used < most


def keep_now(kept, key, data):
    """Without an event loop, as a store of this process waits for nothing."""
    with pytest.raises(StopIteration):
        kept.put({key: data}, 60).send(None)


class Slow(ProcessStore):
    """Writes when it is let to."""

    def __init__(self):
        super().__init__(1_000_000)
        self.let = asyncio.Event()
        self.closed = False

    async def put(self, values, seconds):
        await self.let.wait()
        await super().put(values, seconds)

    async def close(self):
        self.written = dict(self._values)
        self.closed = True


class TestWriteBehind:
    def test_nobody_waits_for_a_write(self):
        async def story():
            slow = Slow()
            store = WriteBehind(slow, 1_000_000)
            await store.put({"a": b"1"}, 60)
            assert await store.get(["a"]) == [None]
            slow.let.set()
            await asyncio.gather(*store._writes)
            assert await store.get(["a"]) == [b"1"]

        asyncio.run(story())

    def test_closing_waits_for_them_all(self):
        async def story():
            slow = Slow()
            store = WriteBehind(slow, 1_000_000)
            for name in "abc":
                await store.put({name: b"1"}, 60)
            closing = asyncio.get_running_loop().create_task(store.close(), name="close")
            await asyncio.sleep(0)
            assert not slow.closed
            slow.let.set()
            await closing
            return slow

        slow = asyncio.run(story())
        assert slow.closed
        assert list(slow.written) == ["a", "b", "c"]

    def test_what_has_no_room_is_not_written(self):
        async def story():
            slow = Slow()
            store = WriteBehind(slow, 2 * WRITE_BYTES + 20)
            for name in ("a", "b", "c"):
                await store.put({name: b"x" * 10}, 60)
            slow.let.set()
            await asyncio.gather(*store._writes)
            await store.put({"d": b"x" * 100_000}, 60)  # alone, it may be larger
            await store.close()
            return list(slow.written)

        assert asyncio.run(story()) == ["a", "b", "d"]
