"""`POST /v1/audio/speech` by the official SDK."""

import io
import wave

import openai
import pytest

pytestmark = pytest.mark.sqlite_suffices

AUDIO = b"ID3\x00\xff\xf3\x64\xc4" + b"\x00" * 8


def test_bytes_reach_the_client_as_the_vendor_sent_them(client, router, upstream, request_id):
    made = client.audio.speech.create(
        model="ok", voice="alloy", input="Grüße!", extra_headers={"x-request-id": request_id}
    )
    assert made.content == AUDIO
    assert made.response.headers["content-type"] == "audio/mpeg"
    assert upstream.exchange()["path"].endswith("/v1/audio/speech")
    row = router.usage(request_id)
    assert (row["endpoint"], row["status"], row["characters"]) == ("audio.speech", 200, 6)
    assert (row["usage_estimated"], row["audio_completion_tokens"]) == (1, 11)


def test_it_can_be_written_to_a_file_as_it_comes(client, tmp_path):
    file = tmp_path / "speech.mp3"
    speech = client.audio.speech.with_streaming_response
    with speech.create(model="ok", voice="alloy", input="hello") as made:
        made.stream_to_file(file)
    assert file.read_bytes() == AUDIO


def test_events_pass_through_with_their_usage(client, router, request_id):
    with client.audio.speech.with_streaming_response.create(
        model="ok",
        voice="alloy",
        input="hello",
        stream_format="sse",
        extra_headers={"x-request-id": request_id},
    ) as made:
        lines = [line for line in made.iter_lines() if line]
    assert [line.split('"')[3] for line in lines] == [
        *["speech.audio.delta"] * 3,
        "speech.audio.done",
    ]
    row = router.usage(request_id)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (14, 101)
    assert (row["usage_estimated"], row["characters"]) == (0, 5)


def test_the_echo_speaks_without_a_vendor(client):
    made = client.audio.speech.create(model="echo", voice="alloy", input="hello there")
    with wave.open(io.BytesIO(made.content)) as sound:
        assert sound.getframerate() == 8000


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"speed": 9}, "speed"),
        ({"voice": {"name": "x"}}, "voice.id"),
        ({"speed": "fast"}, "speed"),
    ],
)
def test_an_invalid_request_names_the_field(client, upstream, fields, param):
    body = {"model": "ok", "input": "x", "voice": "alloy", **fields}
    with pytest.raises(openai.BadRequestError) as refused:
        client.post("/audio/speech", body=body, cast_to=object)
    assert refused.value.param == param
    assert upstream.exchanges() == []


def test_a_vendor_that_fails_is_an_error_and_no_audio(client):
    with pytest.raises(openai.APIStatusError) as failed:
        client.audio.speech.create(model="html", voice="alloy", input="x")
    assert failed.value.status_code == 502
