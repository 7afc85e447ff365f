"""When to retry, as text and as headers."""

import pytest

from tornado_router.limits.retry_after import duration, retry_headers


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0ms"),
        (0.0201, "21ms"),
        (0.9999, "1000ms"),
        (1, "1s"),
        (8.64, "8.64s"),
        (59.5, "59.5s"),
        (60, "1m0s"),
        (360, "6m0s"),
        (3723, "1h2m3s"),
    ],
)
def test_spans_of_time(seconds, text):
    assert duration(seconds) == text


def test_waiting_is_put_in_seconds_and_milliseconds():
    assert retry_headers(1.2345) == {"Retry-After": "2", "retry-after-ms": "1235"}
    assert retry_headers(None) == {"x-should-retry": "false"}
