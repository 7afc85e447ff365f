"""Transcriptions: the sound goes along with a task, and what the model says is the transcript."""

import base64

import orjson
import pytest

from tornado_router.errors import ProviderError
from tornado_router.provider import Binary, UpstreamResponse
from tornado_router.sse import Event
from tornado_router.testing.replay import make_call
from tornado_router_google import GoogleProvider
from tornado_router_google import transcription as transcription_module

TEXT = "Hello, this is a test."
USAGE = {
    "promptTokenCount": 61,
    "candidatesTokenCount": 9,
    "promptTokensDetails": [
        {"modality": "TEXT", "tokenCount": 42},
        {"modality": "AUDIO", "tokenCount": 19},
    ],
}
TOKENS = {
    "type": "tokens",
    "input_tokens": 61,
    "output_tokens": 9,
    "total_tokens": 70,
    "input_token_details": {"audio_tokens": 19},
}
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt "


def call(name="a.wav", data=WAV, model="gemini-2.5-flash", **body):
    fields = {"model": "alias", "file": name, **body}
    how = {"unsupported": body.pop("unsupported", "reject")}
    fields.pop("unsupported", None)
    return make_call("audio.transcriptions", fields, model=model, files=[(name, data)], **how)


def translator():
    return GoogleProvider("google", {"api_key": "k"}).endpoints["audio.transcriptions"]


def sent(made):
    request = translator().build_request(made)
    return request.url.rpartition("/")[2], orjson.loads(request.body)


def said(text, reason="STOP"):
    content = {"parts": [{"text": text}], "role": "model"}
    return {
        "candidates": [{"content": content, "finishReason": reason, "index": 0}],
        "usageMetadata": USAGE,
    }


def response(body):
    return UpstreamResponse(200, {"content-type": "application/json"}, orjson.dumps(body))


def test_the_sound_goes_along():
    method, body = sent(call(language="de", prompt="Zürich", temperature=0.2, keywords=["Ada"]))
    assert method == "gemini-2.5-flash:generateContent"
    (turn,) = body["contents"]
    data = base64.b64encode(WAV).decode()
    assert turn["parts"] == [{"inlineData": {"mimeType": "audio/wav", "data": data}}]
    (task,) = body["systemInstruction"]["parts"]
    assert task["text"].startswith("Transcribe the recording.")
    for words in ("The language is de.", "These words may occur: Ada.", "said before: Zürich"):
        assert words in task["text"]
    assert body["generationConfig"] == {
        "temperature": 0.2,
        "thinkingConfig": {"thinkingBudget": 0},
    }


def test_a_stream_is_asked_for():
    assert sent(call(stream=True))[0] == "gemini-2.5-flash:generateContent"
    made = call()
    made.stream = True
    assert sent(made)[0] == "gemini-2.5-flash:streamGenerateContent?alt=sse"


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemini-3-pro", {"thinkingLevel": "LOW"}),
        ("gemini-3-flash", {"thinkingLevel": "MINIMAL"}),
        ("gemini-2.5-pro", None),
        ("gemini-2.0-flash", None),
    ],
)
def test_a_model_thinks_as_little_as_it_can(model, thinking):
    made = call(model=model)
    _, body = sent(made)
    assert body.get("generationConfig", {}).get("thinkingConfig") == thinking
    assert made.dropped == []


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("noise.bin", WAV, "audio/wav"),
        ("x", b"fLaC....", "audio/flac"),
        ("x.m4a", b"\0\0\0\x18ftypM4A ", "audio/mp4"),
        ("x.mp3", b"\0\0", "audio/mp3"),
        ("x.OGG", b"\0\0", "audio/ogg"),
    ],
)
def test_the_kind_of_a_sound(name, data, kind):
    _, body = sent(call(name, data))
    assert body["contents"][0]["parts"][0]["inlineData"]["mimeType"] == kind


def test_a_sound_of_no_kind_is_refused():
    with pytest.raises(ProviderError) as caught:
        sent(call("noise.bin", b"noise"))
    assert (caught.value.param, caught.value.code) == ("file", "unsupported_value")


def test_a_sound_that_does_not_fit_is_refused(monkeypatch):
    monkeypatch.setattr(transcription_module, "MAX_BYTES", 10)
    with pytest.raises(ProviderError) as caught:
        sent(call())
    assert (caught.value.status, caught.value.param) == (400, "file")


@pytest.mark.parametrize("wanted", ["srt", "vtt", "verbose_json", "diarized_json"])
def test_times_and_speakers_are_not_known(wanted):
    with pytest.raises(ProviderError) as caught:
        sent(call(response_format=wanted))
    assert caught.value.param == "response_format"


def test_a_transcript():
    made = translator().parse_response(call(), response(said(TEXT)))
    assert made == {"text": TEXT, "usage": TOKENS}
    bare = translator().parse_response(call(response_format="text"), response(said(TEXT)))
    assert bare == Binary("text/plain; charset=utf-8", TEXT.encode(), TOKENS)


def test_a_transcript_that_is_held_back():
    for body in (said("", "SAFETY"), {"promptFeedback": {"blockReason": "SAFETY"}}):
        with pytest.raises(ProviderError) as caught:
            translator().parse_response(call(), response(body))
        assert (caught.value.status, caught.value.code) == (400, "content_policy_violation")


def test_a_stream():
    parser = translator().parse_stream(call())
    made = []
    for text, reason in (("Hello,", None), (" this is a test.", "STOP")):
        event = said(text, reason)
        if reason is None:
            del event["candidates"][0]["finishReason"]
        made += parser.feed(Event(orjson.dumps(event)))
    made += parser.finish()
    assert made == [
        {"type": "transcript.text.delta", "delta": "Hello,"},
        {"type": "transcript.text.delta", "delta": " this is a test."},
        {"type": "transcript.text.done", "text": TEXT, "usage": TOKENS},
    ]


def test_a_stream_that_is_held_back_or_breaks_off():
    parser = translator().parse_stream(call())
    parser.feed(Event(orjson.dumps(said("x", "SAFETY"))))
    with pytest.raises(ProviderError):
        parser.finish()
    with pytest.raises(ProviderError):
        translator().parse_stream(call()).finish()
