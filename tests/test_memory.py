"""What is kept for tool calls between two turns of a conversation."""

import asyncio

import pytest

from tornado_router import memory
from tornado_router.memory import ProcessMemory, tool_call_ids

ME, YOU = (1, "google"), (2, "google")


class Clock:
    """Time that passes when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(memory, "time", clock)
    return clock


def keep(kept, owner, **values):
    asyncio.run(kept.keep(owner, values))


def recall(kept, owner, *ids):
    return asyncio.run(kept.recall(owner, list(ids)))


def test_what_was_kept_comes_back_as_often_as_it_is_asked_for():
    kept = ProcessMemory(60, 1000)
    keep(kept, ME, call_1={"signature": "é"}, call_2=[1, None])
    for _ in range(2):
        assert recall(kept, ME, "call_1", "call_2") == {
            "call_1": {"signature": "é"},
            "call_2": [1, None],
        }


def test_what_was_not_kept_does_not():
    kept = ProcessMemory(60, 1000)
    keep(kept, ME, call_1="a")
    assert recall(kept, ME, "call_2") == {}
    assert recall(kept, ME) == {}


def test_it_is_the_users_and_the_providers_own():
    kept = ProcessMemory(60, 1000)
    keep(kept, ME, call_1="mine")
    keep(kept, YOU, call_1="yours")
    assert recall(kept, ME, "call_1") == {"call_1": "mine"}
    assert recall(kept, YOU, "call_1") == {"call_1": "yours"}
    assert recall(kept, (1, "other"), "call_1") == {}


def test_the_last_value_counts():
    kept = ProcessMemory(60, 1000)
    keep(kept, ME, call_1="a")
    keep(kept, ME, call_1="b")
    assert recall(kept, ME, "call_1") == {"call_1": "b"}


def test_what_is_kept_cannot_be_changed_from_outside():
    kept, value = ProcessMemory(60, 1000), {"a": [1]}
    keep(kept, ME, call_1=value)
    value["a"].append(2)
    recall(kept, ME, "call_1")["call_1"]["a"].append(3)
    assert recall(kept, ME, "call_1") == {"call_1": {"a": [1]}}


def test_it_is_forgotten_after_a_time(clock):
    kept = ProcessMemory(60, 1000)
    keep(kept, ME, call_1="a")
    clock.now += 59
    assert recall(kept, ME, "call_1") == {"call_1": "a"}
    clock.now += 1
    assert recall(kept, ME, "call_1") == {}


def test_the_oldest_goes_when_it_is_full():
    kept = ProcessMemory(60, 30)
    for name in "abc":
        keep(kept, ME, **{name: "x" * 8})  # ten bytes of JSON
    assert len(recall(kept, ME, *"abc")) == 3
    keep(kept, ME, d="x" * 8)
    assert set(recall(kept, ME, *"abcd")) == set("bcd")


def test_what_is_written_again_is_young_again():
    kept = ProcessMemory(60, 30)
    for name in "abca":
        keep(kept, ME, **{name: "x" * 8})
    keep(kept, ME, d="x" * 8)
    assert set(recall(kept, ME, *"abcd")) == set("acd")


def test_what_is_too_large_is_not_kept_and_pushes_nothing_out():
    kept = ProcessMemory(60, 30)
    keep(kept, ME, a="x")
    keep(kept, ME, b="x" * 29)  # and two quotation marks
    assert recall(kept, ME, "a", "b") == {"a": "x"}
    keep(kept, ME, c="x" * 28)
    assert recall(kept, ME, "a", "c") == {"c": "x" * 28}


def test_what_is_old_takes_no_room(clock):
    kept = ProcessMemory(60, 10_000_000)
    for number in range(100):
        keep(kept, ME, **{f"call_{number}": "x"})
    clock.now += 61
    keep(kept, ME, last="x")
    assert len(kept._values) == 1
    assert kept._bytes == 3


def test_tool_call_ids_are_those_of_every_message():
    assert tool_call_ids(
        {
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "tool_calls": [{"id": "a"}, {"id": "b"}]},
                {"role": "tool", "tool_call_id": "a", "content": "x"},
                {"role": "assistant", "tool_calls": None},
                {"role": "assistant", "tool_calls": [{"id": "c"}, {"id": None}, {}]},
            ]
        }
    ) == ["a", "b", "c"]


@pytest.mark.parametrize("body", [{}, {"input": "x"}, {"messages": None}])
def test_bodies_without_messages_have_none(body):
    assert tool_call_ids(body) == []
