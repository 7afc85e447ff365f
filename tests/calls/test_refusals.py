"""What the client of a refused call is told; which refusal it is, is tested with admission."""

import pytest

from tornado_router.calls.refusals import duration, level_headers, refusal_of, retry_headers
from tornado_router.limits import Level, LimitReachedError


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


def test_headers_of_one_limit_alone():
    assert list(level_headers(Level(5, 4, 1.0), None)) == [
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ]


def test_waiting_is_put_in_seconds_and_milliseconds():
    assert retry_headers(1.2345) == {"Retry-After": "2", "retry-after-ms": "1235"}
    assert retry_headers(None) == {"x-should-retry": "false"}


def test_a_secret_in_the_name_of_a_model_is_not_repeated():
    reached = LimitReachedError("requests", "key:1", limit=2, used=2, requested=1, retry_after=3.0)
    error = refusal_of(reached, "sk-proj-0123456789abcdefghij")
    assert error.message == (
        "Rate limit reached for [redacted] for this API key on requests per min (RPM): Limit 2, "
        "Used 2, Requested 1. Please try again in 3s."
    )
