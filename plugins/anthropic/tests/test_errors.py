from __future__ import annotations

import orjson
import pytest

from tornado_router.provider import Event, ProviderError, UpstreamResponse

from .support import make_call, recording


def fail(claude, status, kind, message, **headers):
    body = orjson.dumps({"type": "error", "error": {"type": kind, "message": message}})
    return claude.provider.parse_error(UpstreamResponse(status, headers, body))


@pytest.mark.parametrize(
    ("name", "status", "kind", "param", "code", "retryable"),
    [
        ("error_400", 400, "invalid_request_error", "max_tokens", None, False),
        ("error_401", 401, "authentication_error", None, None, True),
        ("error_403", 403, "permission_error", None, None, True),
        ("error_404", 404, "invalid_request_error", "model", "model_not_found", True),
        ("error_413", 413, "invalid_request_error", None, "request_too_large", False),
        ("error_429", 429, "rate_limit_error", None, "rate_limit_exceeded", True),
        ("error_500", 500, "api_error", None, None, True),
        ("error_529", 529, "api_error", None, "overloaded", True),
    ],
)
def test_recorded_errors(claude, name, status, kind, param, code, retryable):
    error = claude.provider.parse_error(recording(name))
    assert isinstance(error, ProviderError)
    assert (error.status, error.type, error.param, error.code) == (status, kind, param, code)
    assert error.retryable is retryable


def test_retry_after_passes(claude):
    assert claude.provider.parse_error(recording("error_429")).headers == {"Retry-After": "17"}


def test_the_vendors_words_are_the_clients_below_500_only(claude):
    assert fail(claude, 400, "invalid_request_error", "tools: no").message == "tools: no"
    assert fail(claude, 500, "api_error", "at 10.0.0.1").message == (
        "The provider 'anthropic' responded with status 500."
    )


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("messages.1.content.0.type: Expected `thinking`", "messages"),
        ("messages: text content blocks must be non-empty", "messages"),
        ("tools.3.custom.input_schema: is invalid", "tools[3]"),
        ("tools: too many", "tools"),
        ("tool_choice: no such tool", "tool_choice"),
        ("thinking.budget_tokens: too few", "reasoning_effort"),
        ("output_config.format.schema: unsupported", "response_format"),
        ("stop_sequences.0: blanks", "stop"),
        ("metadata.user_id: too long", "user"),
        ("something_else: x", None),
        ("Something went wrong: x", None),
        ("", None),
    ],
)
def test_the_field_at_fault(claude, message, param):
    assert fail(claude, 400, "invalid_request_error", message).param == param


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": {}}'])
def test_a_body_of_no_use(claude, body):
    error = claude.provider.parse_error(UpstreamResponse(400, {}, body))
    assert error.message == "The provider 'anthropic' responded with status 400."


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("overloaded_error", 529),
        ("rate_limit_error", 429),
        ("invalid_request_error", 400),
        ("api_error", 500),
        ("timeout_error", 504),
        ("something_new", 502),
        (None, 502),
        ([], 502),
    ],
)
def test_errors_in_streams(claude, kind, status):
    with pytest.raises(ProviderError) as failed:
        claude.chunks([{"type": "error", "error": {"type": kind, "message": "no"}}])
    assert failed.value.status == status


def test_an_error_behind_a_status_200(claude):
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}
    with pytest.raises(ProviderError) as failed:
        claude.answer(body)
    assert (failed.value.status, failed.value.message) == (429, "Slow down.")


@pytest.mark.parametrize("kind", ["rate_limit_error", "overloaded_error"])
def test_the_headers_of_a_response_hold_for_the_error_inside(claude, kind):
    body = {"type": "error", "error": {"type": kind, "message": "Slow down."}}
    call = make_call({"role": "user", "content": "Hello"})
    response = UpstreamResponse(200, {"retry-after": "17"}, orjson.dumps(body))
    with pytest.raises(ProviderError) as whole:
        claude.chat.parse_response(call, response)
    with pytest.raises(ProviderError) as streamed:
        claude.chat.open_stream(call, response).feed(Event(response.body))
    assert whole.value.headers == streamed.value.headers == {"Retry-After": "17"}


def test_an_error_in_a_stream_without_its_type(claude):
    with pytest.raises(ProviderError) as failed:
        claude.chunks([{"error": {"message": "A proxy says no.", "code": 400}}])
    assert (failed.value.status, failed.value.message) == (400, "A proxy says no.")
