"""Streams: each event in its order, with the ids that the whole response has."""

import itertools

import pytest

from tornado_router.endpoints.bridges.responses_to_chat.output import ToolCall
from tornado_router.endpoints.bridges.responses_to_chat.state import unseal
from tornado_router.endpoints.bridges.responses_to_chat.stream import ResponseStream
from tornado_router.provider import Relayed

from .exchange import (
    BRIDGE,
    LOGPROBS,
    STATE,
    USAGE,
    WEATHER,
    call,
    called,
    chunk,
    completion,
    events,
    kinds,
    last,
    output,
    piece,
    response,
)

BEGIN = ["created", "in_progress"]
MESSAGE = ["output_item.added", "content_part.added"]
MESSAGE_END = ["output_text.done", "content_part.done", "output_item.done"]


def of_item(found, index):
    return [event for event in found if event.get("output_index") == index]


def check(found):
    """What holds of each stream: added, pieces, done, in one order and under one id."""
    final = last(found)
    assert kinds(found)[:2] == BEGIN
    assert {event["response"]["id"] for event in (*found[:2], found[-1])} == {final["id"]}
    assert found[0]["response"]["output"] == []
    places = [e["output_index"] for e in found if e["type"] == "response.output_item.added"]
    assert places == list(range(len(final["output"])))
    for index, item in enumerate(final["output"]):
        own = of_item(found, index)
        assert own[0]["type"] == "response.output_item.added"
        assert own[-1] == {
            "type": "response.output_item.done",
            "output_index": index,
            "item": item,
        }
        assert {event["item_id"] for event in own[1:-1]} <= {item["id"]}
        assert own[0]["item"]["id"] == item["id"]
    return final


def test_a_text():
    found = events(
        call(),
        chunk(role="assistant", content=""),
        chunk(content="He"),
        Relayed(chunk(content="llo"), b""),
        chunk("stop"),
        USAGE,
    )
    deltas = ["output_text.delta"] * 2
    assert kinds(found) == [*BEGIN, *MESSAGE, *deltas, *MESSAGE_END, "completed"]
    assert [event["delta"] for event in found if "delta" in event] == ["He", "llo"]
    assert check(found)["usage"]["total_tokens"] == 18


def test_nothing_is_said_before_the_vendor_has_produced_something():
    stream = BRIDGE.stream(call())
    assert list(stream.finish()) == []


def test_a_stream_of_reasoning_alone():
    found = events(
        call(), chunk(reasoning_content="h"), chunk(reasoning="m"), chunk("length"), USAGE
    )
    assert kinds(found)[2:8] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]
    assert found[-1]["type"] == "response.incomplete"
    final = check(found)
    assert final["output"][0]["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert final["output"][1]["content"][0]["text"] == ""
    assert final["incomplete_details"] == {"reason": "max_output_tokens"}


def test_reasoning_text_and_calls_come_one_after_the_other():
    found = events(
        call(tools=[WEATHER]),
        chunk(reasoning_content="hm"),
        chunk(content="Let me see."),
        piece(0, "c1", "get_weather"),
        piece(0, arguments='{"city":'),
        piece(0, arguments='"Oslo"}'),
        piece(1, "c2", "get_weather", "{}"),
        chunk("tool_calls"),
        USAGE,
    )
    order = [index for index, _ in itertools.groupby(e["output_index"] for e in found[2:-1])]
    assert order == [0, 1, 2, 3], "each item ends before the next begins"
    final = check(found)
    calls = [(item["call_id"], item["arguments"]) for item in final["output"][2:]]
    assert calls == [("c1", '{"city":"Oslo"}'), ("c2", "{}")]
    assert kinds(of_item(found, 2)) == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]


def test_calls_whose_arguments_come_in_turns():
    found = events(
        call(),
        piece(0, "c1", "f", '{"a":'),
        piece(1, "c2", "f", '{"b":'),
        piece(0, arguments="1}"),
        piece(1, arguments="2}"),
        chunk("tool_calls"),
        USAGE,
    )
    arguments = [item["arguments"] for item in check(found)["output"]]
    assert arguments == ['{"a":1}', '{"b":2}']


def test_two_calls_in_one_chunk():
    calls = [
        {"index": index, "id": f"c{index}", "function": {"name": "f", "arguments": "{}"}}
        for index in range(2)
    ]
    for given in (calls, [{**one, "index": 0} for one in calls]):  # some number all of them 0
        found = events(call(), chunk(tool_calls=given), chunk("tool_calls"), USAGE)
        assert [item["call_id"] for item in check(found)["output"]] == ["c0", "c1"]


def test_a_call_whose_name_comes_late():
    found = events(
        call(),
        piece(0, "c1", arguments='{"a"'),
        piece(0, name="f", arguments=":1}"),
        piece(0, "c1", name="f"),
        chunk("tool_calls"),
        USAGE,
    )
    (item,) = check(found)["output"]
    assert (item["call_id"], item["name"], item["arguments"]) == ("c1", "f", '{"a":1}')


def test_a_call_without_an_id_gets_one():
    (item,) = check(events(call(), piece(0, None, "f", "{}"), chunk("tool_calls"), USAGE))["output"]
    assert item["call_id"].startswith("call_")


class TestIdThatAnEarlierTurnHas:
    EARLIER = (called("call_0"), output("call_0"))

    def test_is_another_one_for_the_client(self):
        found = events(
            call(list(self.EARLIER)),
            piece(0, "call_0", "f", '{"a"'),
            piece(0, "call_0", "f", ":1}"),
            piece(1, "call_1", "f", "{}"),
            chunk("tool_calls"),
            USAGE,
        )
        first, second = check(found)["output"]
        assert first["call_id"] not in ("call_0", "call_1")
        assert (first["arguments"], second["call_id"]) == ('{"a":1}', "call_1")

    def test_is_that_of_what_was_kept(self):
        asked = call(list(self.EARLIER), include=[STATE])
        stream = BRIDGE.stream(asked)
        found = list(stream.feed(piece(0, "call_0", "f", "{}")))
        asked.kept["call_0"] = {"signature": "s"}
        found += [*stream.feed(chunk("tool_calls")), *stream.feed(USAGE)]
        item, state = check(found)["output"]
        kept = {item["call_id"]: {"signature": "s"}}
        assert asked.kept == kept
        assert unseal(state["encrypted_content"]).kept == kept


def test_a_call_that_is_cut_off_is_incomplete():
    found = events(call(), piece(0, "c1", "f", '{"a"'), chunk("length"), USAGE)
    (item,) = check(found)["output"]
    assert (item["status"], item["arguments"]) == ("incomplete", '{"a"')


def test_arguments_in_the_chunk_that_ends():
    end = piece(0, arguments="{}")
    end["choices"][0]["finish_reason"] = "tool_calls"
    (item,) = check(events(call(), piece(0, "c1", "f"), end, USAGE))["output"]
    assert item["arguments"] == "{}"


def test_text_behind_a_call_is_another_message():
    found = events(
        call(),
        chunk(content="a"),
        piece(0, "c1", "f", "{}"),
        chunk(content="b"),
        chunk("stop"),
        USAGE,
    )
    assert [item["type"] for item in check(found)["output"]] == [
        "message",
        "function_call",
        "message",
    ]


def test_reasoning_in_the_middle_is_an_item_of_its_own():
    found = events(
        call(), chunk(content="a"), chunk(reasoning_content="hm"), chunk(content="b"), USAGE
    )
    types = [item["type"] for item in check(found)["output"]]
    assert types == ["message", "reasoning", "message"]


def test_a_refusal():
    found = events(call(), chunk(refusal="N"), chunk(refusal="o."), chunk("content_filter"), USAGE)
    assert kinds(found)[4:8] == [
        "refusal.delta",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
    ]
    final = check(found)
    assert final["output"][0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert (final["status"], final["incomplete_details"]) == (
        "incomplete",
        {"reason": "content_filter"},
    )


def test_a_custom_tool_gets_its_text_as_it_comes():
    arguments = ['{"in', 'put": "a', "\\", 'n\\"b\\ud83c', "\\udf89", '"', "}"]
    found = events(
        call(tools=[{"type": "custom", "name": "exec"}]),
        piece(0, "c1", "exec"),
        *(piece(0, arguments=one) for one in arguments),
        chunk("tool_calls"),
        USAGE,
    )
    deltas = [event["delta"] for event in found if "delta" in event]
    assert deltas == ["a", '\n"b', "🎉"]
    assert kinds(of_item(found, 0))[-2:] == ["custom_tool_call_input.done", "output_item.done"]
    (item,) = check(found)["output"]
    assert (item["type"], item["input"]) == ("custom_tool_call", 'a\n"b🎉')


def test_a_tool_of_another_kind_comes_whole():
    found = events(
        call(tools=[{"type": "shell"}]),
        piece(0, "c1", "shell", '{"commands":'),
        piece(0, arguments='["ls"]}'),
        chunk("tool_calls"),
        USAGE,
    )
    assert kinds(found)[2:] == ["output_item.added", "output_item.done", "completed"]
    assert check(found)["output"][0]["action"] == {"commands": ["ls"]}


def test_log_probabilities_come_with_their_text():
    token = {"token": "Hi", "logprob": -0.5, "bytes": [72, 105], "top_logprobs": []}
    found = events(
        call(include=[LOGPROBS]),
        chunk(content="Hi", logprobs={"content": [token]}),
        chunk("stop"),
        USAGE,
    )
    for kind in ("output_text.delta", "output_text.done"):
        (event,) = (event for event in found if event["type"] == f"response.{kind}")
        assert event["logprobs"] == [token]


def test_pages_are_cited_in_their_place():
    citation = {"start_index": 0, "end_index": 2, "url": "https://example.org", "title": "t"}
    found = events(
        call(),
        chunk(content="Hi"),
        chunk(annotations=[{"type": "url_citation", "url_citation": citation}]),
        chunk("stop"),
        USAGE,
    )
    assert "output_text.annotation.added" in kinds(found)
    part = check(found)["output"][0]["content"][0]
    assert part["annotations"] == [{"type": "url_citation", **citation}]


class TestEnd:
    def test_comes_with_usage_and_nothing_follows(self):
        stream = BRIDGE.stream(call())
        for one in (chunk(content="Hi"), chunk("stop")):
            list(stream.feed(one))
        assert stream.complete
        assert kinds(stream.feed(USAGE))[-1] == "completed"
        assert [*stream.feed(chunk(content="x")), *stream.finish()] == []

    def test_without_usage_comes_at_the_end(self):
        found = events(call(), chunk(content="Hi"), chunk("stop"))
        assert check(found)["usage"] is None

    def test_without_a_finish_reason_is_whole(self):
        found = events(call(), chunk(content="Hi"), USAGE)
        assert check(found)["status"] == "completed"

    def test_with_usage_in_each_chunk_takes_the_last(self):
        found = events(
            call(),
            chunk(content="Hi") | {"usage": {"prompt_tokens": 1, "completion_tokens": 1}},
            chunk("stop") | {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        )
        assert check(found)["usage"]["output_tokens"] == 2


class TestState:
    def test_is_an_item_behind_the_calls(self):
        asked = call(include=[STATE])
        stream = BRIDGE.stream(asked)
        found = [
            *stream.feed(chunk(reasoning_content="hm")),
            *stream.feed(piece(0, "c1", "f", "{}")),
        ]
        asked.kept["c1"] = {"signature": "s"}
        found += stream.feed(chunk("tool_calls"))
        asked.kept.clear()  # the core has taken it
        found += stream.feed(USAGE)
        final = check(found)
        assert [item["type"] for item in final["output"]] == [
            "reasoning",
            "function_call",
            "reasoning",
        ]
        assert unseal(final["output"][-1]["encrypted_content"]).kept == {"c1": {"signature": "s"}}

    def test_that_comes_with_the_last_chunk_is_not_lost(self):
        asked = call(include=[STATE])
        stream = BRIDGE.stream(asked)
        list(stream.feed(piece(0, "c1", "f", "{}")))
        asked.kept["c1"] = 1
        found = list(stream.finish())
        assert unseal(last(found)["output"][-1]["encrypted_content"]).kept == {"c1": 1}


@pytest.mark.parametrize(
    "message",
    [
        {"content": "Hi"},
        {"refusal": "No."},
        {"content": "Hi", "reasoning_content": "hm"},
        {
            "content": "Hi",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "exec", "arguments": '{"input":"a"}'},
                },
            ],
        },
    ],
)
def test_a_stream_ends_with_the_whole_response(message):
    asked = call(tools=[{"type": "custom", "name": "exec"}], include=[STATE])
    pieces = []
    for name in ("reasoning_content", "content", "refusal"):
        pieces += [chunk(**{name: letter}) for letter in message.get(name, "")]
    for index, one in enumerate(message.get("tool_calls", ())):
        pieces.append(piece(index, one["id"], one["function"]["name"]))
        pieces += [piece(index, arguments=letter) for letter in one["function"]["arguments"]]
    found = events(asked, *pieces, chunk("stop"), USAGE)
    assert check(found) == response(asked, completion(**message))


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"choices": 5},
        {"choices": [{}, {"delta": 5}, {"index": 1, "delta": {"content": "x"}}]},
        {"choices": [], "usage": {"prompt_tokens": "x"}},
    ],
)
def test_what_is_odd_is_passed_over(odd):
    found = events(call(), {"id": "x", **odd}, chunk(content="Hi"), chunk("stop"), USAGE)
    assert check(found)["output"][0]["content"][0]["text"] == "Hi"


def counted(one, tokens):
    return {**one, "usage": {"prompt_tokens": 5, "completion_tokens": tokens}}


def test_a_finish_reason_that_is_empty_ends_nothing():
    found = events(
        call(),
        counted(chunk("", content="a"), 1),
        counted(chunk("", content="b"), 2),
        counted(chunk("stop"), 3),
    )
    final = check(found)
    assert final["output"][0]["content"][0]["text"] == "ab"
    assert final["usage"]["output_tokens"] == 3


def test_of_usage_in_each_chunk_the_last_holds():
    found = events(call(), counted(chunk(content="a"), 1), chunk("stop"), USAGE)
    assert check(found)["usage"]["output_tokens"] == 7


def test_arguments_may_come_as_an_object():
    found = events(call(tools=[WEATHER]), piece(0, "a", "get_weather", {"city": "Rome"}))
    assert check(found)["output"][0]["arguments"] == '{"city":"Rome"}'


def test_calls_of_one_response_that_share_an_id_get_their_own():
    asked = call(tools=[WEATHER], include=[STATE], stream=True)
    asked.keep("get_weather", {"signature": "s"})
    calls = [piece(index, "get_weather", "get_weather", "{}") for index in range(3)]
    ids = [item.get("call_id") for item in check(events(asked, *calls))["output"][:3]]
    assert ids[0] == "get_weather"
    assert len(set(ids)) == 3
    assert asked.kept == {"get_weather": {"signature": "s"}}, "it is of the first"


@pytest.mark.parametrize(
    "token", [5, {"token": 5}, {"token": "a", "top_logprobs": 5}, {"top_logprobs": [5, {}]}]
)
def test_log_probabilities_that_are_odd_spoil_no_text(token):
    stream = BRIDGE.stream(call(include=[LOGPROBS]))
    given = [*stream.feed(chunk("stop", {"content": [token]}, content="a")), *stream.finish()]
    assert last(given)["output"][0]["content"][0]["text"] == "a"


def test_many_calls_that_are_not_whole_are_read_once_each(monkeypatch):
    """Or each that begins would read all before it: 8,000 of them took 21 seconds."""
    read = []
    is_whole = ToolCall.is_whole
    monkeypatch.setattr(ToolCall, "is_whole", lambda item: read.append(item) or is_whole(item))
    calls = [
        {"index": index, "id": f"c{index}", "function": {"name": "f", "arguments": '{"a":'}}
        for index in range(200)
    ]
    stream = ResponseStream(call())
    for one in calls:
        stream.feed({"choices": [{"index": 0, "delta": {"tool_calls": [one]}}]})
    assert len(read) == 199
    *_, last = stream.finish()
    assert len(last["response"]["output"]) == 200
