"""Requests and responses as values."""

import pytest

from tornado_router.provider import Part, Parts, UpstreamRequest, UpstreamResponse
from tornado_router.provider.http import is_retryable


def test_secrets_and_bodies_are_not_in_a_repr():
    response = UpstreamResponse(200, {}, b"prompt")
    assert "prompt" not in repr(response)


def test_nor_are_a_request_and_its_key():
    request = UpstreamRequest("https://v", b"prompt", {"Authorization": "Bearer sk"})
    assert "prompt" not in repr(request)
    assert "sk" not in repr(request)
    assert "prompt" not in repr(UpstreamRequest("https://v", Parts((Part("a", "prompt"),)), {}))


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *(
            (status, True)
            for status in (
                401,
                402,
                403,
                404,
                408,
                409,
                410,
                423,
                429,
                451,
                498,
                499,
                301,
                500,
                503,
                522,
            )
        ),
        *((status, False) for status in (400, 413, 415, 422)),
    ],
)
def test_whether_another_target_may_do_better(status, expected):
    assert is_retryable(status) is expected
