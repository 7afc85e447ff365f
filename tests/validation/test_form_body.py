"""Forms as JSON: the texts become what the schema of the endpoint wants."""

import pytest

from tornado_router.provider import CallFile
from tornado_router.validation import Validator, load_schema
from tornado_router.validation.form_body import form_body
from tornado_router.validation.forms import Form

SCHEMA = load_schema("audio.transcriptions.request")


def body(*fields, schema=SCHEMA, files=()):
    return form_body(Form(list(fields), list(files)), schema)


def test_a_transcription_is_a_valid_request():
    found = body(
        ("model", "whisper-1"),
        ("temperature", "0.5"),
        ("stream", "true"),
        ("language", "en"),
        ("timestamp_granularities[]", "word"),
        ("timestamp_granularities[]", "segment"),
        ("include", "logprobs"),
        ("chunking_strategy[type]", "server_vad"),
        ("chunking_strategy[threshold]", "0.25"),
        ("chunking_strategy[prefix_padding_ms]", "300"),
        files=[CallFile("file", "a.mp3")],
    )
    assert found == {
        "model": "whisper-1",
        "temperature": 0.5,
        "stream": True,
        "language": "en",
        "timestamp_granularities": ["word", "segment"],
        "include": ["logprobs"],
        "chunking_strategy": {"type": "server_vad", "threshold": 0.25, "prefix_padding_ms": 300},
        "file": "a.mp3",
    }
    Validator.load("audio.transcriptions.request").check(found)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("1.5", 1.5), ("hot", "hot"), ("true", "true"), ("", ""), ("null", None)],
)
def test_a_number_is_one_if_it_can_be(text, value):
    assert body(("temperature", text)) == {"temperature": value}


@pytest.mark.parametrize("text", ["1", "true", "null", "[1]", ""])
def test_a_text_stays_one(text):
    assert body(("prompt", text)) == {"prompt": text}
    assert body(("unknown", text)) == {"unknown": text}


def test_a_name_that_comes_again_replaces_the_first():
    assert body(("prompt", "a"), ("prompt", "b")) == {"prompt": "b"}


@pytest.mark.parametrize(
    "names",
    [("a", "a[]"), ("a", "a[b]"), ("a[]", "a[b]"), ("a[b]", "a"), ("[", "]["), ("a" + "[" * 4000,)],
)
def test_names_that_contradict_each_other_are_no_crash(names):
    assert isinstance(body(*((name, "x") for name in names)), dict)
