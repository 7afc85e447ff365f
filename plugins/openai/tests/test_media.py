"""Speech: bytes and events, and what is neither."""

import orjson
import pytest

from tornado_router.provider import (
    Binary,
    Call,
    Event,
    ProviderError,
    RawBytes,
    ServerSentEvents,
    UpstreamResponse,
)
from tornado_router_openai import OpenAI
from tornado_router_openai.presets import PRESETS


@pytest.fixture
def speech():
    return OpenAI("it", {"api_key": "k"}).endpoints["audio.speech"]


def call(**fields):
    body = {"model": "m", "input": "x", "voice": "alloy", **fields}
    return Call("id", "audio.speech", "gpt", body, orjson.dumps(body), stream=True)


def head(kind):
    return UpstreamResponse(200, {"content-type": kind}, b"")


def test_the_vendors_name_of_the_model_is_all_that_changes(speech):
    request = speech.build_request(call())
    assert request.url == "https://api.openai.com/v1/audio/speech"
    assert orjson.loads(request.body) == {"model": "gpt", "input": "x", "voice": "alloy"}


def test_bytes_are_read_as_bytes_and_events_as_events(speech):
    pieces = speech.open_stream(call(), head("audio/mpeg"))
    assert pieces.framing is RawBytes
    assert list(pieces.feed(Event(b"ab"))) == [Binary("audio/mpeg", b"ab")]
    events = speech.open_stream(call(stream_format="sse"), head("text/event-stream"))
    assert events.framing is ServerSentEvents


def test_a_vendor_that_knows_no_events_sends_bytes(speech):
    parser = speech.open_stream(call(stream_format="sse"), head("audio/mpeg"))
    assert parser.framing is RawBytes


@pytest.mark.parametrize("kind", ["text/html", "application/json", "text/event-stream", ""])
def test_what_is_not_audio_is_refused(speech, kind):
    with pytest.raises(ProviderError) as caught:
        speech.open_stream(call(), head(kind))
    assert caught.value.status == 502


def test_an_error_with_status_200_is_in_the_vendors_words(speech):
    body = b'{"error": {"message": "No such voice.", "code": "invalid_voice"}}'
    response = UpstreamResponse(200, {"content-type": "application/json"}, body)
    with pytest.raises(ProviderError) as caught:
        speech.parse_response(call(), response)
    assert "No such voice." in str(caught.value.words or caught.value)


def test_events_without_an_end_are_broken_off(speech):
    parser = speech.open_stream(call(stream_format="sse"), head("text/event-stream"))
    list(parser.feed(Event(b'{"type": "speech.audio.delta", "audio": ""}')))
    with pytest.raises(ProviderError):
        parser.finish()
    list(parser.feed(Event(b'{"type": "speech.audio.done"}')))
    assert parser.done
    assert list(parser.finish()) == []


@pytest.mark.parametrize("data", [b'{"audio": ""}', b'{"error": {"message": "x"}}', b"x"])
def test_an_event_that_is_none(speech, data):
    parser = speech.open_stream(call(stream_format="sse"), head("text/event-stream"))
    with pytest.raises(ProviderError):
        list(parser.feed(Event(data)))


def test_a_vendor_that_decides_the_size_itself_is_not_asked_for_one():
    images = PRESETS["xai"]("it", {"api_key": "k"}).endpoints["images.generations"]
    body = {"model": "m", "prompt": "x", "size": "1024x1024", "quality": "auto", "n": 2}
    asked = Call("id", "images.generations", "m", body, orjson.dumps(body), False, "adapt")
    request = images.build_request(asked)
    assert orjson.loads(request.body) == {"model": "m", "prompt": "x", "n": 2}
    assert asked.dropped == ["size"]
