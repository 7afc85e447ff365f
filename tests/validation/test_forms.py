"""Forms as they arrive: every field and file, wherever the network cuts the bytes."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.errors import ApiError
from tornado_router.provider import CallFile, Part, Parts
from tornado_router.validation import forms
from tornado_router.validation.forms import FormReader, read_form

TYPE = "multipart/form-data; boundary=XX"
SOUND = b"\x00\r\n--X\r\n--XY\r\n\xff" * 3


def sound(memory_bytes=10_000):
    file = CallFile("file", "é voice.mp3", "audio/mpeg", memory_bytes=memory_bytes)
    file.write(SOUND)
    return file


FORM = Parts(
    (
        Part("model", "whisper-1"),
        Part("timestamp_granularities[]", "word"),
        Part("timestamp_granularities[]", "segment"),
        Part("prompt", "世界\r\n"),
        Part("empty", ""),
        Part("file", sound()),
    ),
    "XX",
)
BODY = b"".join(FORM.pieces())
FIELDS = [
    ("model", "whisper-1"),
    ("timestamp_granularities[]", "word"),
    ("timestamp_granularities[]", "segment"),
    ("prompt", "世界\r\n"),
    ("empty", ""),
]


def read(*pieces, content_type=TYPE):
    reader = FormReader(content_type)
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def check(form):
    assert form.fields == FIELDS
    (file,) = form.files
    assert (file.field, file.name, file.content_type) == ("file", "é voice.mp3", "audio/mpeg")
    assert file.read() == SOUND


def test_fields_and_files():
    check(read_form(TYPE, BODY))


def test_the_form_is_the_same_wherever_its_bytes_are_cut():
    check(read(*(BODY[at : at + 1] for at in range(len(BODY)))))
    for at in range(len(BODY)):
        check(read(BODY[:at], BODY[at:]))


@pytest.mark.parametrize(
    "content_type",
    ['multipart/form-data; boundary="XX"', "Multipart/Form-Data; charset=utf-8; boundary=XX"],
)
def test_the_content_type_may_be_written_in_other_ways(content_type):
    check(read(BODY, content_type=content_type))


def test_a_large_file_goes_to_disk():
    reader = FormReader(TYPE, memory_bytes=10)
    reader.feed(BODY)
    form = reader.finish()
    assert form.files[0].on_disk
    check(form)
    form.close()


def test_hundreds_of_files_share_a_place_on_disk():
    files = [CallFile("file", f"{number}.mp3") for number in range(forms.MAX_PARTS)]
    for number, file in enumerate(files):
        file.write(b"%d" % number * 100)
    before = len(os.listdir("/proc/self/fd"))
    reader = FormReader(TYPE, memory_bytes=1000)
    reader.feed(b"".join(Parts(tuple(Part("file", file) for file in files), "XX").pieces()))
    form = reader.finish()
    assert len(os.listdir("/proc/self/fd")) == before + 1
    assert [file.read() for file in form.files] == [file.read() for file in files]
    assert (reader.in_memory, form.files[7].part(100, 3)) == (0, b"")
    form.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_it_takes_of_memory_is_known():
    reader = FormReader(TYPE)
    reader.feed(BODY)
    assert reader.in_memory == len(SOUND) + sum(len(text.encode()) for _, text in FIELDS)


def test_fields_and_files_stay_in_their_order():
    mixed = Parts(
        (
            Part("file", "sound", "a.mp3", "audio/mpeg; codecs=mp3"),
            Part("model", "whisper-1"),
            Part("x", b"\xff\x00", content_type="application/json; charset=utf-8"),
            Part("x", "again"),
            Part("mask", "", "", "image/png"),
        ),
        "XX",
    )
    data = b"".join(mixed.pieces())
    form = read_form(TYPE, data)
    assert b"".join(Parts(tuple(form.parts), "XX").pieces()) == data


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("filename*=UTF-8''na%C3%AFve.mp3", "naïve.mp3"),
        ("filename=\"naive.mp3\"; filename*=utf-8'en'na%C3%AFve.mp3", "naïve.mp3"),
        ("filename=\"naive.mp3\"; filename*=nonsense''na%C3%AFve.mp3", "naive.mp3"),
        ('filename="a%22b.mp3"', 'a"b.mp3'),
        ("filename=plain.mp3", "plain.mp3"),
        ('filename="C:\\\\sounds\\\\a.mp3"', "a.mp3"),
    ],
)
def test_names_of_files_in_every_notation(disposition, name):
    head = f"Content-Disposition: form-data; name=file; {disposition}\r\n\r\n".encode()
    (file,) = read_form(TYPE, b"--XX\r\n" + head + b"sound\r\n--XX--\r\n").files
    assert (file.name, file.read()) == (name, b"sound")


def test_closing_a_form_closes_its_files():
    form = read_form(TYPE, BODY)
    form.close()
    with pytest.raises(ValueError, match="the call is over"):
        form.files[0].open()


@pytest.mark.parametrize("content_type", ["", "application/json", "multipart/mixed; boundary=XX"])
def test_another_content_type_is_refused(content_type):
    with pytest.raises(ApiError) as caught:
        FormReader(content_type)
    assert (caught.value.status, caught.value.code) == (415, "unsupported_content_type")


@pytest.mark.parametrize(
    "content_type",
    [
        forms.FORM,
        TYPE[:-2],
        TYPE + "x" * 2000,
        TYPE + "; boundary=XX",
        TYPE + "; Boundary = YY",
        f"{TYPE}, {TYPE}",
    ],
)
def test_one_boundary_is_needed(content_type):
    with pytest.raises(ApiError) as caught:
        FormReader(content_type)
    assert (caught.value.status, caught.value.code) == (400, "invalid_form")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        BODY[:-1][: len(BODY) // 2],
        BODY[:-8],
        BODY.replace(b"\r\n", b"\n"),
        b"--XX\r\n\r\nx\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: form-data\r\n\r\nx\r\n--XX--\r\n",
        b"--XX\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--XX--\r\n",
        b"--XX\r\nno header\r\n\r\nx\r\n--XX--\r\n",
        b"--XX\r\n" + b"X: 1\r\n" * 100,
        b"--XX\r\nX: " + b"x" * 10_000,
        b"--XX\r\n" + BODY,
    ],
    ids=range(12),
)
def test_what_is_no_form_is_refused(body):
    with pytest.raises(ApiError) as caught:
        read_form(TYPE, body)
    assert (caught.value.status, caught.value.code) == (400, "invalid_form")


def test_a_form_that_is_refused_leaves_no_file_open():
    reader = FormReader(TYPE)
    reader.feed(BODY[:-10])
    (file,) = reader._form.files
    with pytest.raises(ApiError):
        reader.finish()
    with pytest.raises(ValueError, match="the call is over"):
        file.open()


def test_too_many_fields_are_refused():
    form = Parts(tuple(Part("a", "x") for _ in range(forms.MAX_PARTS + 1)), "XX")
    with pytest.raises(ApiError, match="more or larger fields"):
        read_form(TYPE, b"".join(form.pieces()))


def test_a_field_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(forms, "MAX_FIELD_BYTES", 100)
    with pytest.raises(ApiError, match="more or larger fields"):
        read_form(TYPE, b"".join(Parts((Part("a", "x" * 101),), "XX").pieces()))


@given(st.binary(max_size=300))
def test_anything_else_is_refused_and_no_crash(data):
    with pytest.raises(ApiError):
        read_form(TYPE, b"--XX\r\n" + data)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=20), st.binary(max_size=50)), max_size=4))
def test_what_is_sent_is_read(items):
    parts = Parts(tuple(Part(name, data, name) for name, data in items))
    if items:
        form = read_form(parts.content_type, b"".join(parts.pieces()))
        assert [file.read() for file in form.files] == [data for _, data in items]
