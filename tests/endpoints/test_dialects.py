"""Errors in the form of a family of endpoints."""

import orjson
import pytest

from tornado_router.endpoints import ANTHROPIC, OPENAI
from tornado_router.error_codes import Failure, Invalid, Refusal
from tornado_router.errors import ApiError, ProviderError
from tornado_router.sse import Decoder


def test_an_error_is_an_event_of_its_name_and_no_done_follows():
    error = ApiError(502, "It broke off.\nReally.", type="api_error", code="x")
    (event,) = Decoder().feed(OPENAI.error_event(error))
    assert event.name == "error"
    assert orjson.loads(event.data) == OPENAI.error_body(error) == error.body()


def test_openais_statuses_and_headers_are_the_errors_own():
    error = Refusal.overloaded()
    assert (OPENAI.status(error), OPENAI.headers(error)) == (503, {"Retry-After": "1"})


class TestAnthropics:
    """https://platform.claude.com/docs/en/api/errors."""

    def kind(self, error):
        return ANTHROPIC.status(error), ANTHROPIC.error_body(error)["error"]["type"]

    def text(self, error):
        return ANTHROPIC.error_body(error)["error"]["message"]

    def test_the_object_names_the_request(self):
        body = ANTHROPIC.error_body(ApiError(400, "No."), "req_1")
        error = {"type": "invalid_request_error", "message": "No."}
        assert body == {"type": "error", "error": error, "request_id": "req_1"}
        assert ANTHROPIC.error_body(ApiError(400, "No.")) == {"type": "error", "error": error}

    def test_the_event_has_the_same_object(self):
        error = ProviderError(502, "It broke off.\nReally.")
        (event,) = Decoder().feed(ANTHROPIC.error_event(error, "req_1"))
        assert event.name == "error"
        assert orjson.loads(event.data) == ANTHROPIC.error_body(error, "req_1")

    def test_what_keeps_a_stream_alive_is_a_ping(self):
        (event,) = Decoder().feed(ANTHROPIC.keepalive)
        assert (event.name, orjson.loads(event.data)) == ("ping", {"type": "ping"})

    @pytest.mark.parametrize(
        ("error", "status", "kind"),
        [
            (Invalid.invalid_json(reason="x"), 400, "invalid_request_error"),
            (Refusal.invalid_api_key(), 401, "authentication_error"),
            (Refusal.unknown_plan(), 403, "permission_error"),
            (Invalid.model_not_found(model="m"), 404, "not_found_error"),
            (Invalid.method_not_allowed(method="GET", path="/"), 405, "invalid_request_error"),
            (ApiError(409, "No."), 409, "conflict_error"),
            (Invalid.request_too_large(limit=1), 413, "request_too_large"),
            (Refusal.rate_limit_exceeded("No."), 429, "rate_limit_error"),
            (Refusal.internal_error(), 500, "api_error"),
            (Failure.connection_error(provider="p"), 502, "api_error"),
            (Refusal.overloaded(), 529, "overloaded_error"),
            (Refusal.stopped(), 529, "overloaded_error"),
            (Failure.timeout(provider="p"), 504, "timeout_error"),
            (ProviderError(529, "Busy."), 529, "overloaded_error"),
        ],
    )
    def test_statuses_and_types_are_by_the_vendors_table(self, error, status, kind):
        assert self.kind(error) == (status, kind)
        assert ANTHROPIC.headers(error) == error.headers

    @pytest.mark.parametrize(
        "error",
        [
            Refusal.insufficient_quota("No."),
            Refusal.quota_used_up(),
            Failure.no_credit(provider="p"),
        ],
    )
    def test_spent_money_is_not_asked_for_again(self, error):
        assert self.kind(error) == (402, "billing_error")
        assert ANTHROPIC.headers(error)["x-should-retry"] == "false"

    def test_but_money_that_others_hold_for_a_moment_is(self):
        error = Refusal.insufficient_quota("No.", headers={"Retry-After": "3"})
        assert self.kind(error) == (429, "rate_limit_error")
        assert ANTHROPIC.headers(error) == {"Retry-After": "3"}

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (
                Invalid.missing_required_parameter(param="messages[0].content[1].text"),
                "messages.0.content.1.text: Field required",
            ),
            (
                Invalid.invalid_type(
                    place="'max_tokens'", expected="an integer", got="null", param="max_tokens"
                ),
                "max_tokens: expected an integer, but got null instead.",
            ),
            (
                Invalid.integer_below_min_value(param="messages[2].x", limit=1, got=0),
                "messages.2.x: integer below minimum value. Expected a value >= 1, but got 0 "
                "instead.",
            ),
            (
                Invalid.invalid_value("'messages[1]' is odd.", param="messages[1]"),
                "messages.1: 'messages.1' is odd.",
            ),
            (ApiError(400, "tools.0: no", param="tools[0]"), "tools.0: no"),
            (ApiError(400, "No.", param=None), "No."),
        ],
    )
    def test_a_message_begins_with_the_path_of_the_field(self, error, text):
        assert self.text(error) == text

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("Too many.", "prompt is too long: Too many."),
            ("prompt is too long: 9 tokens > 8 maximum", None),
            ("input length and `max_tokens` exceed context limit: 7 + 2 > 8", None),
        ],
    )
    def test_a_prompt_that_does_not_fit_is_told_in_the_words_that_agents_know(self, text, shown):
        error = ApiError(400, text, code="context_length_exceeded", param="messages")
        assert self.text(error) == (shown or text)
