"""Streams of messages on their way out: events for the client, and usage for the books."""

import orjson
import pytest

from tornado_router.endpoints import MESSAGES
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Call, Relayed
from tornado_router.sse import Decoder
from tornado_router.usage import Usage

BODY = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x" * 40}]}
CALL = Call("r1", MESSAGES.name, "m", BODY, orjson.dumps(BODY), stream=True)
PROMPT = MESSAGES.estimate(CALL).prompt_tokens


def start(**fields):
    usage = {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude"}
    return {"type": "message_start", "message": {**message, "usage": usage, **fields}}


def block(index=0, kind="text", **fields):
    content = {"type": kind, **(fields or {kind: ""})}
    return {"type": "content_block_start", "index": index, "content_block": content}


def delta(index=0, kind="text_delta", **fields):
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def stop(index=0):
    return {"type": "content_block_stop", "index": index}


def ending(reason="end_turn", **fields):
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": 7},
        **fields,
    }


STOP = {"type": "message_stop"}
PING = {"type": "ping"}
EVENTS = [
    start(),
    PING,
    block(),
    delta(text="Hello "),
    delta(text="wörld"),
    stop(),
    ending(),
    STOP,
]
TOOL = block(1, "tool_use", id="t1", name="get", input={})


def relayed(body):
    return Relayed(body, orjson.dumps(body))


def events(data):
    """Names and bodies of events."""
    found = [(event.name, orjson.loads(event.data)) for event in Decoder().feed(data)]
    assert all(name == body["type"] for name, body in found)
    return [body for _, body in found]


def sent(*chunks, model=None):
    """What a client gets, and what is accounted for."""
    encoder = MESSAGES.encoder(CALL, model)
    data = b"".join(map(encoder.encode, chunks))
    return events(data + encoder.finish()), encoder.usage()


FORMS = pytest.mark.parametrize("form", [dict, relayed], ids=["made", "relayed"])


@FORMS
def test_events_go_on_as_they_are_each_under_its_name_and_without_done(form):
    assert sent(*map(form, EVENTS)) == (EVENTS, Usage(7, 7, 2))


def test_the_vendors_bytes_are_not_touched():
    raw = b'{ "type":"content_block_delta", "x": "\\u00e9", "delta":{"type":"future"}}'
    encoder = MESSAGES.encoder(CALL)
    line = encoder.encode(Relayed(orjson.loads(raw), raw))
    assert line == b"event: content_block_delta\ndata: " + raw + b"\n\n"


def test_but_lines_in_them_are():
    raw = orjson.dumps(delta(text="x"), option=orjson.OPT_INDENT_2)
    line = MESSAGES.encoder(CALL).encode(Relayed(orjson.loads(raw), raw))
    assert events(line) == [delta(text="x")]


@pytest.mark.parametrize(
    ("kind", "line"), [("new.event-1", b"event: new.event-1\n"), ("a\ndata: x", b""), ("", b"")]
)
def test_events_yet_unknown_pass_and_none_can_forge_another(kind, line):
    body = {"type": kind}
    encoder = MESSAGES.encoder(CALL)
    assert encoder.encode(relayed(body)) == line + b"data: " + orjson.dumps(body) + b"\n\n"


def test_the_model_may_be_called_as_it_was_asked_for():
    (first, *rest), _ = sent(*map(relayed, EVENTS), model="fast")
    assert first["message"] == {**start()["message"], "model": "fast"}
    assert rest == EVENTS[1:]


@FORMS
def test_text_thoughts_and_calls_of_tools_are_generated(form):
    encoder = MESSAGES.encoder(CALL)
    for event, size in [
        (start(), 0),
        (block(kind="thinking"), 0),
        (delta(kind="thinking_delta", thinking="ab"), 2),
        (delta(kind="signature_delta", signature="s" * 99), 0),
        (delta(text="é"), 2),
        (TOOL, 3),
        (delta(1, "input_json_delta", partial_json='{"a"'), 4),
        (block(2, "web_search_tool_result", content=[{"encrypted_content": "x" * 99}]), 0),
        (PING, 0),
    ]:
        before = encoder.generated
        encoder.encode(form(event))
        assert encoder.generated - before == size


class TestUsage:
    def test_of_a_stream_that_broke_off_is_what_came(self):
        encoder = MESSAGES.encoder(CALL)
        encoder.encode(start())
        encoder.encode(delta(text="x" * 40))
        assert not encoder.complete
        assert encoder.usage() == Usage(7, 10, 2, estimated=True)

    def test_is_estimated_where_the_vendor_reports_none(self):
        encoder = MESSAGES.encoder(CALL)
        for event in (start(usage=None), delta(text="x" * 40), ending(usage=None)):
            encoder.encode(relayed(event))
        assert encoder.complete
        assert encoder.usage() == Usage(PROMPT, 10, estimated=True)

    def test_late_input_counts(self):
        late = ending(usage={"input_tokens": 50, "output_tokens": 7})
        first = start(usage={"input_tokens": 0, "output_tokens": 0})
        assert sent(first, block(), stop(), late, STOP)[1] == Usage(50, 7)

    def test_what_a_plugin_leaves_out_is_filled_in_for_the_sdks(self):
        first, _, _, _, last, _ = sent(
            start(usage=None), block(), delta(text="x" * 40), stop(), ending(usage=None), STOP
        )[0]
        assert first["message"]["usage"]["input_tokens"] == PROMPT
        assert last["usage"]["output_tokens"] == 10


class TestEnds:
    def test_what_a_vendor_leaves_out_is_made_up(self):
        made = [start(), block(), delta(text="x"), ending(), STOP]
        assert sent(*made[:-1])[0] == [*made[:-1], stop(), STOP]
        *_, closed, last, end = sent(*made[:-2])[0]
        assert (closed, end) == (stop(), STOP)
        assert last["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}

    def test_a_stream_is_cut_as_if_it_had_reached_its_bound(self):
        encoder = MESSAGES.encoder(CALL)
        for event in (start(), block(), stop(), TOOL):
            encoder.encode(event)
        reason = ApiError(429, "No money.", code="insufficient_quota")
        closed, last, end = events(encoder.cut(reason))
        assert (closed, end) == (stop(1), STOP)
        assert last["delta"]["stop_reason"] == "max_tokens"
        assert last["router"] == {"type": "billing_error", "message": "No money."}
        assert last["usage"]["input_tokens"] == 5

    def test_a_failure_is_an_event_of_the_dialect(self):
        (event,) = events(MESSAGES.encoder(CALL).error(ProviderError(502, "It broke.")))
        assert event == {
            "type": "error",
            "error": {"type": "api_error", "message": "It broke."},
            "request_id": "r1",
        }

    def test_complete_is_what_has_a_reason_to_stop(self):
        encoder = MESSAGES.encoder(CALL)
        for event in EVENTS[:-2]:
            encoder.encode(event)
            assert not encoder.complete
        encoder.encode(EVENTS[-2])
        assert encoder.complete


@pytest.mark.parametrize(
    "odd",
    [
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": 5}},
        {"type": "message_start"},
        {"type": "message_delta", "delta": None},
        {"type": "content_block_start", "index": 0, "content_block": []},
        {"type": "content_block_stop"},
        {"type": None},
        {},
    ],
)
class TestOddEvents:
    def test_of_a_vendor_pass(self, odd):
        assert MESSAGES.encoder(CALL).encode(relayed(odd)).endswith(orjson.dumps(odd) + b"\n\n")

    def test_of_a_plugin_are_its_fault(self, odd):
        with pytest.raises(ProviderError) as caught:
            MESSAGES.encoder(CALL).encode(odd)
        assert caught.value.status == 502


@pytest.mark.parametrize(
    ("event", "is_content"),
    [
        (start(), False),
        (PING, False),
        (block(), False),
        (block(kind="thinking"), False),
        (block(kind="text", text="x"), True),
        (TOOL, True),
        (block(kind="redacted_thinking", data="x"), True),
        (delta(text=""), False),
        (delta(text="x"), True),
        (delta(kind="thinking_delta", thinking="x"), True),
        (delta(kind="input_json_delta", partial_json=""), False),
        (delta(kind="input_json_delta", partial_json="{"), True),
        (delta(kind="signature_delta", signature="x"), False),
        (delta(kind="citations_delta", citation={}), True),
        (stop(), False),
        (ending(), False),
        ({"type": []}, False),
        ({"type": "content_block_delta", "delta": {"type": []}}, True),
        ({"type": "content_block_start", "content_block": {"type": []}}, True),
        ({"type": "content_block_delta"}, False),
        ([], False),
    ],
)
@FORMS
def test_what_is_content(form, event, is_content):
    chunk = relayed(event) if form is relayed else event
    assert MESSAGES.has_content(chunk) is is_content
