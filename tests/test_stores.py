"""What this process keeps for a while."""

import asyncio

import pytest

from tornado_router import stores
from tornado_router.stores import ProcessStore


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
    kept = ProcessStore(1000)
    keep(kept, call_1=b"a")
    clock.now += 59
    assert recall(kept, "call_1") == {"call_1": b"a"}
    clock.now += 1
    assert recall(kept, "call_1") == {}


def test_the_oldest_goes_when_it_is_full():
    kept = ProcessStore(30)
    for name in "abc":
        keep(kept, **{name: b"x" * 10})
    assert len(recall(kept, *"abc")) == 3
    keep(kept, d=b"x" * 10)
    assert set(recall(kept, *"abcd")) == set("bcd")


def test_what_is_written_again_is_young_again():
    kept = ProcessStore(30)
    for name in "abca":
        keep(kept, **{name: b"x" * 10})
    keep(kept, d=b"x" * 10)
    assert set(recall(kept, *"abcd")) == set("acd")


def test_what_is_too_large_is_not_kept_and_pushes_nothing_out():
    kept = ProcessStore(30)
    keep(kept, a=b"x")
    keep(kept, b=b"x" * 31)
    assert recall(kept, "a", "b") == {"a": b"x"}
    keep(kept, c=b"x" * 30)
    assert recall(kept, "a", "c") == {"c": b"x" * 30}


def test_what_is_old_takes_no_room(clock):
    kept = ProcessStore(10_000_000)
    for number in range(100):
        keep(kept, **{f"call_{number}": b"x"})
    clock.now += 61
    keep(kept, last=b"x")
    assert len(kept._values) == 1
    assert kept._bytes == 1
