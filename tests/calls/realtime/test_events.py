"""What the messages of a session say."""

import json

import pytest

from tornado_router.calls.realtime import events
from tornado_router.error_codes import Invalid
from tornado_router.errors import ApiError


def upper(model, *, speaks):
    return model.upper() if speaks else f"{model}!"


def put(event):
    changed = events.put_models(event, upper)
    return changed, event


def test_models_are_put_wherever_one_is_named():
    audio = {"input": {"transcription": {"model": "b", "language": "de"}}}
    changed, event = put(
        {"type": "session.update", "session": {"model": "a", "audio": audio, "voice": "c"}}
    )
    assert changed
    assert event["session"]["model"] == "A"
    assert event["session"]["audio"]["input"]["transcription"] == {"model": "b!", "language": "de"}
    old = {"type": "session.update", "session": {"input_audio_transcription": {"model": "b"}}}
    assert put(old)[1]["session"]["input_audio_transcription"] == {"model": "b!"}
    assert put({"type": "response.create", "response": {"model": "a"}})[0]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "session.update"},
        {"type": "session.update", "session": None},
        {"type": "session.update", "session": {"audio": [], "model": None}},
        {"type": "session.update", "session": {"audio": {"input": {"transcription": None}}}},
        {"type": "response.create", "response": "x"},
        {"type": "conversation.item.create", "item": {"model": "a"}},
    ],
)
def test_where_none_is_named_nothing_changes(event):
    before = json.dumps(event)
    assert put(event)[0] is False
    assert json.dumps(event) == before


def test_a_model_that_is_no_text_is_refused():
    with pytest.raises(ApiError) as caught:
        put({"type": "session.update", "session": {"model": {"a": 1}}})
    assert caught.value.param == "session.model"


@pytest.mark.parametrize("message", ["", "x", "[]", '{"type"', "1"])
def test_a_vendor_may_say_anything(message):
    assert events.head_of(message).type == ""
    assert events.load(message) == {}


def test_the_head_of_a_vendors_event():
    head = events.head_of('{"delta":"AAAA","response_id":"r","type":"response.audio.delta"}')
    assert (head.type, head.response_id) == ("response.audio.delta", "r")
    assert events.head_of('{"type":["x"]}').type == ["x"]


def test_an_error_is_an_event():
    error = Invalid.missing_required_parameter(param="type")
    event = json.loads(events.error_event(error, {"event_id": "mine"}))
    assert event["type"] == "error"
    assert event["error"]["event_id"] == "mine"
    assert (event["error"]["code"], event["error"]["param"]) == (error.code, "type")
    assert json.loads(events.error_event(error, {"event_id": 1}))["error"]["event_id"] is None


def test_bounds():
    asked = {"type": "response.create", "response": {"max_output_tokens": 7}}
    assert events.bound_of(asked, "response", 9) == 7
    assert events.bound_of({"response": {"max_response_output_tokens": 8}}, "response", 9) == 8
    assert events.bound_of({"response": {}}, "response", 9) == 9
    assert events.bound_of({}, "response", 9) == 9
