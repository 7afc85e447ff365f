"""What the client of a refused call is told; which refusal it is, is tested with admission."""

import datetime

from tornado_router.calls.refusals import level_headers, refusal_of
from tornado_router.endpoints import ANTHROPIC, OPENAI
from tornado_router.limits.limiter import MONEY, Level, LimitReachedError, Purse
from tornado_router.provider import Call

SPENT = {"limit": 100, "used": 100, "requested": 1, "retry_after": None}


def call(model):
    return Call("r1", "chat.completions", model, {}, b"{}", stream=False)


def test_headers_of_one_limit_alone():
    assert list(level_headers({"requests": Level(5, 4, 1.0)}, OPENAI)) == [
        "x-ratelimit-limit-requests",
        "x-ratelimit-remaining-requests",
        "x-ratelimit-reset-requests",
    ]


def test_anthropics_clients_get_theirs_too():
    before = datetime.datetime.now(datetime.UTC)
    headers = level_headers({"tokens": Level(500, 40, 60.0)}, ANTHROPIC)
    assert headers["x-ratelimit-limit-tokens"] == "500"
    assert headers["anthropic-ratelimit-tokens-limit"] == "500"
    assert headers["anthropic-ratelimit-tokens-remaining"] == "40"
    reset = datetime.datetime.fromisoformat(headers["anthropic-ratelimit-tokens-reset"])
    assert 58 < (reset - before).total_seconds() < 120


def test_a_spent_budget_names_its_period_and_when_it_begins_anew():
    purse = Purse("budget:1:2026-11-01", 100, 100, "month", "2026-12-01")
    reached = LimitReachedError(MONEY, purse.id, **SPENT)
    error = refusal_of(reached, call("claude"), [purse])
    assert error.message == (
        "This API key's budget does not cover the request. It is for a month, and begins anew on "
        "2026-12-01 (UTC)."
    )
    shown = ANTHROPIC.error_body(error)["error"]
    assert (ANTHROPIC.status(error), shown["type"]) == (402, "billing_error")
    ever = Purse("budget:1:0001-01-01", 100, 100, "total")
    reached = LimitReachedError(MONEY, ever.id, **SPENT)
    assert refusal_of(reached, call("claude"), [ever]).message.endswith("the request.")


def test_a_secret_in_the_name_of_a_model_is_not_repeated():
    reached = LimitReachedError("requests", "key:1", limit=2, used=2, requested=1, retry_after=3.0)
    error = refusal_of(reached, call("sk-proj-0123456789abcdefghij"))
    assert error.message == (
        "Rate limit reached for [redacted] for this API key on requests per min (RPM): Limit 2, "
        "Used 2, Requested 1. Please try again in 3s."
    )
