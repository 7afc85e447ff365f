"""Speech: a sound that players take, a tone for each word."""

import io
import wave

import pytest

from tornado_router_echo.speech import RATE, content_type, pieces, usage


def samples(text):
    return list(pieces({"input": text, "response_format": "pcm"}))


def test_a_wav_file():
    body = {"input": "hello there"}
    assert content_type(body) == "audio/wav"
    data = b"".join(pieces(body))
    with wave.open(io.BytesIO(data)) as sound:
        assert (sound.getframerate(), sound.getsampwidth(), sound.getnchannels()) == (RATE, 2, 1)
        assert sound.readframes(10**6) == b"".join(samples("hello there"))


def test_a_word_is_a_tone_and_always_the_same():
    one, other, again = samples("one other One")
    assert one == again != other
    assert len(one) == RATE // 10


def test_samples_alone():
    assert content_type({"input": "x", "response_format": "pcm"}) == "audio/pcm"


@pytest.mark.parametrize(("text", "words"), [("", 0), ("one", 1), (" two  words ", 2)])
def test_words_are_counted(text, words):
    assert len(samples(text)) == words
    assert usage({"input": text})["prompt_tokens"] == words
