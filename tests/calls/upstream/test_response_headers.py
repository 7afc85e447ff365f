"""Headers of a response, as plugins look them up."""

import pytest

from tornado_router.calls.upstream.response_headers import ResponseHeaders


def test_are_found_whatever_the_case_of_their_names():
    headers = ResponseHeaders([(b"X-Kind", b"a"), (b"retry-after", b"7")])
    assert headers["x-kind"] == headers["X-KIND"] == headers.get("X-Kind") == "a"
    assert headers.get("Retry-After") == "7"
    assert "RETRY-AFTER" in headers
    assert headers.get("other") is None
    with pytest.raises(KeyError):
        headers["other"]


def test_of_several_the_first_counts():
    headers = ResponseHeaders([(b"a", b"1"), (b"A", b"2")])
    assert dict(headers) == {"a": "1"}
    assert len(headers) == 1


def test_any_bytes_are_a_text():
    headers = ResponseHeaders([(b"a", b" \xc3\xa9\xff ")])
    assert headers["a"].encode("utf-8", "surrogateescape") == b"\xc3\xa9\xff"


def test_values_are_not_shown():
    assert "secret" not in repr(ResponseHeaders([(b"Set-Cookie", b"secret")]))
