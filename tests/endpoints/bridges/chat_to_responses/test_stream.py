"""The events of a response as chunks: from vendors that send all, and from copies that do not."""

import pytest

from tests.endpoints.bridges.chat_to_responses.asked import (
    BRIDGE,
    call,
    function_call,
    response,
    said,
    thought,
)
from tornado_router.errors import ProviderError


def event(kind, index=None, **fields):
    place = {} if index is None else {"output_index": index}
    return {"type": f"response.{kind}", **place, **fields}


CREATED = event("created", response=response(status="in_progress"))


def fed(*events, asked=None):
    stream = BRIDGE.stream(asked or call(stream=True))
    chunks = [chunk for one in events for chunk in stream.feed(one)]
    return [*chunks, *stream.finish()], stream


def deltas(*events, asked=None):
    chunks, _ = fed(*events, asked=asked)
    return [choice["delta"] for chunk in chunks for choice in chunk["choices"]]


def ended(*output, **fields):
    return event("completed", response=response(*output, **fields))


def test_a_text():
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    chunks, stream = fed(
        CREATED,
        event("in_progress", response=response()),
        event("output_item.added", 0, item=said()),
        event("output_text.delta", 0, delta="Hel", logprobs=[]),
        event("output_text.delta", 0, delta="lo", logprobs=[{"token": "lo"}]),
        event("output_text.done", 0, text="Hello"),
        event("output_item.done", 0, item=said("Hello")),
        ended(said("Hello"), usage=usage),
    )
    assert stream.complete
    assert {(chunk["id"], chunk["object"]) for chunk in chunks} == {
        ("chatcmpl-7", "chat.completion.chunk")
    }
    *said_so_far, end, last = chunks
    assert [chunk["choices"][0]["delta"] for chunk in said_so_far] == [
        {"role": "assistant", "content": None},
        {"content": "Hel"},
        {"content": "lo"},
    ]
    assert said_so_far[2]["choices"][0]["logprobs"]["content"] == [{"token": "lo"}]
    assert end["choices"][0]["finish_reason"] == "stop"
    assert (last["choices"], last["usage"]["total_tokens"]) == ([], 5)


def test_tools_and_the_reasoning_that_is_kept_before_the_client_sees_the_call():
    asked, seen = call(stream=True), []
    stream = BRIDGE.stream(asked)
    for one in (
        CREATED,
        event("output_item.added", 0, item=thought("", "")),
        event("reasoning_summary_part.added", 0),
        event("reasoning_summary_text.delta", 0, delta="Hm."),
        event("reasoning_summary_part.added", 0),
        event("reasoning_summary_text.delta", 0, delta="Yes."),
        event("output_item.done", 0, item=thought("Hm.")),
        event("output_item.added", 1, item=function_call("a", "")),
        event("function_call_arguments.delta", 1, delta='{"a":'),
        event("output_item.added", 2, item=function_call("b", "")),
        event("function_call_arguments.delta", 2, delta="{}"),
        event("function_call_arguments.delta", 1, delta="1}"),
        event("output_item.done", 1, item=function_call("a", '{"a":1}')),
        event("output_item.done", 2, item=function_call("b")),
        ended(),
    ):
        for chunk in stream.feed(one):
            (choice,) = chunk["choices"]
            seen.append((choice["delta"], list(asked.kept)))
    function = {"name": "get_weather", "arguments": ""}
    assert seen[1:] == [
        ({"reasoning_content": "Hm."}, []),
        ({"reasoning_content": "\n\nYes."}, []),
        (
            {"tool_calls": [{"index": 0, "id": "a", "type": "function", "function": function}]},
            ["a"],
        ),
        ({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}, ["a"]),
        (
            {"tool_calls": [{"index": 1, "id": "b", "type": "function", "function": function}]},
            ["a"],
        ),
        ({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}, ["a"]),
        ({"tool_calls": [{"index": 0, "function": {"arguments": "1}"}}]}, ["a"]),
        ({}, ["a"]),
    ]


def test_a_custom_tool():
    item = {"type": "custom_tool_call", "id": "x", "call_id": "c", "name": "sh", "input": "ls"}
    assert deltas(
        event("output_item.added", 0, item={**item, "input": ""}),
        event("custom_tool_call_input.delta", 0, delta="ls"),
        event("output_item.done", 0, item=item),
    )[1:] == [
        {
            "tool_calls": [
                {"index": 0, "id": "c", "type": "custom", "custom": {"name": "sh", "input": ""}}
            ]
        },
        {"tool_calls": [{"index": 0, "custom": {"input": "ls"}}]},
    ]


def test_a_second_message_is_set_apart():
    assert deltas(
        event("output_item.added", 0, item=said()),
        event("output_text.delta", 0, delta="a"),
        event("output_item.added", 1, item=said()),
        event("output_text.delta", 1, delta="b"),
        event("output_text.delta", 1, delta="c"),
    )[1:] == [{"content": "a"}, {"content": "\n\nb"}, {"content": "c"}]


def test_of_thoughts_in_two_kinds_the_first_is_shown():
    assert deltas(
        event("reasoning_text.delta", 0, delta="full"),
        event("reasoning_summary_text.delta", 0, delta="short"),
        event("output_item.done", 0, item=thought("short")),
    )[1:] == [{"reasoning_content": "full"}]


OUTPUT = (thought("Hm."), said("Hello"), function_call("a", '{"a":1}'))


@pytest.mark.parametrize(
    "events",
    [
        [event("output_item.done", index, item=item) for index, item in enumerate(OUTPUT)],
        [],
    ],
    ids=["whole items", "the end alone"],
)
def test_copies_that_leave_out_events(events):
    asked = call(stream=True)
    assert deltas(*events, ended(*OUTPUT), asked=asked) == [
        {"role": "assistant", "content": None},
        {"reasoning_content": "Hm."},
        {"content": "Hello"},
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "a",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": ""},
                }
            ]
        },
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a":1}'}}]},
        {},
    ]
    assert list(asked.kept) == ["a"]


def test_arguments_that_came_in_part_are_completed():
    assert deltas(
        event("output_item.added", 0, item=function_call("a", "")),
        event("function_call_arguments.delta", 0, delta='{"a"'),
        event("output_item.done", 0, item=function_call("a", '{"a":1}')),
    )[2:] == [
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
    ]


def test_why_it_ended():
    cut = response(status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    chunks, _ = fed(CREATED, event("incomplete", response=cut))
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    refused = deltas(event("refusal.delta", 0, delta="No."))
    assert refused[-1] == {"refusal": "No."}


def test_events_behind_the_end_and_unknown_ones_say_nothing():
    chunks, _ = fed(ended(), event("output_text.delta", 0, delta="late"))
    assert len(chunks) == 2
    assert fed({"type": "keepalive"})[0] == []


@pytest.mark.parametrize(
    "one", [event("failed", response=response()), {"no": "type"}, [], event("completed")]
)
def test_what_is_no_event_or_a_failure(one):
    with pytest.raises(ProviderError) as caught:
        fed(one)
    assert caught.value.status == 502


@pytest.mark.parametrize("identified", [True, False])
@pytest.mark.parametrize("first", [None, 1])
def test_places_that_are_missing_or_other_ones_double_nothing(first, identified):
    if first and not identified:
        return  # then nothing says that it is the same item
    text, call_a, call_b = said("Hi"), function_call("a", '{"a":1}'), function_call("b", '{"b":2}')
    whole = [{**text, "id": "m"}, {**call_a, "id": "fa"}, {**call_b, "id": "fb"}]
    if not identified:
        whole = [{name: item[name] for name in item if name != "id"} for item in whole]
    sent = []
    for number, item in enumerate(whole):
        place = None if first is None else first + number
        named = {"item_id": item["id"]} if identified else {}
        empty = {**item, "content": []} if "content" in item else {**item, "arguments": ""}
        kind = "output_text.delta" if "content" in item else "function_call_arguments.delta"
        piece = "Hi" if "content" in item else item["arguments"]
        sent += [
            event("output_item.added", place, item=empty),
            event(kind, place, delta=piece, **named),
            event("output_item.done", place, item=item),
        ]
    found = deltas(CREATED, *sent, ended(*whole))
    assert "".join(delta.get("content") or "" for delta in found) == "Hi"
    calls = [call for delta in found for call in delta.get("tool_calls") or ()]
    assert [call["id"] for call in calls if "id" in call] == ["a", "b"]
    assert [call["index"] for call in calls] == [0, 0, 1, 1]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"a":1}{"b":2}'


def test_items_that_come_whole_and_without_places_all_arrive():
    items = [{**function_call(ref), "id": f"i_{ref}"} for ref in "ab"]
    found = deltas(*[event("output_item.done", item=item) for item in items])
    calls = [call for delta in found for call in delta.get("tool_calls") or ()]
    assert [call["id"] for call in calls if "id" in call] == ["a", "b"]
