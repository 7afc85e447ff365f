"""Streams of responses: events as SDKs read them, and what the log makes of them."""

import orjson
import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import TypeAdapter

from tornado_router.endpoints import RESPONSES
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Call, Relayed
from tornado_router.sse import Decoder

EVENT = TypeAdapter(ResponseStreamEvent)
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant"}
PART = {"type": "output_text", "text": "", "annotations": []}


def call():
    body = {"model": "m", "input": "hi", "stream": True}
    return Call("req_1", RESPONSES.name, "m", body, orjson.dumps(body), True)


def response(**fields):
    return {**RESPONSES.outline(call()), "id": "resp_1", **fields}


def text(delta):
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    return {"type": "response.output_text.delta", **where, "delta": delta, "logprobs": []}


CREATED = {"type": "response.created", "response": response()}
ADDED = {
    "type": "response.output_item.added",
    "output_index": 0,
    "item": {**MESSAGE, "status": "in_progress", "content": []},
}
WHOLE = {**MESSAGE, "status": "completed", "content": [{**PART, "text": "Paris"}]}
DONE = {"type": "response.output_item.done", "output_index": 0, "item": WHOLE}
COMPLETED = {"type": "response.completed", "response": response(status="completed", output=[WHOLE])}
ALL = (CREATED, ADDED, text("Par"), text("is"), DONE, COMPLETED)


def read(data):
    """The events of a stream; each is what the SDK takes it for."""
    decoder = Decoder()
    found = [(event.name, orjson.loads(event.data)) for event in decoder.feed(data)]
    for name, body in found:
        assert name == body["type"]
        assert EVENT.validate_python(body).type == name
    return [body for _, body in found]


def relayed(body):
    return Relayed(body, orjson.dumps(body))


def test_made_events_are_numbered_and_named():
    encoder = RESPONSES.encoder(call())
    events = read(b"".join(map(encoder.encode, ALL)) + encoder.finish())
    assert [event["sequence_number"] for event in events] == list(range(6))
    assert encoder.complete


def test_the_bytes_of_a_vendor_stay():
    encoder = RESPONSES.encoder(call())
    raw = b'{ "type":"response.output_text.delta","sequence_number":17, "delta":"a" }'
    data = encoder.encode(Relayed(orjson.loads(raw), raw))
    assert data == b"event: response.output_text.delta\ndata: " + raw + b"\n\n"


def test_a_line_end_in_an_event_breaks_none():
    encoder = RESPONSES.encoder(call())
    raw = b'{"type":"response.output_text.delta\\n\\nevent: x","sequence_number":1,\n"delta":"a"}'
    data = encoder.encode(Relayed(orjson.loads(raw), raw))
    assert data.count(b"\n") == 3
    assert len(list(Decoder().feed(data))) == 1


def test_the_model_is_called_as_the_client_did():
    encoder = RESPONSES.encoder(call(), "asked")
    numbered = [relayed({**event, "sequence_number": 0}) for event in ALL]
    events = read(b"".join(map(encoder.encode, numbered)))
    named = [event["response"]["model"] for event in events if "response" in event]
    assert named == ["asked", "asked"]


def test_usage_is_reported_or_estimated():
    encoder = RESPONSES.encoder(call())
    for event in ALL[:-1]:
        encoder.encode(relayed(event))
    assert encoder.usage().estimated
    assert encoder.usage().completion_tokens == 2  # of five bytes
    usage = {"input_tokens": 7, "output_tokens": 3}
    encoder.encode(relayed({**COMPLETED, "response": response(usage=usage)}))
    assert encoder.usage()[:2] == (7, 3)


def test_a_made_response_without_usage_gets_an_estimate():
    encoder = RESPONSES.encoder(call())
    *_, last = read(b"".join(map(encoder.encode, ALL)))
    assert last["response"]["usage"]["output_tokens"] == 2


def test_a_cut_ends_the_item_and_the_response_with_what_came():
    encoder = RESPONSES.encoder(call())
    before = b"".join(map(encoder.encode, ALL[:3]))
    reason = ApiError(429, "The budget is used up.", code="quota_used_up")
    events = read(before + encoder.cut(reason))
    done, last = events[-2:]
    assert done["item"]["content"][0]["text"] == "Par"
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["output"] == [done["item"]]
    assert last["router"]["error"]["code"] == "quota_used_up"
    assert [event["sequence_number"] for event in events] == list(range(5))


def test_the_last_event_has_the_items_that_were_streamed():
    """Some vendors leave its output empty, though clients look for the items there."""
    encoder = RESPONSES.encoder(call())
    *before, last = ALL
    sent = b"".join(map(encoder.encode, before))
    empty = {**last, "response": {**last["response"], "output": []}, "sequence_number": len(before)}
    *_, event = read(sent + encoder.encode(relayed(empty)))
    assert event["response"]["output"] == [WHOLE]
    assert encoder.response["output"] == [WHOLE]


def test_a_cut_ends_every_item_that_is_open():
    """Calls whose arguments come in turns are open at the same time, and some are whole by then."""
    encoder = RESPONSES.encoder(call())
    sent = b""
    for index, (kind, field) in enumerate(
        [
            ("function_call", "arguments"),
            ("custom_tool_call", "input"),
            ("function_call", "arguments"),
        ]
    ):
        known = {"type": kind, "id": f"i{index}", "call_id": f"c{index}", "name": "f"}
        item = {**known, "status": "in_progress", field: ""}
        sent += encoder.encode(
            {"type": "response.output_item.added", "output_index": index, "item": item}
        )
    deltas = {0: "function_call_arguments", 1: "custom_tool_call_input"}
    for index, delta in ((0, '{"a"'), (1, "ls"), (0, ":1")):
        kind = f"response.{deltas[index]}.delta"
        sent += encoder.encode(
            {"type": kind, "item_id": f"i{index}", "output_index": index, "delta": delta}
        )
    whole = {**item, "status": "completed", "arguments": "{}"}
    done = {"type": "response.output_item.done", "output_index": 2, "item": whole}
    sent += encoder.encode(done)
    events = read(sent + encoder.cut(ApiError(429, "Enough.", code="quota_used_up")))
    ended = {
        event["item"]["id"]: (event["item"]["status"], event["item"].get("arguments", "ls"))
        for event in events
        if event["type"] == "response.output_item.done"
    }
    assert ended == {
        "i0": ("incomplete", '{"a":1'),
        "i1": ("incomplete", "ls"),
        "i2": ("completed", "{}"),
    }
    assert sorted(item["id"] for item in events[-1]["response"]["output"]) == ["i0", "i1", "i2"]


@pytest.mark.parametrize(
    ("code", "shown"),
    [("rate_limit_exceeded", "rate_limit_exceeded"), ("bad_provider_answer", "server_error")],
)
def test_a_failure_keeps_the_identity_and_what_came(code, shown):
    encoder = RESPONSES.encoder(call())
    before = b"".join(map(encoder.encode, ALL[:5]))
    *_, last = read(before + encoder.error(ProviderError(502, "It broke.", code=code)))
    assert last["type"] == "response.failed"
    assert last["response"]["id"] == "resp_1"
    assert last["response"]["error"] == {"code": shown, "message": "It broke."}
    assert last["response"]["output"] == [WHOLE]


def test_a_failure_before_all_events_is_a_response_too():
    (event,) = read(RESPONSES.encoder(call()).error(ProviderError(502, "It broke.")))
    assert (event["response"]["status"], event["response"]["model"]) == ("failed", "m")


@pytest.mark.parametrize("chunk", [{}, {"type": None}, {"type": "x.delta", "delta": [{"a": "b"}]}])
def test_an_odd_event_passes(chunk):
    encoder = RESPONSES.encoder(call())
    (event,) = Decoder().feed(encoder.encode(relayed(chunk)))
    assert orjson.loads(event.data).items() >= chunk.items()


def test_a_stream_whose_item_is_none_can_be_cut():
    encoder = RESPONSES.encoder(call())
    encoder.encode(relayed({"type": "response.output_item.added", "output_index": 0, "item": 5}))
    *_, last = read(encoder.cut(ProviderError(429, "Enough.")))
    assert last["type"] == "response.incomplete"


class TestJoin:
    def test_a_whole_stream_is_its_last_response(self):
        encoder = RESPONSES.encoder(call())
        joined = RESPONSES.join(b"".join(map(encoder.encode, ALL)))
        assert joined["output"] == [WHOLE]
        assert (joined["id"], joined["stream"]) == ("resp_1", True)

    def test_of_one_that_was_cut_off_the_texts_are_there(self):
        encoder = RESPONSES.encoder(call())
        data = b"".join(map(encoder.encode, ALL[:4]))
        joined = RESPONSES.join(data[:-9] + b"nonsense\n\ndata: {")
        assert joined["output"][0]["text"] == "Par"

    def test_its_texts_lose_their_ends(self):
        joined = {"output": [WHOLE, {"type": "function_call", "arguments": "{", "text": "abc"}]}
        RESPONSES.trim(joined, lambda text: text[:2])
        assert joined["output"] == [
            {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "Pa"}]},
            {"type": "function_call", "id": None, "text": "ab"},
        ]

    @pytest.mark.parametrize(
        "odd", [b"{}", b'{"type":"response.output_item.done","output_index":0}', b"5"]
    )
    def test_an_event_that_is_odd_is_passed_over(self, odd):
        encoder = RESPONSES.encoder(call())
        data = b"data: " + odd + b"\n\n" + b"".join(map(encoder.encode, ALL[:4]))
        assert RESPONSES.join(data)["output"][0]["text"] == "Paris"

    def test_an_output_that_is_no_list_is_that_of_the_events(self):
        joined = RESPONSES.join(b'data: {"type":"x","response":{"output":5}}\n\n')
        RESPONSES.trim(joined, lambda text: text)
        assert joined["output"] == []
