"""Spans and measurements, and what becomes of many of them."""

from collections import Counter

import pytest

from tornado_router import otlp
from tornado_router.attempt_record import AttemptRecord
from tornado_router.config.options import OtelOptions
from tornado_router.otlp import SPANS_PER_REQUEST, CallMetrics, CallTraces, describe_resource
from tornado_router.semconv import MAX_VALUES, OTHER, TracedCall
from tornado_router.trace_context import start_trace

from .collector import attributes, collector
from .test_log import CALL

PATHS = {"chat.completions": "/v1/chat/completions"}
RESOURCE = describe_resource("a-router")


@pytest.fixture
def told():
    with collector() as it:
        yield it


def traced(event=CALL, attempts=2, **fields):
    records = tuple(
        AttemptRecord(
            "openai", "openai", "gpt-5.2-mini", began=9.0, ended=9.5, complete=True, **fields
        )
        for _ in range(attempts)
    )
    return TracedCall(event, records, start_trace(1.0), ended=10.0)


def traces(told):
    return CallTraces(OtelOptions(endpoint=told.url), {}, RESOURCE, PATHS, "http")


def test_every_span_of_a_burst_arrives(told):
    count = SPANS_PER_REQUEST  # of calls, each of them with three spans
    calls = [traced() for _ in range(count)]
    assert traces(told).export(calls) == 0
    spans = told.spans()
    assert len(spans) == 3 * count
    assert {span.trace_id.hex() for span in spans} == {call.trace.trace_id for call in calls}
    requests = [Counter(span.trace_id for span in told.spans_of(data)) for _, data in told.raw]
    assert len(requests) > 1
    assert all(set(request.values()) == {3} for request in requests)  # none is torn apart


def test_what_the_collector_refuses_is_counted(told):
    told.status = 400
    exporter = traces(told)
    assert exporter.export([traced() for _ in range(SPANS_PER_REQUEST)]) == SPANS_PER_REQUEST
    told.status = 200
    told.raw.clear()
    assert exporter.export([traced()]) == 0
    assert len(told.spans()) == 3


def test_one_that_is_odd_does_not_hold_up_the_others(told):
    odd = traced(CALL._replace(endpoint="unheard.of"))
    broken = traced()
    broken.attempts[1].began = "yesterday"
    assert traces(told).export([traced(), odd, broken, traced()]) == 2
    assert len(told.spans()) == 6


def test_no_text_of_a_client_breaks_a_batch(told):
    odd = CALL._replace(model="\ud800", request_id="\0", error_code="\udfff", status=502)
    assert traces(told).export([traced(), traced(odd)]) == 0
    assert len(told.spans()) == 6


@pytest.mark.parametrize(("state", "kept"), [("a=1,b=2", "a=1,b=2"), ("nonsense", ""), ("", "")])
def test_a_client_that_sends_tracestate(told, caplog, state, kept):
    call = traced()
    trace = call.trace._replace(parent_id="00f067aa0ba902b7", state=state)
    traces(told).export([call._replace(trace=trace)])
    root = next(span for span in told.spans() if span.parent_span_id.hex() == trace.parent_id)
    assert root.trace_state == kept
    assert caplog.messages == []  # no client writes to the log by what it sends


def test_metrics_tell_a_bounded_number_of_models_and_errors_apart(told):
    metrics = CallMetrics(OtelOptions(endpoint=told.url), {}, RESOURCE)
    for index in range(MAX_VALUES + 50):
        call = traced(response_model=f"m{index}", status=400, error_code=f"e{index}")
        metrics.add([call])
    metrics.close()
    points = told.metrics()["gen_ai.client.operation.duration"].histogram.data_points
    shown = [attributes(point) for point in points]
    for name in ("gen_ai.response.model", "error.type"):
        values = {item[name] for item in shown}
        assert OTHER in values
        assert len(values) <= MAX_VALUES + 1


def test_each_attempt_is_measured_for_itself(told):
    metrics = CallMetrics(OtelOptions(endpoint=told.url), {}, RESOURCE)
    lost = AttemptRecord("one", "azure.ai.openai", "a", 1.0, ended=8.0, status=503)
    won = AttemptRecord("two", "openai", "b", 8.0, first_chunk=8.5, ended=9.0, complete=True)
    event = CALL._replace(provider="two", target_model="b", duration=9.0)
    metrics.add([TracedCall(event, (lost, won), None, ended=10.0)])
    metrics.close()
    told_of = told.metrics()
    duration = {
        attributes(point)["gen_ai.provider.name"]: (
            point.sum,
            attributes(point).get("error.type"),
        )
        for point in told_of["gen_ai.client.operation.duration"].histogram.data_points
    }
    assert duration == {"azure.ai.openai": (7.0, "503"), "openai": (1.0, None)}
    (first,) = told_of["gen_ai.client.operation.time_to_first_chunk"].histogram.data_points
    assert (first.sum, attributes(first)["tornado_router.provider"]) == (0.5, "two")
    (whole,) = told_of["tornado_router.call.duration"].histogram.data_points
    assert (whole.sum, attributes(whole)["tornado_router.model"]) == (9.0, "fast")
    usage = told_of["gen_ai.client.token.usage"].histogram.data_points
    assert {attributes(point)["gen_ai.request.model"] for point in usage} == {"b"}


def test_one_that_is_odd_does_not_spoil_the_sums(told, monkeypatch):
    metrics = CallMetrics(OtelOptions(endpoint=told.url), {}, RESOURCE)
    odd = traced()
    odd.attempts[0].began = "yesterday"
    metrics.add([odd, traced(attempts=1)])
    metrics.close()
    (point,) = told.metrics()["gen_ai.client.operation.duration"].histogram.data_points
    assert point.count == 1


def test_a_collector_that_is_slow_is_given_up(told, monkeypatch):
    monkeypatch.setattr(otlp, "EXPORT_SECONDS", 0.05)
    with told.silent():
        assert traces(told).export([traced()]) == 1
