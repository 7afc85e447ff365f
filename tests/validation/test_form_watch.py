"""Forms that pass through: read in whatever pieces, and nothing can be read in two ways."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tornado_router.errors import ApiError
from tornado_router.validation.form_watch import FormWatch

KIND = "multipart/form-data; boundary=B1"
FILE = (
    b'--B1\r\nContent-Disposition: form-data; name="file"; filename="a;b.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nfile-in-a-file\r\n"
)
FIELD = b'--B1\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nuser_data\r\n'
END = b"--B1--\r\n"


def watch(body, size=0, kind=KIND):
    watch, found = FormWatch(kind), []
    for start in range(0, len(body), size or len(body) or 1):
        found += watch.feed(body[start : start + (size or len(body))])
    watch.finish()
    return found


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 50])
def test_fields_are_read_in_any_pieces(size):
    assert watch(FIELD + FILE + FIELD + END, size) == [("purpose", "user_data")] * 2
    assert watch((FIELD + END)[:-2], size) == [("purpose", "user_data")]


CONTENT = st.lists(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"-", b"--", b"--B", b"--B1", b"B1--", b"x" * 9, b"x"])
)


def outcome(pieces):
    """The fields of a form, or that it is refused."""
    watch = FormWatch(KIND)
    try:
        found = [field for piece in pieces for field in watch.feed(piece)]
        watch.finish()
    except ApiError as error:
        return error.code
    return found


@pytest.mark.parametrize("last", range(1, 12))
def test_the_end_is_seen_wherever_it_is_broken(last):
    body = FILE + END
    assert outcome([body[:70], body[70:-last], body[-last:]]) == []


@given(CONTENT.map(b"".join), st.lists(st.integers(1, 9), min_size=1))
def test_a_file_is_the_same_in_whatever_pieces_it_comes(content, sizes):
    head = FILE.partition(b"file-in-a-file")[0]
    body = head + content + b"\r\n" + FIELD + END
    pieces, at = [], 0
    while at < len(body):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(body[at : at + size])
        at += size
    assert outcome(pieces) == outcome([body])


def test_the_content_type_goes_on_with_one_meaning():
    assert FormWatch('Multipart/Form-Data;boundary="a b"'.replace(" ", "")).content_type == (
        'multipart/form-data; boundary="ab"'
    )
    assert FormWatch(KIND).content_type == KIND


@pytest.mark.parametrize("size", [0, 1, 5])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x" + FIELD + END,
        b"\r\n" + FIELD + END,
        FIELD,
        FIELD + END + b"x",
        FIELD + END + FIELD + END,
        FIELD + END + b"\r\n\r\n",
        FIELD.replace(b"form-data", b"attachment") + END,
        FIELD.replace(b'"purpose"', b'"purpose"; name="other"') + END,
        FIELD.replace(b'"purpose"', b"purpose") + END,
        FIELD.replace(b"\r\n\r\n", b"\r\nContent-Type: text/plain; charset=utf-16\r\n\r\n") + END,
        FIELD.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n") + END,
        FIELD.replace(b"\r\n\r\n", b'\r\nContent-Disposition: form-data; name="file_id"\r\n\r\n')
        + END,
        FIELD.replace(b'"purpose"', b'"_charset_"') + END,
        FIELD.replace(b"user_data", b"\xff") + END,
        FIELD.replace(b"user_data", b"x" * 2**21) + END,
        FIELD * 5000 + END,
    ],
)
def test_what_may_be_read_in_two_ways_is_refused(body, size):
    if size == 1 and len(body) > 2**20:
        pytest.skip("the same as in larger pieces")
    with pytest.raises(ApiError) as caught:
        watch(body, size)
    assert caught.value.code == "invalid_form"


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; charset=utf-8; boundary=a",
        'multipart/form-data; boundary="a\\"b"',
        "multipart/form-data; boundary=" + "a" * 71,
    ],
)
def test_a_boundary_that_may_be_read_as_another_is_refused(kind):
    with pytest.raises(ApiError) as caught:
        FormWatch(kind)
    assert caught.value.code == "invalid_form"
