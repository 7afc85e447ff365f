"""The kind of a picture by its first bytes."""

from base64 import b64encode

import pytest

from tornado_router.provider import sniffed_type


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n" + b"0" * 99, "image/png"),
        (b"\xff\xd8\xff\xe0" + b"0" * 99, "image/jpeg"),
        (b"GIF89a" + b"0" * 99, "image/gif"),
        (b"GIF87a", "image/gif"),
        (b"RIFF\x00\x01\x02\x03WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7", "application/pdf"),
        (b"RIFF\x00\x01\x02\x03WAVEfmt ", None),
        (b"\x89PN", None),
        (b"", None),
        (b"hello", None),
    ],
)
def test_it_is_known_by_them(data, media_type):
    assert sniffed_type(b64encode(data).decode()) == media_type


@pytest.mark.parametrize("text", ["x", "é" * 20, "AAA", "=" * 9])
def test_what_is_not_base64_is_unknown(text):
    assert sniffed_type(text) is None
