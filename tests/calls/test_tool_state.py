"""What is kept for tool calls between two turns of a conversation."""

import asyncio

from tornado_router.calls.stores import ProcessStore
from tornado_router.calls.tool_state import ToolState

ME, YOU = (1, "google"), (2, "google")


def keep(kept, owner, **values):
    asyncio.run(kept.keep(owner, values))


def recall(kept, owner, *ids):
    return asyncio.run(kept.recall(owner, list(ids)))


def test_what_was_kept_comes_back_as_often_as_it_is_asked_for():
    kept = ToolState(ProcessStore(1000), 60)
    keep(kept, ME, call_1={"signature": "é"}, call_2=[2**70, None])
    for _ in range(2):
        assert recall(kept, ME, "call_1", "call_2") == {
            "call_1": {"signature": "é"},
            "call_2": [2**70, None],
        }


def test_what_was_not_kept_does_not():
    kept = ToolState(ProcessStore(1000), 60)
    keep(kept, ME, call_1="a")
    assert recall(kept, ME, "call_2") == {}
    assert recall(kept, ME) == {}


def test_it_is_the_users_and_the_providers_own():
    kept = ToolState(ProcessStore(1000), 60)
    keep(kept, ME, call_1="mine")
    keep(kept, YOU, call_1="yours")
    assert recall(kept, ME, "call_1") == {"call_1": "mine"}
    assert recall(kept, YOU, "call_1") == {"call_1": "yours"}
    assert recall(kept, (1, "other"), "call_1") == {}


def test_the_last_value_counts():
    kept = ToolState(ProcessStore(1000), 60)
    keep(kept, ME, call_1="a")
    keep(kept, ME, call_1="b")
    assert recall(kept, ME, "call_1") == {"call_1": "b"}


def test_what_is_kept_cannot_be_changed_from_outside():
    kept, value = ToolState(ProcessStore(1000), 60), {"a": [1]}
    keep(kept, ME, call_1=value)
    value["a"].append(2)
    recall(kept, ME, "call_1")["call_1"]["a"].append(3)
    assert recall(kept, ME, "call_1") == {"call_1": {"a": [1]}}
