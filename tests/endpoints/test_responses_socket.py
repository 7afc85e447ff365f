"""Responses by websocket: what messages say."""

import json

import pytest

from tornado_router.endpoints.responses_socket import (
    error_event,
    last_of,
    messages_of,
    read_head,
    read_request,
)
from tornado_router.error_codes import Refusal
from tornado_router.errors import ApiError

STREAM = (
    b'event: response.created\ndata: {"type":"response.created"}\n\n: keep-alive\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","response":{}}\n\n'
)


def test_a_request_keeps_its_bytes():
    message = (
        b'{"type":"response.create","stream_id":"a", "model":"m","input":[1.0 ],"stream":false}'
    )
    request = read_request(message, 100)
    assert request.raw == b'{"model":"m","input":[1.0 ],"stream":true}'
    assert request.body == json.loads(request.raw)
    assert request.generates


@pytest.mark.parametrize(
    "fields", [{"generate": False}, {"prompt_cache_options": {"prewarm": True}, "generate": True}]
)
def test_one_that_generates_nothing(fields):
    message = json.dumps({"type": "response.create", "model": "m", **fields}).encode()
    assert not read_request(message, 100).generates


@pytest.mark.parametrize("lane", ["", "a b", "ä", "x" * 257, 1, ["a"]])
def test_a_lane_has_a_name_of_few_signs(lane):
    with pytest.raises(ApiError) as caught:
        read_head(json.dumps({"type": "response.create", "stream_id": lane}).encode(), 100)
    assert caught.value.code == "invalid_stream_id"


def test_events_are_messages():
    created, completed = messages_of(STREAM, None)
    assert created == b'{"type":"response.created"}'
    assert completed == last_of(STREAM)
    named, _ = messages_of(STREAM, "main")
    assert json.loads(named) == {"stream_id": "main", "type": "response.created"}
    assert last_of(STREAM.partition(b": keep")[0]) is None


def test_an_error_names_its_lane_and_has_its_headers():
    error = Refusal.overloaded()
    event = json.loads(error_event(error, "main"))
    assert (event["type"], event["status"], event["stream_id"]) == ("error", 503, "main")
    assert event["headers"] == event["error"]["headers"] == error.headers
    assert "stream_id" not in json.loads(error_event(error, None))
