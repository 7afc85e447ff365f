from __future__ import annotations

import pytest

from .support import user


def part(google, item, **how):
    [turn] = google.contents(user([item]), **how)
    return turn["parts"][0]


def image(url, **more):
    return {"type": "image_url", "image_url": {"url": url, **more}}


def file(**fields):
    return {"type": "file", "file": fields}


def sound(kind):
    return {"type": "input_audio", "input_audio": {"data": "AAAA", "format": kind}}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (image("data:image/png;base64,AAAA"), {"mimeType": "image/png", "data": "AAAA"}),
        (image("DATA:Image/JPG;base64,AAAA"), {"mimeType": "image/jpeg", "data": "AAAA"}),
        (
            image("data:image/jpeg;base64,iVBORw0KGgo="),
            {"mimeType": "image/png", "data": "iVBORw0KGgo="},
        ),
        (sound("wav"), {"mimeType": "audio/wav", "data": "AAAA"}),
        (sound("mp3"), {"mimeType": "audio/mp3", "data": "AAAA"}),
        (
            file(file_data="data:application/pdf;base64,AAAA", filename="x"),
            {"mimeType": "application/pdf", "data": "AAAA"},
        ),
        (file(file_data="AAAA", filename="x.PDF"), {"mimeType": "application/pdf", "data": "AAAA"}),
    ],
)
def test_data_travels_inline(google, item, expected):
    assert part(google, item) == {"inlineData": expected}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/a.png?b=c.d", "image/png"),
        ("https://example.org/a", None),
        ("gs://bucket/a.webp", "image/webp"),
    ],
)
def test_addresses_travel_as_they_are(google, url, expected):
    sent = part(google, image(url))["fileData"]
    assert sent == {"fileUri": url} | ({"mimeType": expected} if expected else {})


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (image("http://example.org/a.png"), "messages[0].content[0].image_url.url"),
        (image("x"), "messages[0].content[0].image_url.url"),
        (image("data:image/png,AAAA"), "messages[0].content[0].image_url.url"),
        (image("data:image/png;base64,"), "messages[0].content[0].image_url.url"),
        (image("data:;base64,AAAA"), "messages[0].content[0].image_url.url"),
        (sound("pcm9"), "messages[0].content[0].input_audio.format"),
        (file(file_id="file-1"), "messages[0].content[0].file.file_id"),
        (file(file_data="AAAA", filename="x.bin"), "messages[0].content[0].file.file_data"),
        (file(), "messages[0].content[0].file"),
        ({"type": "video_url", "video_url": {"url": "x"}}, "messages[0].content[0]"),
    ],
)
def test_what_cannot_be_sent_is_refused(google, refused, item, param):
    assert refused(google, {"messages": [user([item])]}).param == param


def test_older_models_fetch_no_addresses(google, refused):
    messages = [user([image("https://example.org/a.png")])]
    error = refused(google, {"messages": messages}, model="gemini-2.0-flash")
    assert error.param == "messages[0].content[0].image_url.url"


def test_what_may_be_dropped_is_told(google):
    content = [image("x"), image("data:image/png;base64,AAAA", detail="low"), sound("pcm9")]
    call = google.call({"messages": [user(content)]}, unsupported="drop")
    google.request(call)
    assert call.dropped == [
        "messages[0].content[0].image_url.url",
        "messages[0].content[1].image_url.detail",
        "messages[0].content[2].input_audio.format",
    ]


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "image_url"}, ""),
        ({"type": "image_url", "image_url": {}}, ".image_url.url"),
        ({"type": "file", "file": 5}, ""),
    ],
)
def test_what_the_assistant_said_may_be_odd(google, refused, item, param):
    said = {"role": "assistant", "content": [item]}
    found = refused(google, {"messages": [user("a"), said, user("b")]}).param
    assert found == f"messages[1].content[0]{param}"
