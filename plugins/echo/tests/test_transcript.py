"""Transcripts in every format, and all of the same words."""

import orjson
import pytest

from tornado_router.provider import Binary, CallFile
from tornado_router_echo.transcript import Transcript

TEXT = "a.mp3 is audio/mpeg of 5 bytes."


def transcript(wanted=None):
    file = CallFile("file", "a.mp3", "audio/mpeg")
    file.write(b"sound")
    return Transcript([file], {"response_format": wanted})


@pytest.mark.parametrize(
    ("wanted", "data"),
    [
        ("text", f"{TEXT}\n"),
        ("srt", f"1\n00:00:00,000 --> 00:00:03,000\n{TEXT}\n"),
        ("vtt", f"WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n{TEXT}\n"),
    ],
)
def test_bare_texts(wanted, data):
    made = transcript(wanted).response()
    assert isinstance(made, Binary)
    assert made.content_type == "text/plain; charset=utf-8"
    assert (made.data.decode(), made.usage["seconds"]) == (data, 3.0)


@pytest.mark.parametrize("wanted", [None, "json", "verbose_json", "diarized_json"])
def test_objects(wanted):
    made = transcript(wanted).response()
    assert made["text"] == TEXT
    if wanted in ("verbose_json", "diarized_json"):
        (segment,) = made["segments"]
        assert (segment["text"], segment["end"], made["duration"]) == (TEXT, 3.0, 3.0)


def test_a_stream_says_the_same_word_by_word():
    *deltas, last = transcript().events()
    assert "".join(event["delta"] for event in deltas) == last["text"] == TEXT
    assert last["usage"] == transcript().tokens()
    assert orjson.dumps(last)
