from __future__ import annotations

import pytest

from tornado_router.provider import Event, ProviderError, UpstreamResponse

from .support import FakeHTTP, recording


def parsed(google, name):
    return google.provider.parse_error(recording(name))


@pytest.mark.parametrize(
    ("name", "status", "code", "retryable"),
    [
        ("error_bad_key.http", 401, "invalid_argument", True),
        ("error_bad_field.http", 400, "invalid_argument", False),
        ("error_too_long.http", 400, "invalid_argument", False),
        ("error_no_model.http", 404, "model_not_found", True),
        ("error_quota.http", 429, "rate_limit_exceeded", True),
        ("error_overloaded.http", 503, "unavailable", True),
        ("error_in_a_list.stream.http", 429, "rate_limit_exceeded", True),
    ],
)
def test_recorded_errors(google, name, status, code, retryable):
    error = parsed(google, name)
    assert (error.status, error.code, error.retryable) == (status, code, retryable)


def test_the_delay_is_a_header(google):
    assert parsed(google, "error_quota.http").headers == {"Retry-After": "22"}


@pytest.mark.parametrize(
    ("delay", "expected"),
    [("0s", "0"), ("1.0000001s", "2"), ("x", None), ("xs", None), ("infs", None), (5, None)],
)
def test_delays(google, delay, expected):
    details = b'{"error":{"details":[{"retryDelay":%s}]}}'
    body = details % (b"5" if delay == 5 else f'"{delay}"'.encode())
    error = google.provider.parse_error(UpstreamResponse(429, {}, body))
    assert error.headers.get("Retry-After") == expected


def test_a_header_of_googles_own_wins(google):
    error = google.provider.parse_error(UpstreamResponse(429, {"retry-after": "7"}, b""))
    assert error.headers == {"Retry-After": "7"}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"5", b'{"error":{"details":5}}'])
@pytest.mark.parametrize("status", [400, 403, 413, 500, 503])
def test_any_body_will_do(google, status, body):
    error = google.provider.parse_error(UpstreamResponse(status, {}, body))
    assert error.status == status
    assert str(status) in error.message


def test_server_errors_keep_their_words_to_themselves(google):
    assert "overloaded" not in parsed(google, "error_overloaded.http").message


def test_where_the_router_stands_says_nothing_against_the_request(google):
    body = b'{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"User location..."}}'
    assert google.provider.parse_error(UpstreamResponse(400, {}, body)).retryable


def test_an_error_on_the_way(google):
    http = FakeHTTP([recording("error_on_the_way.stream.http")])
    with pytest.raises(ProviderError) as caught:
        google.send(http, google.call(stream=True))
    assert (caught.value.status, caught.value.code) == (503, "unavailable")


@pytest.mark.parametrize("endpoint", ["chat.completions", "embeddings"])
def test_the_headers_of_a_response_hold_for_the_error_inside(google, endpoint):
    body = b'{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Slow."}}'
    response = UpstreamResponse(200, {"retry-after": "17"}, body)
    translator, call = (
        google.provider.endpoints[endpoint],
        google.call({"input": "x"}, endpoint=endpoint),
    )
    with pytest.raises(ProviderError) as whole:
        translator.parse_response(call, response)
    assert whole.value.headers == {"Retry-After": "17"}
    if endpoint == "chat.completions":
        with pytest.raises(ProviderError) as streamed:
            translator.open_stream(call, response).feed(Event(body))
        assert streamed.value.headers == {"Retry-After": "17"}


def test_an_error_behind_a_status_200(google):
    with pytest.raises(ProviderError) as caught:
        google.whole({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Slow."}})
    assert (caught.value.status, caught.value.message) == (429, "Slow.")
    with pytest.raises(ProviderError) as caught:
        google.whole({"error": "x"})
    assert caught.value.status == 502
