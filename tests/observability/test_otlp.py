"""Spans and measurements, and what becomes of many of them."""

from collections import Counter

import pytest

from tornado_router.config.options import OtelOptions
from tornado_router.observability import otlp
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.observability.metric_labels import MOST_NAMES, OTHER, BoundedNames
from tornado_router.observability.otel_attributes import TracedCall
from tornado_router.observability.otlp import (
    SPANS_PER_REQUEST,
    CallMetrics,
    CallTraces,
    describe_resource,
)
from tornado_router.observability.trace_context import start_trace

from ..collector import attributes, collector
from .test_log import CALL

RESOURCE = describe_resource("a-router")


@pytest.fixture
def told():
    with collector() as it:
        yield it


def traced(call=CALL, attempts=2, **fields):
    records = tuple(
        AttemptRecord(
            "openai", "openai", "gpt-5.2-mini", began=9.0, ended=9.5, complete=True, **fields
        )
        for _ in range(attempts)
    )
    return TracedCall(call, records, start_trace(1.0), ended=10.0)


def traces(told):
    return CallTraces(OtelOptions(endpoint=told.url), {}, RESOURCE, "http")


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


class TestNames:
    @staticmethod
    def shown(told, calls, metric, name, listed=()):
        models, targets = BoundedNames(), BoundedNames()
        models.keep(listed)
        targets.keep(listed)
        metrics = CallMetrics(OtelOptions(endpoint=told.url), {}, RESOURCE, models, targets)
        metrics.add(calls)
        metrics.close()
        points = told.metrics()[metric].histogram.data_points
        return {attributes(point).get(name) for point in points}

    @staticmethod
    def junk(count, **fields):
        """Calls of models that clients made up, and that nobody served."""
        for number in range(count):
            model = f"junk{number}"
            record = AttemptRecord("openai", "openai", model, 9.0, ended=9.5, **fields)
            call = CALL._replace(model=model, target_model=model, status=404)
            yield TracedCall(call, (record,), None, ended=10.0)

    @pytest.mark.parametrize(
        ("metric", "name"),
        [
            ("gen_ai.client.operation.duration", "gen_ai.request.model"),
            ("tornado_router.call.duration", "tornado_router.model"),
        ],
    )
    @pytest.mark.parametrize("listed", [(), ("gpt-4o",)])
    def test_made_up_ones_take_no_room_of_real_ones(self, told, metric, name, listed):
        junk = self.junk(MOST_NAMES + 50, status=404, error_code="model_not_found")
        record = AttemptRecord("openai", "openai", "gpt-4o", 9.0, answered=True, complete=True)
        real = TracedCall(CALL._replace(model="gpt-4o"), (record,), None, ended=10.0)
        assert self.shown(told, [*junk, real], metric, name, listed) == {OTHER, "gpt-4o"}

    def test_those_that_answer_are_bounded(self, told):
        calls = [
            traced(attempts=1, response_model=f"m{number}", answered=True)
            for number in range(MOST_NAMES + 50)
        ]
        names = self.shown(told, calls, "gen_ai.client.operation.duration", "gen_ai.response.model")
        assert OTHER in names
        assert len(names) <= MOST_NAMES + 1

    def test_codes_of_vendors_are_none(self, told):
        calls = [
            traced(CALL._replace(status=400, error_code=code), status=400, error_code=code)
            for code in map(str, range(50))
        ]
        for metric in ("gen_ai.client.operation.duration", "tornado_router.call.duration"):
            told.raw.clear()
            assert self.shown(told, calls, metric, "error.type") == {"refused"}


def test_each_attempt_is_measured_for_itself(told):
    metrics = CallMetrics(
        OtelOptions(endpoint=told.url), {}, RESOURCE, BoundedNames(), BoundedNames()
    )
    lost = AttemptRecord("one", "azure.ai.openai", "a", 1.0, ended=8.0, status=503)
    won = AttemptRecord(
        "two", "openai", "b", 8.0, first_chunk=8.5, ended=9.0, answered=True, complete=True
    )
    call = CALL._replace(provider="two", target_model="b", duration=9.0)
    metrics.add([TracedCall(call, (lost, won), None, ended=10.0)])
    metrics.close()
    told_of = told.metrics()
    duration = {
        attributes(point)["gen_ai.provider.name"]: (
            point.sum,
            attributes(point).get("error.type"),
        )
        for point in told_of["gen_ai.client.operation.duration"].histogram.data_points
    }
    assert duration == {"azure.ai.openai": (7.0, "server_error"), "openai": (1.0, None)}
    (first,) = told_of["gen_ai.client.operation.time_to_first_chunk"].histogram.data_points
    assert (first.sum, attributes(first)["tornado_router.provider"]) == (0.5, "two")
    (whole,) = told_of["tornado_router.call.duration"].histogram.data_points
    assert (whole.sum, attributes(whole)["tornado_router.model"]) == (9.0, "fast")
    usage = told_of["gen_ai.client.token.usage"].histogram.data_points
    assert {attributes(point)["gen_ai.request.model"] for point in usage} == {"b"}


def test_one_that_is_odd_does_not_spoil_the_sums(told, monkeypatch):
    metrics = CallMetrics(
        OtelOptions(endpoint=told.url), {}, RESOURCE, BoundedNames(), BoundedNames()
    )
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
