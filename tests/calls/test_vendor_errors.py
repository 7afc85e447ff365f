"""What an error of a provider becomes: pure, so the verdicts are looked at alone."""

import pytest

from tornado_router.calls.vendor_errors import Cause, judge
from tornado_router.config.options import ProviderOptions
from tornado_router.errors import ApiError
from tornado_router.plugins.registry import ConfiguredProvider

from .dispatching import SECRET, failure

A = ConfiguredProvider("a", ProviderOptions(type="t"), secrets=(SECRET,))


def seen(error):
    """What the client sees of it."""
    return judge(error, A).error


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, status) for status in (400, 404, 408, 409, 413, 422, 429, 503, 504)),
        (500, 502),
        (502, 502),
        (529, 503),
        (301, 502),
        (599, 502),
    ],
)
def test_statuses(status, expected):
    assert seen(failure(status)).status == expected


@pytest.mark.parametrize("status", [401, 403])
def test_the_routers_own_key_is_not_the_clients_fault(status):
    error = seen(failure(status, f"Incorrect API key: {SECRET}"))
    assert (error.status, error.code) == (502, "provider_refused_credentials")
    assert error.message == "The provider 'a' refused the router's credentials."


@pytest.mark.parametrize(
    ("status", "code", "retryable"),
    [
        (402, None, True),
        (429, "insufficient_quota", True),
        (429, "billing_not_active", True),
        (400, "billing_hard_limit_reached", False),
        (503, "insufficient_quota", True),
    ],
)
def test_an_empty_account_at_the_vendor_is_not_the_clients(status, code, retryable):
    """OpenAI gives 429 for it: with that, a client takes it for its own quota."""
    message = "You exceeded your current quota, please check your plan and billing details."
    given = failure(status, message, code=code, type="insufficient_quota", retryable=retryable)
    verdict = judge(given, A)
    assert verdict.error.status == 503
    assert verdict.error.body()["error"] == {
        "message": "The router's account at the provider 'a' is out of credit. Please tell the "
        "router's administrator.",
        "type": "api_error",
        "param": None,
        "code": "insufficient_quota",
    }
    assert verdict.error.headers == {"x-should-retry": "false"}
    assert (verdict.cause, verdict.again) == (Cause.TARGET, False)
    assert f"cannot pay: status {status}" in verdict.summary


def test_secrets_are_taken_out_of_messages():
    assert seen(failure(400, f"Use {SECRET}, not {SECRET}x.")).message == "Use ***, not ***x."


def test_secrets_are_taken_out_of_a_plugins_own_refusal():
    error = seen(ApiError(400, f"Not with {SECRET}.", param=SECRET))
    assert (error.message, error.param) == ("Not with ***.", "***")
    assert type(error) is ApiError


def test_a_vendors_words_are_one_line_and_text():
    error = seen(failure(400, "a\nb\ud800", code="x\n12:00 INFO forged", type=["no", "text"]))
    assert (error.message, error.type) == ("a b ", "api_error")
    assert error.code == "x 12:00 INFO forged"


def test_the_rest_of_an_error_is_kept():
    error = seen(
        failure(
            429, "Slow.", type="tokens", param="n", code="rate_limit", headers={"Retry-After": "7"}
        )
    )
    assert error.body()["error"] == {
        "message": "Slow.",
        "type": "tokens",
        "param": "n",
        "code": "rate_limit",
    }
    assert error.headers == {"Retry-After": "7"}


@pytest.mark.parametrize(
    ("status", "fields", "headers"),
    [
        (429, {}, {"Retry-After": "1"}),
        (503, {}, {"Retry-After": "1"}),
        (529, {}, {"Retry-After": "1"}),
        (429, {"retryable": False}, {}),
        (500, {}, {}),
    ],
    ids=["429", "503", "529", "too_large", "500"],
)
def test_a_client_hears_when_to_try_again(status, fields, headers):
    assert seen(failure(status, **fields)).headers == headers


@pytest.mark.parametrize(
    ("error", "cause", "again"),
    [
        (failure(503), Cause.TARGET, True),
        (failure(504, code="timeout"), Cause.TARGET, False),
        (failure(429), Cause.LIMIT, True),
        (failure(401), Cause.TARGET, False),
        (failure(400, retryable=False), Cause.REQUEST, False),
        (ApiError(400, "cannot do that"), Cause.REQUEST, False),
        (ValueError("a plugin's fault"), Cause.TARGET, False),
        (TimeoutError(), Cause.TARGET, False),
    ],
    ids=str,
)
def test_where_the_fault_lies(error, cause, again):
    verdict = judge(error, A)
    assert (verdict.cause, verdict.again) == (cause, again)


def test_an_error_that_is_raised_twice_is_judged_alike():
    error = failure(529)
    assert [seen(error).status, seen(error).status] == [503, 503]
