"""The usage object of responses: read and written."""

import pytest

from tornado_router.endpoints.responses_usage import read_response_usage, response_usage_body
from tornado_router.usage import Usage


def test_all_kinds_of_tokens_are_read_and_written():
    usage = Usage(20, 9, cached_tokens=5, cache_write_tokens=3, reasoning_tokens=4)
    body = response_usage_body(usage)
    assert body["total_tokens"] == 29
    assert read_response_usage(body) == usage


@pytest.mark.parametrize(
    "body", [None, [], {}, {"prompt_tokens": 1}, {"input_tokens": -1}, {"input_tokens": "1"}]
)
def test_what_is_no_usage_is_none(body):
    assert read_response_usage(body) is None
