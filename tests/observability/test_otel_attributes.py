"""Attributes of spans and metrics."""

import pytest

from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.observability.otel_attributes import (
    CANCELLED,
    TracedCall,
    answer_attributes,
    attempt_attributes,
    attempt_error,
    attempt_metric_error,
    billed_tokens,
    call_attributes,
    call_metric_attributes,
    usage_attributes,
    winner,
)
from tornado_router.usage import QUANTITIES

from ..finished import changed, finished
from .test_log import CALL


def test_a_server_that_refuses_makes_no_error():
    refused = call_attributes(CALL._replace(status=429, error_code="slow"), "/v1/x", "http")
    assert "error.type" not in refused
    assert refused["tornado_router.error_code"] == "slow"
    failed = call_attributes(CALL._replace(status=502, error_code="timeout"), "/v1/x", "http")
    assert failed["error.type"] == "timeout"


def test_what_is_not_known_is_left_out():
    attributes = call_attributes(
        CALL._replace(provider=None, overhead=None, error_code=None), "/v1/x", "https"
    )
    assert None not in attributes.values()
    assert attributes["url.scheme"] == "https"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://api.example/v1?key=secret", ("api.example", 443)),
        ("http://user:secret@10.0.0.1:8080/x", ("10.0.0.1", 8080)),
        ("http://[::1", (None, None)),
        ("https://host:99999/", (None, None)),
        (None, (None, None)),
    ],
)
def test_of_a_url_only_the_host_is_shown(url, server):
    attempt = AttemptRecord("up", "openai", "m", url=url)
    attributes = attempt_attributes(CALL, attempt)
    assert (attributes.get("server.address"), attributes.get("server.port")) == server
    assert "secret" not in str(attributes)


def test_half_a_character_is_replaced():
    attempt = AttemptRecord("up", "openai", "m\ud800")
    assert attempt_attributes(CALL, attempt)["gen_ai.request.model"] == "m?"


def test_usage():
    assert usage_attributes(CALL) == {
        "gen_ai.usage.input_tokens": 11,
        "gen_ai.usage.output_tokens": 7,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.cache_creation.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 2,
        "tornado_router.usage_estimated": False,
    }
    assert usage_attributes(changed(CALL, prompt_tokens=0, completion_tokens=0)) == {}


def test_estimates_are_not_measured():
    assert dict(billed_tokens(CALL)) == {"input": 11, "output": 7}
    assert dict(billed_tokens(changed(CALL, usage_estimated=True))) == {}


def test_a_model_that_may_be_any_text_is_not_measured():
    refused = CALL._replace(provider=None, target_model=None)
    assert "tornado_router.model" not in call_metric_attributes(refused)
    assert call_metric_attributes(CALL)["tornado_router.model"] == "fast"
    hit = refused._replace(cache_hit=True)
    assert call_metric_attributes(hit)["tornado_router.model"] == "fast"


def test_the_winner_is_the_last_of_its_target():
    before, won, lost = (AttemptRecord(name, "openai", "m") for name in ("won", "won", "lost"))
    event = CALL._replace(provider="won", target_model="m")
    assert winner(event, [before, won, lost]) is won
    assert winner(event._replace(provider=None, target_model=None), [lost]) is None
    assert winner(event._replace(target_model="n"), [won]) is None


def test_a_vendor_that_answers_with_a_secret():
    key = "sk-" + "a" * 30
    attempt = AttemptRecord(
        "up", "openai", "m", response_id=key, response_model=key, finish_reasons=["stop", key]
    )
    shown = attempt_attributes(CALL, attempt) | answer_attributes(CALL, attempt)
    assert key not in str(shown)
    assert shown["gen_ai.response.finish_reasons"][0] == "stop"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"complete": True}, None),
        ({"status": 503, "error_code": "overloaded"}, "overloaded"),
        ({"status": 503}, "503"),
        ({}, CANCELLED),
    ],
)
def test_errors_of_attempts(fields, error):
    assert attempt_error(AttemptRecord("up", "openai", "m", **fields)) == error


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"complete": True}, None),
        ({"status": 400, "error_code": "whatever the vendor says"}, "refused"),
        ({"status": 504, "error_code": "timeout"}, "timeout"),
        ({}, CANCELLED),
    ],
)
def test_errors_of_attempts_in_metrics(fields, error):
    assert attempt_metric_error(AttemptRecord("up", "openai", "m", **fields)) == error


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, None),
        ({"status": 400, "error_code": "whatever the vendor says"}, "refused"),
        ({"status": 499, "error_code": "client_closed"}, "client_closed"),
        ({"status": 404, "error_code": "model_not_found", "provider": None}, "model_not_found"),
    ],
)
def test_errors_of_calls_in_metrics(fields, error):
    assert call_metric_attributes(changed(CALL, **fields)).get("error.type") == error


def test_times_of_a_call():
    call = TracedCall(CALL._replace(finished_at=100.0), (), None, ended=50.0)
    assert call.nanoseconds(49.5) == 99_500_000_000
    assert call.end_of(AttemptRecord("up", "openai", "m", began=1.0, ended=51.0)) == 50.0
    assert call.end_of(AttemptRecord("up", "openai", "m", began=1.0)) == 50.0
    assert not call.is_sampled


def test_every_quantity_of_usage_has_an_attribute():
    event = finished(**dict.fromkeys(QUANTITIES, 5))
    counts = [value for value in usage_attributes(event).values() if value is not False]
    assert counts == [5] * len(QUANTITIES)
