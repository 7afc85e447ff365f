"""Transcriptions and translations: every format, and what they took."""

import orjson
import pytest

from tornado_router.endpoints import AUDIO_TRANSCRIPTIONS, AUDIO_TRANSLATIONS
from tornado_router.endpoints.audio_texts import AUDIO_TOKENS_PER_SECOND
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Binary, Relayed
from tornado_router.testing.replay import make_call
from tornado_router.usage import Amounts, Usage

from .test_audio_length import wav

TOKENS = {
    "type": "tokens",
    "input_tokens": 14,
    "input_token_details": {"text_tokens": 2, "audio_tokens": 12},
    "output_tokens": 9,
    "total_tokens": 23,
}
HEARD = Usage(prompt_tokens=14, completion_tokens=9, audio_prompt_tokens=12)


def call(**body):
    fields = {"model": "m", "file": "a.wav", **body}
    return make_call(AUDIO_TRANSCRIPTIONS.name, fields, files=[("a.wav", wav(4))])


def whole(response, **body):
    return AUDIO_TRANSCRIPTIONS.whole(call(**body), response)


@pytest.mark.parametrize("endpoint", [AUDIO_TRANSCRIPTIONS, AUDIO_TRANSLATIONS])
def test_a_call_is_read(endpoint):
    read = endpoint.read("1", {"model": "m", "file": "a.wav"}, b"")
    assert (read.endpoint, read.model, read.stream) == (endpoint.name, "m", False)


@pytest.mark.parametrize(
    ("wanted", "streams"),
    [(None, True), ("json", True), ("diarized_json", True), ("text", False), ("srt", False)],
)
def test_bare_text_is_not_streamed(wanted, streams):
    body = {"model": "m", "file": "a", "stream": True, "response_format": wanted}
    assert AUDIO_TRANSCRIPTIONS.read("1", body, b"").stream is streams


def test_translations_do_not_stream():
    with pytest.raises(ApiError) as caught:
        AUDIO_TRANSLATIONS.read("1", {"model": "m", "file": "a", "stream": True}, b"")
    assert caught.value.param == "stream"


def test_what_is_asked_for_follows_from_the_length_of_the_sound():
    ask = AUDIO_TRANSCRIPTIONS.ask(call(prompt="x" * 40))
    assert ask.prompt() == (4 * AUDIO_TOKENS_PER_SECOND + 10, 0)
    assert ask.amounts(0) == Amounts(has_media=True, seconds=4.0)
    assert ask.output() == (1, 32)
    assert ask.context() == 10


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ({"text": "Hi.", "usage": TOKENS}, HEARD),
        ({"text": "", "usage": {"type": "duration", "seconds": 3}}, Usage(seconds=3.0)),
        ({"text": "Hi.", "duration": 2.5}, Usage(seconds=2.5)),
        (
            {"text": "Hi.", "usage": {"prompt_tokens": 5, "completion_tokens": 1}},
            Usage(prompt_tokens=5, completion_tokens=1),
        ),
    ],
)
def test_bytes_pass_and_usage_is_read(body, usage):
    raw = orjson.dumps(body, option=orjson.OPT_INDENT_2)
    encoded = whole(Relayed(body, raw))
    assert (encoded.data, encoded.content_type) == (raw, "application/json")
    assert encoded.usage == usage


@pytest.mark.parametrize("usage", [None, {}, {"type": "duration", "seconds": -1}, {"x": 1}, []])
def test_without_usage_the_length_of_the_sound_decides(usage):
    made = whole({"text": "x" * 40, "usage": usage}).usage
    assert made == Usage(40, 10, audio_prompt_tokens=40, seconds=4.0, estimated=True)


@pytest.mark.parametrize("response", [{}, {"text": None}, {"text": []}, {"choices": []}, 7])
def test_what_is_not_a_transcript(response):
    with pytest.raises(ProviderError):
        whole(response)


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (b"Hello.", 4.0),
        (b"", 4.0),
        (b"1\n00:00:00,000 --> 00:00:02,500\nHi.\n\n2\n00:00:02,500 --> 01:01:05,250\n", 3665.25),
        (b"WEBVTT\n\n00:00.000 --> 00:07.500\nHi.\n", 7.5),
        (b"99999999999999:00:00,000 --> 99999999999999:00:00,000", 4.0),
    ],
)
def test_bare_texts_pass_and_subtitles_say_how_long_they_are(data, seconds):
    encoded = whole(Binary("text/plain; charset=utf-8", data))
    assert (encoded.data, encoded.content_type) == (data, "text/plain; charset=utf-8")
    assert (encoded.usage.seconds, encoded.usage.estimated) == (seconds, True)


def test_a_bare_text_whose_vendor_reports_usage():
    assert whole(Binary("text/plain", b"Hi.", TOKENS)).usage == HEARD


class TestStream:
    def encoder(self, **body):
        return AUDIO_TRANSCRIPTIONS.encoder(call(stream=True, **body))

    def events(self, *values):
        return [Relayed(value, orjson.dumps(value)) for value in values]

    def test_events_pass_as_they_are(self):
        encoder = self.encoder()
        events = self.events(
            {"type": "transcript.text.delta", "delta": "Grüße", "logprobs": []},
            {"type": "transcript.text.segment", "id": "seg_0", "text": "Grüße", "speaker": "A"},
            {"type": "transcript.text.done", "text": "Grüße", "usage": TOKENS},
        )
        for event in events:
            assert not encoder.complete
            assert encoder.encode(event) == b"data: " + event.raw + b"\n\n"
        assert (encoder.complete, encoder.generated) == (True, 7)
        assert (encoder.usage(), encoder.finish()) == (HEARD, b"")

    def test_without_usage_it_is_estimated(self):
        encoder = self.encoder()
        encoder.encode({"type": "transcript.text.done", "text": "x" * 40})
        assert encoder.usage() == Usage(40, 10, audio_prompt_tokens=40, seconds=4.0, estimated=True)

    def test_the_cost_is_in_the_last_event_for_whom_wants_it(self):
        encoder = self.encoder()
        encoder.cost = lambda usage: usage.prompt_tokens / 100
        (event,) = self.events({"type": "transcript.text.done", "text": "Hi.", "usage": TOKENS})
        sent = orjson.loads(encoder.encode(event).removeprefix(b"data: "))
        assert sent["usage"] == {**TOKENS, "cost": 0.14}

    def test_one_that_must_not_go_on_ends_with_what_there_is(self):
        encoder = self.encoder()
        for word in ("Hi", " there"):
            encoder.encode({"type": "transcript.text.delta", "delta": word})
        last = orjson.loads(encoder.cut(ApiError(429, "Spent.")).removeprefix(b"data: "))
        assert (last["type"], last["text"]) == ("transcript.text.done", "Hi there")
        assert last["router"]["error"]["message"] == "Spent."

    def test_a_failure_is_the_event_of_the_dialect(self):
        assert self.encoder().error(ApiError(502, "Gone.")).startswith(b"event: error\ndata: {")

    @pytest.mark.parametrize("chunk", [[], 7, Binary("a", b"")])
    def test_what_is_not_an_event(self, chunk):
        with pytest.raises(ProviderError):
            self.encoder().encode(chunk)

    def test_the_log_gets_the_text_in_one_piece(self):
        deltas = [{"type": "transcript.text.delta", "delta": word} for word in ("Hi", " there")]
        data = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in deltas)
        cut = AUDIO_TRANSCRIPTIONS.join(data + b'data: {"type": "tran')
        assert cut == {"stream": True, "text": "Hi there"}
        AUDIO_TRANSCRIPTIONS.trim(cut, lambda text: text[:-1])
        assert cut["text"] == "Hi ther"
        done = {"type": "transcript.text.done", "text": "Hi there", "usage": TOKENS}
        whole_log = AUDIO_TRANSCRIPTIONS.join(data + b"data: " + orjson.dumps(done) + b"\n\n")
        assert whole_log == {"stream": True, "text": "Hi there", "usage": TOKENS}
        failed = AUDIO_TRANSCRIPTIONS.join(data + b'event: error\ndata: {"error": {"code": 1}}\n\n')
        assert failed["error"] == {"code": 1}
