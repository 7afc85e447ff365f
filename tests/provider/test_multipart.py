"""Forms on their way to the vendor, read by a parser that is not ours."""

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP

import pytest

from tornado_router.provider import CallFile, Part, Parts
from tornado_router.provider.files import READ_BYTES


def read(parts):
    """Name, file name, content type and bytes of each part, by Python's own parser."""
    head = f"Content-Type: {parts.content_type}\r\n\r\n".encode()
    form = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + b"".join(parts.pieces()))
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_content_type() if part["Content-Type"] else None,
            part.get_payload(decode=True),
        )
        for part in form.iter_parts()
    ]


def uploaded(data=b"\x00\r\n--sound", memory_bytes=1000):
    file = CallFile("file", "voice.mp3", "audio/mpeg", memory_bytes=memory_bytes)
    file.write(data)
    return file


def test_fields_and_files():
    parts = Parts((Part("model", "whisper-1"), Part("file", uploaded())))
    assert read(parts) == [
        ("model", None, None, b"whisper-1"),
        ("file", "voice.mp3", "audio/mpeg", b"\x00\r\n--sound"),
    ]


def test_a_file_may_go_on_under_another_name_and_type():
    parts = Parts((Part("audio", uploaded(), "input.bin", "application/octet-stream"),))
    assert [item[:3] for item in read(parts)] == [
        ("audio", "input.bin", "application/octet-stream")
    ]


def test_bytes_with_a_name_are_a_file():
    parts = Parts((Part("batch", b"{}\n", "batch.jsonl", "application/jsonl"),))
    assert read(parts) == [("batch", "batch.jsonl", "application/jsonl", b"{}\n")]


@pytest.mark.parametrize("memory_bytes", [10_000_000, 0], ids=["memory", "disk"])
def test_size_is_that_of_the_pieces_and_they_can_be_read_again(memory_bytes):
    file = uploaded(b"x" * 700_000, memory_bytes)
    parts = Parts((Part("a", "é"), Part("empty", ""), Part("file", file), Part("b", b"\xff")))
    first, again = list(parts.pieces()), list(parts.pieces())
    assert b"".join(first) == b"".join(again)
    assert parts.size == sum(map(len, first))
    assert all(first)
    assert max(map(len, first)) <= READ_BYTES
    assert parts.on_disk is (memory_bytes == 0)
    file.close()


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ('a"b', b'"a%22b"'),
        ("a\r\nX-Evil: 1", b'"a%0D%0AX-Evil: 1"'),
        ("世界", '"世界"'.encode()),
        ("a\\b", b'"a\\b"'),
    ],
)
def test_names_are_escaped_as_browsers_do(name, sent):
    data = b"".join(Parts((Part(name, "x", name),)).pieces())
    assert b"name=" + sent in data
    assert b"filename=" + sent in data
    assert b"\r\nX-Evil" not in data


def test_a_content_type_adds_no_header():
    data = b"".join(Parts((Part("a", b"x", "f", "text/plain\r\nX-Evil: 1"),)).pieces())
    assert b"\r\nX-Evil" not in data


def test_forms_are_equal_whatever_their_boundaries():
    one, other = Parts((Part("a", "x"),)), Parts((Part("a", "x"),))
    assert one.boundary != other.boundary
    assert one == other
    assert one != Parts((Part("a", "y"),))


def test_values_are_not_in_a_repr():
    assert "secret" not in repr(Parts((Part("a", "secret"),)))
