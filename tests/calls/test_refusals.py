"""What the client of a refused call is told; which refusal it is, is tested with admission."""

from tornado_router.calls.refusals import level_headers, refusal_of
from tornado_router.limits.limiter import Level, LimitReachedError


def test_headers_of_one_limit_alone():
    assert list(level_headers({"requests": Level(5, 4, 1.0)})) == [
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ]


def test_a_secret_in_the_name_of_a_model_is_not_repeated():
    reached = LimitReachedError("requests", "key:1", limit=2, used=2, requested=1, retry_after=3.0)
    error = refusal_of(reached, "sk-proj-0123456789abcdefghij")
    assert error.message == (
        "Rate limit reached for [redacted] for this API key on requests per min (RPM): Limit 2, "
        "Used 2, Requested 1. Please try again in 3s."
    )
