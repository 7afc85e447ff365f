"""Speech: what is read of a request, and what it comes to."""

import base64

import orjson
import pytest

from tornado_router.endpoints import AUDIO_SPEECH
from tornado_router.provider import Binary
from tornado_router.sse import Decoder
from tornado_router.usage import Amounts, Usage

TEXT = "x" * 60


def call(text=TEXT, **fields):
    body = {"model": "m", "input": text, "voice": "alloy", **fields}
    return AUDIO_SPEECH.read("r1", body, orjson.dumps(body))


def test_it_is_heard_from_its_first_byte_on():
    assert call().stream


def test_characters_are_exact_and_tokens_are_a_guess():
    assert AUDIO_SPEECH.estimate(call("Grüße!", instructions="xx")) == Usage(
        3, 11, audio_completion_tokens=11, characters=6, estimated=True
    )


@pytest.mark.parametrize(("speed", "tokens"), [(1, 80), (2, 40), (0.5, 160)])
def test_slow_speech_is_longer(speed, tokens):
    asked = AUDIO_SPEECH.ask(call(speed=speed))
    assert AUDIO_SPEECH.estimate(call(speed=speed)).completion_tokens == tokens
    assert asked.output() == (1, 2 * tokens)


def test_what_it_may_cost_shows_before():
    asked = AUDIO_SPEECH.ask(call())
    assert asked.amounts(0) == Amounts(has_media=True, characters=60)
    assert asked.prompt() == (15, 0)


def test_what_a_vendor_reports_is_completed():
    encoder = AUDIO_SPEECH.encoder(call(stream_format="sse"))
    usage = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
    encoder.encode({"type": "speech.audio.done", "usage": usage})
    assert encoder.usage() == Usage(14, 101, audio_completion_tokens=101, characters=60)


@pytest.mark.parametrize(
    ("wanted", "kind"), [({}, "audio/mpeg"), ({"response_format": "opus"}, "audio/opus")]
)
def test_bytes_of_a_vendor_that_names_no_format(wanted, kind):
    encoder = AUDIO_SPEECH.encoder(call(**wanted))
    assert encoder.encode(Binary("application/octet-stream", b"x")) == b"x"
    assert encoder.content_type == kind


def test_bytes_of_a_provider_become_the_events_that_were_asked_for():
    encoder = AUDIO_SPEECH.encoder(call(stream_format="sse"))
    data = b"".join(encoder.encode(Binary("audio/wav", piece)) for piece in (b"ab", b"c", b""))
    data += encoder.finish()
    first, second, done = (orjson.loads(event.data) for event in Decoder().feed(data))
    assert [base64.b64decode(event["audio"]) for event in (first, second)] == [b"ab", b"c"]
    assert done["usage"] == {"input_tokens": 15, "output_tokens": 80, "total_tokens": 95}
    assert (encoder.complete, encoder.usage().estimated) == (True, True)


def test_its_responses_are_media():
    assert AUDIO_SPEECH.is_media
