"""Streams of messages, joined for the request log."""

import orjson

from tornado_router.endpoints import MESSAGES

from .test_messages_stream import EVENTS, STOP, TOOL, block, delta, ending, start, stop


def wire(*events):
    return b"".join(
        f"event: {event['type']}\n".encode() + b"data: " + orjson.dumps(event) + b"\n\n"
        for event in events
    )


def test_a_message_is_put_together():
    joined = MESSAGES.join(wire(*EVENTS))
    assert joined == {
        "stream": True,
        "id": "msg_1",
        "model": "claude",
        "role": "assistant",
        "content": [{"type": "text", "text": "Hello wörld"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 7},
    }


def test_blocks_of_every_kind():
    joined = MESSAGES.join(
        wire(
            start(),
            block(kind="thinking", thinking="", signature=""),
            delta(kind="thinking_delta", thinking="a"),
            delta(kind="thinking_delta", thinking="b"),
            delta(kind="signature_delta", signature="s"),
            stop(),
            TOOL,
            delta(1, "input_json_delta", partial_json='{"a":'),
            delta(1, "input_json_delta", partial_json=" 1}"),
            block(2),
            delta(2, "citations_delta", citation={"title": "t"}),
            block(3, "tool_use", id="t2", name="none", input={}),
            delta(3, "input_json_delta", partial_json=""),
            ending("tool_use"),
            STOP,
        )
    )
    assert joined["content"] == [
        {"type": "thinking", "thinking": "ab", "signature": "s"},
        {"type": "tool_use", "id": "t1", "name": "get", "input": {"a": 1}},
        {"type": "text", "text": "", "citations": [{"title": "t"}]},
        {"type": "tool_use", "id": "t2", "name": "none", "input": {}},
    ]


def test_errors_and_reasons_are_kept_and_what_cannot_be_read_is_passed_over():
    error = {"type": "error", "error": {"type": "api_error", "message": "x"}}
    cut = ending("max_tokens", router={"type": "billing_error"})
    data = wire({"type": []}, delta(text="x"), cut, error) + b"data: {\n\ndata: {}\n\n"
    joined = MESSAGES.join(data)
    assert joined["content"] == [{"text": "x"}]
    assert (joined["error"], joined["router"]) == (error["error"], {"type": "billing_error"})


def test_what_may_be_cut_in_half_is_trimmed():
    joined = MESSAGES.join(
        wire(
            start(), delta(text="secret"), TOOL, delta(1, "input_json_delta", partial_json='{"pass')
        )
    )
    MESSAGES.trim(joined, lambda text: text[:3])
    assert joined["content"] == [{"text": "sec"}, {"type": "tool_use", "id": "t1", "name": "get"}]
