"""Chunks as events: their order, and what odd vendors send. Anthropic's SDK puts them together."""

import pytest
from anthropic import NOT_GIVEN
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import RawMessageStreamEvent
from pydantic import TypeAdapter

from tests.messages import WEATHER, call, chunk, piece, usage_chunk
from tornado_router.endpoints.bridges.messages_to_chat.stream import MessageStream
from tornado_router.errors import ProviderError
from tornado_router.provider import ROUTER_SIGNATURE, Relayed

EVENT = TypeAdapter(RawMessageStreamEvent)
THINKS = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
NO_USAGE = {"input_tokens": 0, "output_tokens": 0}


def events(*chunks, **asks):
    stream = MessageStream(call(stream=True, **asks))
    made = [event for each in chunks for event in stream.feed(each)] + list(stream.finish())
    assert list(stream.finish()) == [], "it ends once"
    return made


def with_usage(event):
    """An event as the encoder completes it."""
    if event["type"] == "message_start":
        return {**event, "message": {"usage": NO_USAGE, **event["message"]}}
    return {"usage": NO_USAGE, **event} if event["type"] == "message_delta" else event


def message(made):
    """What the SDK makes of events; that they are in order is checked on the way."""
    snapshot, buffers, at, is_open = None, {}, 0, False
    for event in made:
        parsed = EVENT.validate_python(with_usage(event))
        if event["type"] == "content_block_start":
            assert (event["index"], is_open) == (at, False)
            is_open = True
        elif event["type"] == "content_block_delta":
            assert (event["index"], is_open) == (at, True)
        elif event["type"] == "content_block_stop":
            assert (event["index"], is_open) == (at, True)
            at, is_open = at + 1, False
        snapshot = accumulate_event(
            event=parsed, current_snapshot=snapshot, json_bufs=buffers, output_format=NOT_GIVEN
        )
    assert [made[0]["type"], made[-2]["type"], made[-1]["type"]] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    assert not is_open
    return snapshot


def blocks(made):
    return [block.to_dict() for block in message(made).content]


def tool(ref, name, given):
    return {"type": "tool_use", "id": ref, "name": name, "input": given}


def test_a_text_in_the_order_of_the_api():
    made = events(
        chunk(role="assistant", content=""),
        chunk(content="Hel"),
        chunk(content="lo"),
        chunk("stop"),
        usage_chunk(100, 7, prompt_tokens_details={"cached_tokens": 60}),
    )
    assert [event["type"] for event in made] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start = made[0]["message"]
    assert (start["id"], start["model"], start["content"]) == ("msg_r1", "vendor-m", [])
    assert made[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {
            "input_tokens": 40,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 60,
            "output_tokens": 7,
        },
    }
    assert message(made).usage.input_tokens == 40


def test_of_several_choices_the_first_is_the_message():
    other = chunk("stop", content="No.")
    other["choices"][0]["index"] = 1
    both = chunk(content="i.")
    both["choices"] += other["choices"]
    assert blocks(events(other, chunk(content="H"), both, chunk("stop"))) == [
        {"type": "text", "text": "Hi."}
    ]


def test_a_chunk_whose_bytes_were_passed_on_is_read():
    assert blocks(events(Relayed(chunk("stop", content="Hi."), b"{}"))) == [
        {"type": "text", "text": "Hi."}
    ]


def test_usage_in_the_last_chunk_of_content():
    usage = usage_chunk(9, 3)["usage"]
    made = events(chunk(content="Hi."), chunk("stop", usage=usage))
    assert (made[-2]["usage"]["input_tokens"], made[-2]["usage"]["output_tokens"]) == (9, 3)


def test_usage_in_every_chunk_counts_once_and_last():
    made = events(
        chunk(content="Hi", usage=usage_chunk(9, 1)["usage"]),
        chunk("stop", content=".", usage=usage_chunk(9, 2)["usage"]),
        usage_chunk(9, 3),
    )
    assert [event["usage"]["output_tokens"] for event in made if "usage" in event] == [3]


def test_the_message_ends_with_the_usage_and_what_comes_behind_it_is_nothing():
    stream = MessageStream(call(stream=True))
    stream.feed(chunk(content="Hi."))
    assert not stream.complete
    stream.feed(chunk("stop"))
    assert stream.complete
    assert [event["type"] for event in stream.feed(usage_chunk())][-1] == "message_stop"
    assert list(stream.feed(chunk(content="more"))) == []


def test_a_tool_in_pieces_is_sent_in_pieces():
    made = events(
        chunk(role="assistant", content=None, tool_calls=[piece(0, "", "call_1", "get_weather")]),
        chunk(tool_calls=[piece(0, '{"city"')]),
        chunk(tool_calls=[piece(0, ': "Paris"}')]),
        chunk("tool_calls"),
        tools=[WEATHER],
    )
    pieces = [
        event["delta"]["partial_json"] for event in made if "index" in event and "delta" in event
    ]
    assert pieces == ['{"city"', ': "Paris"}']
    assert blocks(made) == [tool("call_1", "get_weather", {"city": "Paris"})]
    assert message(made).stop_reason == "tool_use"


def test_the_last_piece_may_ride_with_the_finish_reason():
    made = events(
        chunk(tool_calls=[piece(0, '{"a"', "c", "f")]),
        chunk("tool_calls", tool_calls=[piece(0, ":1}")]),
    )
    assert blocks(made) == [tool("c", "f", {"a": 1})]


@pytest.mark.parametrize("given", [None, "", "{}", "null", '""'])
def test_a_tool_without_arguments_ends_as_an_empty_object(given):
    made = events(chunk(tool_calls=[piece(0, given, "c", "f")]), chunk("tool_calls"))
    assert [event["delta"] for event in made if event["type"] == "content_block_delta"] == [
        {"type": "input_json_delta", "partial_json": "{}"}
    ]
    assert blocks(made) == [tool("c", "f", {})]


def test_arguments_that_are_no_object_become_one():
    made = events(chunk(tool_calls=[piece(0, "[1", "c", "f")]), chunk(tool_calls=[piece(0, "]")]))
    assert blocks(made) == [tool("c", "f", {"arguments": "[1]"})]


def test_arguments_that_are_an_object_already():
    call_ = {"index": 0, "id": "c", "function": {"name": "f", "arguments": {"a": 1}}}
    assert blocks(events(chunk("tool_calls", tool_calls=[call_]))) == [tool("c", "f", {"a": 1})]


PARALLEL = [tool("a", "f", {"x": 1}), tool("b", "g", {"y": 2})]


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(
            [
                [piece(0, "", "a", "f")],
                [piece(0, '{"x"')],
                [piece(0, ": 1}")],
                [piece(1, "", "b", "g")],
                [piece(1, '{"y": 2}')],
            ],
            id="one after the other",
        ),
        pytest.param(
            [
                [piece(0, "", "a", "f"), piece(1, "", "b", "g")],
                [piece(1, '{"y"')],
                [piece(0, '{"x": ')],
                [piece(1, ": 2}"), piece(0, "1}")],
            ],
            id="between each other",
        ),
        pytest.param(
            [[piece(0, '{"x": 1}', "a", "f"), piece(1, '{"y": 2}', "b", "g")]], id="in one chunk"
        ),
        pytest.param(
            [[piece(0, '{"x": 1}', "a", "f")], [piece(0, '{"y": 2}', "b", "g")]], id="all are 0"
        ),
        pytest.param(
            [
                [piece(0, "", "a")],
                [piece(0, '{"x": 1}', name="f")],
                [piece(1, '{"y": 2}', "b", "g")],
            ],
            id="a name that comes late",
        ),
        pytest.param(
            [
                [piece(0, '{"x": 1}', "a", "f")],
                [piece(1, '{"y": 2}', "b", "g")],
                [piece(0, "\n")],
                [piece(1, "\n")],
            ],
            id="blanks behind the end",
        ),
    ],
)
def test_parallel_calls_are_blocks_of_their_own(chunks):
    made = events(*(chunk(tool_calls=pieces) for pieces in chunks), chunk("tool_calls"))
    assert blocks(made) == PARALLEL


def test_the_second_call_is_sent_while_it_comes():
    stream = MessageStream(call(stream=True))
    stream.feed(chunk(tool_calls=[piece(0, '{"x": 1}', "a", "f")]))
    types = [event["type"] for event in stream.feed(chunk(tool_calls=[piece(1, '{"', "b", "g")]))]
    assert types == ["content_block_stop", "content_block_start", "content_block_delta"]


def test_text_before_and_behind_a_call():
    made = events(
        chunk(content="I look.", tool_calls=[piece(0, '{"x": 1}', "a", "f")]),
        chunk(content="So."),
        chunk("tool_calls"),
    )
    assert [block["type"] for block in blocks(made)] == ["text", "tool_use", "text"]


def test_text_between_the_pieces_of_a_call_waits():
    made = events(
        chunk(tool_calls=[piece(0, '{"x"', "a", "f")]),
        chunk(content="So"),
        chunk(content="."),
        chunk(tool_calls=[piece(0, ": 1}")]),
        chunk("tool_calls"),
    )
    assert blocks(made) == [PARALLEL[0], {"type": "text", "text": "So."}]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_come_first_and_are_signed_before_they_end(field):
    made = events(
        chunk(role="assistant", content=None),
        chunk(**{field: "H"}),
        chunk(**{field: "m."}),
        chunk(content="Hi."),
        chunk("stop"),
        **THINKS,
    )
    assert blocks(made) == [
        {"type": "thinking", "thinking": "Hm.", "signature": ROUTER_SIGNATURE},
        {"type": "text", "text": "Hi."},
    ]
    signed = next(at for at, event in enumerate(made) if event.get("delta", {}).get("signature"))
    assert made[signed + 1] == {"type": "content_block_stop", "index": 0}
    assert sum("signature" in event.get("delta", {}) for event in made) == 1


def test_thoughts_in_two_fields_come_once():
    made = events(chunk(reasoning="Hm.", reasoning_content="Hm."), chunk("stop"), **THINKS)
    assert blocks(made)[0]["thinking"] == "Hm."


def test_who_did_not_ask_for_thoughts_gets_none():
    made = events(chunk(reasoning_content="Hm."), chunk(content="Hi."), chunk("stop"))
    assert blocks(made) == [{"type": "text", "text": "Hi."}]


def test_thoughts_among_the_parts_of_a_content():
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    made = events(
        chunk(content=[thinking]), chunk(content=[{"type": "text", "text": "Hi."}]), **THINKS
    )
    assert [block["type"] for block in blocks(made)] == ["thinking", "text"]


def test_a_refusal_is_a_text():
    made = events(chunk(refusal="I must"), chunk(refusal=" not."), chunk("stop"))
    assert blocks(made) == [{"type": "text", "text": "I must not."}]
    assert message(made).stop_reason == "refusal"


def test_a_call_that_was_cut_off_is_ended_in_order():
    made = events(chunk(tool_calls=[piece(0, '{"city": "Par', "c", "f")]), chunk("length"))
    assert message(made).stop_reason == "max_tokens"


def test_a_call_that_never_had_a_name_is_none():
    made = events(chunk(content="Hi."), chunk(tool_calls=[piece(0, "{}", "c")]), chunk("stop"))
    assert blocks(made) == [{"type": "text", "text": "Hi."}]


def test_a_call_without_an_id_gets_one():
    made = events(chunk(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": "{}"}}]))
    assert blocks(made)[0]["id"]


def test_a_tool_has_the_clients_name():
    name = "mcp__server__" + "x" * 100
    made = events(
        chunk(tool_calls=[piece(0, "{}", "c", name[:64])]), tools=[{**WEATHER, "name": name}]
    )
    assert blocks(made)[0]["name"] == name


def test_without_a_finish_reason_or_usage_it_ends_all_the_same():
    made = events(chunk(content="Hi."))
    assert made[-2] == {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
    }
    assert message(made).stop_reason == "end_turn"
    assert message(events(chunk(tool_calls=[piece(0, "{}", "c", "f")]))).stop_reason == "tool_use"


def test_nothing_is_a_message_without_content():
    assert blocks(events()) == []
    assert blocks(events(chunk("stop"))) == []


def test_at_which_sequence_it_ended():
    last = chunk("stop")
    last["choices"][0]["stop_reason"] = "END"
    made = events(chunk(content="Hi."), last, stop_sequences=["END"])
    assert made[-2]["delta"] == {"stop_reason": "stop_sequence", "stop_sequence": "END"}


@pytest.mark.parametrize("odd", [{"choices": [1]}, {"choices": [{"delta": {"tool_calls": [1]}}]}])
def test_what_is_no_chunk_is_a_fault_of_the_provider(odd):
    with pytest.raises(ProviderError) as failed:
        events(odd)
    assert failed.value.status == 502


def test_calls_that_share_an_id_get_their_own():
    calls = [chunk(tool_calls=[piece(index, "{}", "f", "f")]) for index in range(2)]
    assert len({block["id"] for block in blocks(events(*calls, chunk("tool_calls")))}) == 2


def test_arguments_begin_behind_blanks():
    pieces = [chunk(tool_calls=[piece(0, text)]) for text in (" ", '{"a":', "1}")]
    made = events(chunk(tool_calls=[piece(0, "\n", "a", "f")]), *pieces)
    deltas = [event["delta"]["partial_json"] for event in made if event["type"].endswith("k_delta")]
    assert deltas == ['\n {"a":', "1}"]
