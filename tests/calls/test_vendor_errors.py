"""What an error of a provider becomes: pure, so the verdicts are looked at alone."""

import pytest

from tornado_router.calls.vendor_errors import Cause, judge
from tornado_router.config.options import ProviderOptions
from tornado_router.errors import ApiError
from tornado_router.plugins.registry import ConfiguredProvider
from tornado_router.provider import Credentials, Provider

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
        (failure(502, code="response_too_large"), Cause.TARGET, False),
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


@pytest.mark.parametrize(
    ("error", "status", "code", "cause"),
    [
        (failure(404, code="gone"), 404, "gone", Cause.ELSEWHERE),
        (failure(413, retryable=False), 413, None, Cause.ELSEWHERE),
        (failure(451), 451, None, Cause.ELSEWHERE),
        (failure(400, retryable=True), 400, None, Cause.ELSEWHERE),
        (failure(400, code="context_length_exceeded"), 400, "context_length_exceeded", None),
        (failure(403, code="content_policy_violation"), 400, "content_policy_violation", None),
        (failure(400, "Content Exists Risk"), 400, "content_filter", None),
        (failure(400, "x is not a valid model ID"), 400, "model_not_found", None),
        (failure(404, code="model_not_found"), 404, "model_not_found", Cause.TARGET),
        (failure(403, code="model_not_found"), 502, "provider_refused_credentials", Cause.TARGET),
        (failure(400, "User location is not supported"), 502, "region_not_supported", None),
        (failure(400, "Incorrect API key provided"), 502, "provider_refused_credentials", None),
        (failure(402, headers={"Retry-After": "3"}), 429, None, Cause.LIMIT),
        (failure(400, code="unsupported_parameter"), 400, "unsupported_parameter", None),
        (failure(400, "does not support tools"), 400, None, None),
        (failure(502, "x is not supported by this model"), 400, None, None),
    ],
    ids=str,
)
def test_what_another_target_may_do(error, status, code, cause):
    verdict = judge(error, A)
    assert (verdict.error.status, verdict.error.code) == (status, code)
    assert verdict.cause is (cause or Cause.ELSEWHERE)
    assert verdict.again is (verdict.cause is Cause.LIMIT)


@pytest.mark.parametrize("status", [423, 424, 425, 498, 499, 520, 521, 523, 530])
def test_more_statuses_that_may_pass(status):
    verdict = judge(failure(status), A)
    assert (verdict.cause, verdict.again) == (Cause.TARGET, True)
    assert verdict.error.status in (502, 503)


@pytest.mark.parametrize("status", [501, 522, 524, 525, 526])
def test_failures_that_last(status):
    verdict = judge(failure(status), A)
    assert (verdict.cause, verdict.again) == (Cause.TARGET, False)


def test_what_a_model_made_badly_it_may_make_well():
    verdict = judge(failure(400, "Failed to call a function.", code="tool_use_failed"), A)
    assert (verdict.cause, verdict.again) == (Cause.ELSEWHERE, True)
    assert (verdict.error.status, verdict.error.code) == (400, "tool_use_failed")


def test_a_request_that_never_fits_is_not_to_be_sent_again():
    error = seen(failure(429, "Request too large for gpt-4 on tokens per min (TPM)"))
    assert (error.status, error.headers) == (429, {"x-should-retry": "false"})


class TestSummary:
    """What the log has of it."""

    def quoted(self, words):
        return judge(failure(500, words=words), A).summary.removeprefix("failed with status 500")

    def test_the_vendors_words_are_in_it(self):
        assert self.quoted("CUDA is\nout of memory") == ": CUDA is out of memory"
        assert self.quoted("") == ""

    def test_no_secret_is_in_it(self):
        assert self.quoted(f"with {SECRET}") == ": with ***"
        assert self.quoted("with sk-abcdefghijklmnopqrst") == ": with [redacted]"

    def test_nor_what_may_be_a_prompt(self):
        assert self.quoted(f"Invalid value: '{'my secret ' * 30}'.") == ": Invalid value: '...'."
        assert self.quoted(f"Invalid value: '{'my secret ' * 900}'.") == ": Invalid value: '...'"
        assert self.quoted("Unknown field: 'stop'.") == ": Unknown field: 'stop'."

    def test_it_is_bounded(self):
        assert len(self.quoted("x" * 10**6)) < 210


def test_a_token_that_was_fetched_is_a_secret():
    class Fetched(Credentials):
        async def headers(self, request, http):
            return {}

        def secrets(self):
            return ("token-1", "token-0")

    provider = Provider("a", {})
    provider.credentials = Fetched()
    fetched = ConfiguredProvider("a", ProviderOptions(type="t"), provider)
    error = judge(failure(400, "token-1 and token-0", words="token-1"), fetched)
    assert error.error.message == "*** and ***"
    assert "token" not in error.summary


def test_an_error_that_is_raised_twice_is_judged_alike():
    error = failure(529)
    assert [seen(error).status, seen(error).status] == [503, 503]
