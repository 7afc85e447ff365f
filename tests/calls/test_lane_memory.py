"""What a websocket remembers."""

import json

from tornado_router.background.held_memory import HeldMemory, Hold
from tornado_router.calls.lane_memory import LaneMemory
from tornado_router.endpoints import RESPONSES


def call(text, previous=None):
    body = {"model": "m", "input": text, "store": False}
    if previous:
        body["previous_response_id"] = previous
    return RESPONSES.read("req_1", body, json.dumps(body).encode())


def response(response_id, *items):
    said = {"type": "message", "role": "assistant", "id": "msg_1", "content": []}
    return {"id": response_id, "output": [*items, said]}


def memory(limit=10_000):
    held = HeldMemory(limit)
    return LaneMemory(Hold(held)), held


def test_a_conversation_goes_on():
    known, _ = memory()
    known.remember(None, call("One?"), response("r1"))
    second = known.continued(call("Two?", "r1"))
    assert [item["role"] for item in second.body["input"]] == ["user", "assistant", "user"]
    assert "previous_response_id" not in second.body
    assert json.loads(second.raw) == second.body
    assert second.previous == "r1"
    assert not any("id" in item for item in second.body["input"][:2])
    assert known.continued(call("Two?", "r0")).body["input"] == "Two?"


def test_one_that_began_with_a_kept_response_names_it():
    known, _ = memory()
    known.remember(None, call("Two?", "kept"), response("r2"))
    third = known.continued(call("Three?", "r2"))
    assert (third.body["previous_response_id"], third.previous) == ("kept", "r2")
    assert len(third.body["input"]) == 3
    both = RESPONSES.continued(third, [{"role": "user", "content": "One?"}])
    assert (len(both.body["input"]), both.previous) == (4, "r2")
    assert "previous_response_id" not in both.body


def test_thoughts_that_are_nowhere_are_left_out():
    known, _ = memory()
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    sealed = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "x"}
    known.remember(None, call("One?"), response("r1", bare, sealed))
    items = known.continued(call("Two?", "r1")).body["input"]
    assert [item.get("encrypted_content") for item in items] == [None, "x", None, None]


def test_thoughts_are_asked_for_in_a_form_that_can_be_remembered():
    known, _ = memory()
    sealed = ["reasoning.encrypted_content"]

    def include(**fields):
        body = {"model": "m", "input": "Hi", "store": False, **fields}
        made = known.continued(RESPONSES.read("req_1", body, json.dumps(body).encode()))
        assert json.loads(made.raw) == made.body
        return made.body.get("include")

    assert include() is None, "models that do not think refuse it"
    assert include(reasoning={"effort": "low"}) == sealed
    assert include(reasoning={}, include=["web_search_call.results"]) == ["web_search_call.results"]
    assert include(reasoning={"effort": "low"}, include=sealed) == sealed
    assert include(reasoning={"effort": "low"}, store=True) is None, "the vendor keeps them"
    known.remember(None, call("One?"), response("r1", {"type": "reasoning", "id": "rs_1"}))
    assert include(previous_response_id="r1", include=None) == sealed
    known.remember(None, call("One?"), response("r1"))
    assert include(previous_response_id="r1") is None


def test_a_lane_has_its_newest_alone_and_memory_is_given_back():
    known, held = memory()
    known.remember("a", call("One?"), response("r1"))
    known.remember("b", call("Other?"), response("r2"))
    both = held.held
    known.remember("a", call("Two?"), response("r3"))
    assert held.held == both
    assert known.continued(call("x", "r1")).previous == ""
    assert known.continued(call("x", "r2")).previous == "r2"
    known.forget("a")
    known.forget("b")
    assert held.held == 0


def test_what_there_is_no_room_for_is_not_remembered():
    known, held = memory(limit=100)
    known.remember(None, call("x" * 200), response("r1"))
    assert known.continued(call("x", "r1")).previous == ""
    assert held.held == 0
    known.remember(None, call("x"), {"id": None, "output": []})
