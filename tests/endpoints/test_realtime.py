"""What a session asks for, and how its usage is read."""

import pytest

from tornado_router.endpoints import REALTIME
from tornado_router.endpoints.realtime import read_realtime_usage
from tornado_router.errors import ProviderError
from tornado_router.provider import Call
from tornado_router.usage import Usage


def asked(**body):
    return REALTIME.ask(Call("r1", "realtime", "m", {"model": "m", **body}, b"{}", stream=True))


def test_a_session_by_the_query():
    assert REALTIME.session("m", "") == {"type": "realtime", "model": "m"}
    assert REALTIME.session(None, "") == {"type": "realtime"}
    assert REALTIME.session("m", "transcription") == {"type": "transcription", "model": "m"}
    assert REALTIME.session(None, "transcription")["model"] == "gpt-4o-transcribe"
    with pytest.raises(KeyError):
        REALTIME.session("m", "song")


@pytest.mark.parametrize(("bound", "known"), [(5, 5), ("inf", None), (None, None), (-1, None)])
def test_what_bounds_a_response(bound, known):
    assert asked(max_output_tokens=bound).output() == (1, known)


def test_the_conversation_is_the_prompt():
    assert asked(context_tokens=70).prompt() == (70, 0)
    assert asked().prompt() == (0, 0)
    assert asked().amounts(0).has_media


def test_nothing_of_it_is_a_response():
    call = Call("r1", "realtime", "m", {"context_tokens": 7}, b"{}", stream=True)
    assert REALTIME.estimate(call, 9) == Usage(7, 3, estimated=True)
    with pytest.raises(ProviderError):
        REALTIME.whole(call, {})


USAGE = {
    "input_tokens": 200,
    "output_tokens": 100,
    "input_token_details": {"text_tokens": 80, "audio_tokens": 110, "image_tokens": 10},
    "output_token_details": {"text_tokens": 40, "audio_tokens": 60},
}
CACHED = {"cached_tokens": 50, "cached_tokens_details": {"audio_tokens": 30, "image_tokens": 12}}


def test_usage_is_read():
    usage = read_realtime_usage(USAGE)
    assert usage == Usage(
        200,
        100,
        audio_prompt_tokens=110,
        audio_completion_tokens=60,
        image_prompt_tokens=10,
    )


def test_what_was_cached_is_not_heard_anew():
    details = {**USAGE["input_token_details"], **CACHED}
    usage = read_realtime_usage({**USAGE, "input_token_details": details})
    assert (usage.cached_tokens, usage.audio_prompt_tokens, usage.image_prompt_tokens) == (
        50,
        80,
        0,
    )


def test_a_length_is_usage_too():
    assert read_realtime_usage({"type": "duration", "seconds": 2.5}) == Usage(seconds=2.5)


@pytest.mark.parametrize(
    "value", [None, 1, {}, {"input_tokens": -1, "output_tokens": 1}, {"input_tokens": "1"}]
)
def test_what_is_none(value):
    assert read_realtime_usage(value) is None


@pytest.mark.parametrize("details", [1, {"audio_tokens": "x"}, {"cached_tokens_details": {}}])
def test_odd_details_do_no_harm(details):
    usage = read_realtime_usage({**USAGE, "input_token_details": details})
    assert (usage.prompt_tokens, usage.audio_prompt_tokens) == (200, 0)
