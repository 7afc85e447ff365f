"""Kept responses as events: what OpenAI's SDK and our schema read, and the same each time."""

import orjson
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tornado_router.endpoints.responses_replay import (
    all_events,
    begin_events,
    events_behind,
    framed,
)
from tornado_router.sse import Decoder
from tornado_router.testing import shapes

_EVENT = TypeAdapter(ResponseStreamEvent)
ANNOTATION = {"type": "url_citation", "url": "https://x", "title": "x", "start_index": 0}
ANNOTATION |= {"end_index": 1}
SEARCH = {"type": "search", "query": "x"}
OUTPUT = [
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "I think."}],
        "content": [{"type": "reasoning_text", "text": "Hm."}],
        "encrypted_content": "gAAA",
        "status": "completed",
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "Hi", "annotations": [ANNOTATION], "logprobs": []},
            {"type": "refusal", "refusal": "No."},
        ],
    },
    {
        "type": "function_call",
        "id": "fc_1",
        "call_id": "c1",
        "name": "f",
        "arguments": '{"a":1}',
        "status": "completed",
    },
    {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "sh", "input": "ls"},
    {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    },
    {"type": "of_tomorrow", "x": 1},
]
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m",
    "output": OUTPUT[:5],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 1,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 2,
    },
}


def test_each_event_is_one_of_the_api():
    events = list(all_events(RESPONSE))
    for event in events:
        assert shapes.misfit("responses.event", event) is None, event
        _EVENT.validate_python(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["response"] == RESPONSE
    (decoded,) = Decoder().feed(framed(events[0]))
    assert orjson.loads(decoded.data) == events[0]


def test_what_the_deltas_amount_to_is_the_item():
    events = list(all_events(RESPONSE))
    for index, item in enumerate(RESPONSE["output"]):
        own = [event for event in events if event.get("output_index") == index]
        assert (own[0]["type"], own[-1]["type"]) == (
            "response.output_item.added",
            "response.output_item.done",
        )
        assert own[-1]["item"] == item
        said = [event["delta"] for event in own if event["type"].endswith(".delta")]
        done = [
            event.get("text", event.get("refusal", event.get("arguments", event.get("input"))))
            for event in own
            if event["type"].endswith(("text.done", "refusal.done", "arguments.done", "input.done"))
        ]
        assert said == done


@pytest.mark.parametrize(
    ("status", "kind"),
    [("failed", "failed"), ("incomplete", "incomplete"), ("cancelled", "incomplete")],
)
def test_the_last_says_how_it_ended(status, kind):
    *_, last = all_events({**RESPONSE, "status": status, "output": OUTPUT})
    assert (last["type"], last["response"]["status"]) == (f"response.{kind}", status)


def test_what_is_not_finished_begins_as_it_will():
    queued = {**RESPONSE, "status": "queued", "output": []}
    begun = list(begin_events(queued))
    whole = list(all_events(RESPONSE))
    assert begun == [{**event, "response": event["response"]} for event in whole[:2]]


@pytest.mark.parametrize("number", [-1, 0, 5, 10_000])
def test_a_client_gets_what_it_lacks_and_the_end(number):
    events = list(all_events(RESPONSE))
    assert list(events_behind(iter(events), number)) == (events[number + 1 :] or events[-1:])
