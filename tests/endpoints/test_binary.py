"""Responses that are bytes: they go out as they came."""

import pytest

from tornado_router.endpoints.binary import BytesEncoder, whole_bytes
from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider import Binary
from tornado_router.usage import Usage

ESTIMATE = Usage(prompt_tokens=3, estimated=True)
REPORTED = {"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5}


def measured(reported):
    return reported or ESTIMATE


def test_a_whole_response():
    encoded = whole_bytes(Binary("audio/mpeg", b"\x00\xff", REPORTED), measured)
    assert encoded == (b"\x00\xff", "audio/mpeg", Usage(prompt_tokens=5), None)


def test_a_stream():
    encoder = BytesEncoder(measured)
    pieces = [Binary("audio/wav", b"RIFF"), Binary("audio/wav", b"\x00")]
    assert [encoder.encode(piece) for piece in pieces] == [b"RIFF", b"\x00"]
    assert encoder.content_type == "audio/wav"
    assert encoder.usage() == ESTIMATE
    assert encoder.encode(Binary("audio/wav", b"", REPORTED)) == b""
    assert encoder.usage() == Usage(prompt_tokens=5)
    assert encoder.finish() == b""


def test_usage_is_estimated_where_none_is_reported():
    assert whole_bytes(Binary("audio/mpeg", b"x"), measured).usage == ESTIMATE


def test_bytes_have_no_place_for_an_error():
    encoder = BytesEncoder(measured)
    assert encoder.error(ApiError(502, "Oh.")) is None
    assert encoder.cut(ApiError(429, "Enough.")) is None


@pytest.mark.parametrize(
    "nonsense", [None, b"x", {"audio": "x"}, Binary("", b"x"), Binary("audio/mpeg", "x")]
)
def test_anything_else_is_a_fault_of_the_plugin(nonsense):
    for encode in (BytesEncoder(measured).encode, lambda body: whole_bytes(body, measured)):
        with pytest.raises(ProviderError) as caught:
            encode(nonsense)
        assert (caught.value.status, caught.value.code) == (502, "provider_fault")


@pytest.mark.parametrize("named", ["application/octet-stream", "application/octet-stream; x=y"])
def test_a_vendor_that_names_no_format_has_sent_the_one_that_was_asked_for(named):
    encoder = BytesEncoder(measured, "audio/flac")
    encoder.encode(Binary(named, b"x"))
    assert encoder.content_type == "audio/flac"
