"""Transcriptions with the official openai SDK, through the whole router to an imitation vendor."""

import io
import math
import os
import struct
import wave

import openai
import orjson
import pytest

from tornado_router.errors import ProviderError
from tornado_router.provider import Binary, Part, Relayed, UpstreamResponse
from tornado_router.sse import Event
from tornado_router.testing.replay import make_call
from tornado_router.testing.vendors import json_response
from tornado_router.validation.forms import read_form
from tornado_router_openai import OpenAI
from tornado_router_openai.presets import Groq

ROUTER_TOML = """
[providers.openai]
type = "openai"
api_key = "${{KEY}}"
base_url = "{url}/v1"
models = ["gpt-4o-transcribe", "whisper-1", "cold", "refuses"]
[routes.speech]
targets = ["openai/cold", "openai/whisper-1"]
[routing]
retries = 2
backoff_seconds = 0.01
[prices."openai/whisper-1"]
minute = 0.006
"""

TEXT = "Grüße aus Zürich."
TOKENS = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 2, "audio_tokens": 12},
    "output_tokens": 9,
    "total_tokens": 23,
}
SRT = b"1\n00:00:00,000 --> 00:00:02,500\nHi.\n\n"


def event(value):
    return b"data: " + orjson.dumps(value) + b"\n\n"


EVENTS = b"".join(
    [
        *(event({"type": "transcript.text.delta", "delta": word}) for word in ("Grüße", " aus")),
        event({"type": "transcript.text.done", "text": TEXT, "usage": TOKENS}),
    ]
)


def respond(request):
    """A vendor that hears, one that fails now and then, and one that refuses the sound."""
    if request.headers.get("Authorization") != "Bearer up":
        return json_response({"error": {"message": "wrong key"}}, 401)
    form = read_form(request.headers["Content-Type"], request.body)
    fields = dict(form.fields)
    model, wanted = fields["model"], fields.get("response_format")
    form.close()
    if model == "cold":
        return json_response({"error": {"message": "Warming up."}}, 503)
    if model == "refuses":
        error = {"message": "Invalid file format.", "param": "file", "code": "invalid_value"}
        return json_response({"error": {**error, "type": "invalid_request_error"}}, 400)
    if wanted == "srt":
        return UpstreamResponse(200, {"Content-Type": "text/plain; charset=utf-8"}, SRT)
    if fields.get("stream") == "true" and model != "whisper-1":
        return UpstreamResponse(200, {"Content-Type": "text/event-stream"}, EVENTS)
    if model == "whisper-1":
        return json_response({"text": TEXT, "usage": {"type": "duration", "seconds": 30}})
    return json_response({"text": TEXT, "usage": TOKENS})


def sound(seconds=2):
    data = io.BytesIO()
    with wave.open(data, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(8000)
        samples = (round(9000 * math.sin(at / 3)) for at in range(8000 * seconds))
        made.writeframes(struct.pack(f"<{8000 * seconds}h", *samples))
    return data.getvalue()


def received(vendor):
    (request,) = vendor.requests
    return read_form(request.headers["Content-Type"], request.body)


class TestWithTheSdk:
    def test_a_transcription(self, client, vendor):
        made = client.audio.transcriptions.create(
            model="gpt-4o-transcribe",
            file=("Grüße.wav", sound(), "audio/wav"),
            language="de",
            prompt="Zürich",
            temperature=0.2,
            include=["logprobs"],
            chunking_strategy={"type": "server_vad", "threshold": 0.25},
        )
        assert (made.text, made.usage.type, made.usage.input_tokens) == (TEXT, "tokens", 14)
        form = received(vendor)
        (file,) = form.files
        assert (file.field, file.name, file.content_type) == ("file", "Grüße.wav", "audio/wav")
        assert file.read() == sound()
        assert dict(form.fields) == {
            "model": "gpt-4o-transcribe",
            "language": "de",
            "prompt": "Zürich",
            "temperature": "0.2",
            "include[]": "logprobs",
            "chunking_strategy[type]": "server_vad",
            "chunking_strategy[threshold]": "0.25",
        }

    def test_a_stream(self, client):
        events = list(
            client.audio.transcriptions.create(
                model="gpt-4o-transcribe", file=("a.wav", sound()), stream=True
            )
        )
        assert [made.type for made in events] == [
            "transcript.text.delta",
            "transcript.text.delta",
            "transcript.text.done",
        ]
        assert (events[-1].text, events[-1].usage.output_tokens) == (TEXT, 9)

    def test_a_stream_of_a_vendor_that_streams_none(self, client):
        *deltas, last = client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", sound()), stream=True
        )
        assert "".join(made.delta for made in deltas) == last.text == TEXT

    def test_subtitles_are_bare_text(self, client):
        made = client.audio.transcriptions.create(
            model="whisper-1", file=("a.wav", sound()), response_format="srt"
        )
        assert made == SRT.decode()

    def test_a_translation(self, client, vendor):
        with pytest.warns(DeprecationWarning, match="deprecated"):
            made = client.audio.translations.create(model="whisper-1", file=("a.wav", sound()))
        assert made.text == TEXT
        assert vendor.requests[0].path == "/v1/audio/translations"

    def test_a_refusal_of_the_vendor(self, client):
        with pytest.raises(openai.BadRequestError) as caught:
            client.audio.transcriptions.create(model="refuses", file=("a.mp3", b"noise"))
        assert (caught.value.param, caught.value.code) == ("file", "invalid_value")

    def test_each_attempt_sends_all_of_it(self, client, vendor):
        noise = os.urandom(3_000_000)  # on disk
        made = client.audio.transcriptions.create(model="speech", file=("a.mp3", noise))
        assert made.text == TEXT
        assert len(vendor.requests) > 1
        models = []
        for request in vendor.requests:
            form = read_form(request.headers["Content-Type"], request.body)
            models.append(dict(form.fields)["model"])
            assert form.files[0].read() == noise
            form.close()
        assert (models[0], models[-1]) == ("cold", "whisper-1")

    def test_it_is_charged_by_what_the_vendor_reports(self, client):
        made = client.audio.transcriptions.with_raw_response.create(
            model="whisper-1", file=("a.wav", sound())
        )
        assert float(made.headers["x-router-cost"]) == pytest.approx(0.003)


PARTS = [
    Part("file", b"\x00sound\xff", "a b.mp3", "audio/mpeg; codecs=mp3"),
    Part("timestamp_granularities[]", "word"),
    Part("model", "alias"),
    Part("timestamp_granularities[]", "segment"),
    Part("x", b"\xff", content_type="application/octet-stream"),
    Part("x", "again"),
]


def call(parts=(), **body):
    made = make_call("audio.transcriptions", {"model": "alias", "file": "a", **body}, model="m")
    made.parts = parts or made.parts
    return made


def provider(kind=OpenAI):
    return kind("it", {"api_key": "k", "base_url": "https://vendor.example/v1"})


def translator(kind=OpenAI):
    return provider(kind).endpoints["audio.transcriptions"]


def test_only_the_model_is_another():
    request = translator().build_request(call(PARTS))
    expected = [Part("model", "m") if part.name == "model" else part for part in PARTS]
    assert list(request.body.parts) == expected
    assert request.url == "https://vendor.example/v1/audio/transcriptions"
    assert request.headers == {"Authorization": "Bearer k"}


def test_a_form_without_a_model_gets_one():
    request = translator().build_request(call(PARTS[:2]))
    assert request.body.parts[-1] == Part("model", "m")


def test_what_a_vendor_refuses_for_nothing_is_left_out_and_reported():
    made = call([*PARTS, Part("safety_identifier", "me")])
    request = translator(Groq).build_request(made)
    assert "safety_identifier" not in {part.name for part in request.body.parts}
    assert made.dropped == ["safety_identifier"]


def response(body, kind="application/json"):
    return UpstreamResponse(200, {"content-type": kind}, body)


@pytest.mark.parametrize("body", [b"{}", b'{"text": null}', b"[]", b"<html>", b'{"error": "No."}'])
def test_what_is_not_a_transcript(body):
    for wanted in (None, "srt"):
        with pytest.raises(ProviderError):
            translator().parse_response(call(response_format=wanted), response(body))


def test_a_vendor_that_knows_json_alone():
    body = orjson.dumps({"text": TEXT, "usage": TOKENS})
    made = translator().parse_response(call(response_format="text"), response(body))
    assert made == Binary("text/plain; charset=utf-8", TEXT.encode(), TOKENS)


def test_an_empty_text_is_one():
    assert translator().parse_response(call(), response(b'{"text": ""}')) == Relayed(
        {"text": ""}, b'{"text": ""}'
    )
    made = translator().parse_response(call(response_format="text"), response(b"", ""))
    assert made == Binary("text/plain; charset=utf-8", b"")


def test_chunks_with_choices_become_events():
    parser = translator().parse_stream(call())
    chunks = [
        {"object": "transcription.chunk", "choices": [{"delta": {"content": word}}]}
        for word in ("Grüße", " aus", "")
    ]
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    chunks.append({"object": "transcription.chunk", "choices": [], "usage": usage})
    made = [body for chunk in chunks for body in parser.feed(Event(orjson.dumps(chunk)))]
    made += parser.feed(Event(b"[DONE]"))
    assert parser.done
    assert made == [
        {"type": "transcript.text.delta", "delta": "Grüße"},
        {"type": "transcript.text.delta", "delta": " aus"},
        {"type": "transcript.text.done", "text": "Grüße aus", "usage": usage},
    ]


@pytest.mark.parametrize(
    "data", [b'{"error": {"message": "Overloaded."}}', b'{"choices": [7]}', b"[]", b"{"]
)
def test_events_that_report_a_failure_or_cannot_be_read(data):
    with pytest.raises(ProviderError):
        list(translator().parse_stream(call()).feed(Event(data)))


def test_a_stream_that_breaks_off():
    parser = translator().parse_stream(call())
    parser.feed(Event(b'{"type": "transcript.text.delta", "delta": "Hi"}'))
    with pytest.raises(ProviderError):
        parser.finish()
