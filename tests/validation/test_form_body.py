"""Forms as JSON: the texts become what the schema of the endpoint wants."""

import pytest

from tornado_router.errors import ApiError
from tornado_router.provider import CallFile, Part
from tornado_router.validation import Validator, load_schema
from tornado_router.validation.form_body import form_body
from tornado_router.validation.forms import Form

SCHEMA = load_schema("audio.transcriptions.request")


def body(*fields, schema=SCHEMA, files=()):
    parts = [Part(name, text) for name, text in fields]
    return form_body(Form([*parts, *(Part(file.field, file) for file in files)]), schema)


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


@pytest.mark.parametrize(
    "names",
    [
        ("model", "model"),
        ("model", "model[]"),
        ("model[]", "model"),
        ("model", "model[x]"),
        ("model[x]", "model"),
        ("temperature", "temperature"),
        ("chunking_strategy[type]", "chunking_strategy[type]"),
        ("chunking_strategy", "chunking_strategy[type]"),
        ("a", "a[]"),
        ("a", "a[b]"),
        ("a[]", "a[b]"),
        ("a[b]", "a"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(names):
    with pytest.raises(ApiError) as caught:
        body(*((name, "0.5") for name in names))
    param = names[0].partition("[")[0]
    assert (caught.value.status, caught.value.code) == (400, "invalid_form")
    assert caught.value.param in (param, "type")


def test_a_list_may_come_again_and_so_may_what_is_not_known():
    assert body(("a", "x"), ("a", "y"), ("a", "z")) == {"a": ["x", "y", "z"]}
    assert body(("keywords", "x"), ("keywords", "y")) == {"keywords": ["x", "y"]}


def test_one_image_or_several():
    edits = load_schema("images.edits.request")
    one, other = CallFile("image", "a.png"), CallFile("image", "b.png")
    items = [CallFile("image[]", "a.png"), CallFile("image[]", "b.png")]
    assert body(files=[one], schema=edits) == {"image": "a.png"}
    assert body(files=[one, other], schema=edits) == {"image": ["a.png", "b.png"]}
    assert body(files=items, schema=edits) == {"image": ["a.png", "b.png"]}


@pytest.mark.parametrize(
    ("fields", "files", "param"),
    [
        ([("file", "sound")], [], "file"),
        ([], [CallFile("model", "whisper-1")], "model"),
        ([], [CallFile("keywords[]", "a")], "keywords"),
    ],
)
def test_a_file_is_where_one_belongs(fields, files, param):
    with pytest.raises(ApiError) as caught:
        body(*fields, files=files)
    assert (caught.value.code, caught.value.param) == ("invalid_type", param)


@pytest.mark.parametrize("names", [("[", "]["), ("a" + "[" * 4000,)])
def test_odd_names_are_no_crash(names):
    assert isinstance(body(*((name, "x") for name in names)), dict)
