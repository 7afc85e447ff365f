"""The queue before the collector, and what `[otel]` needs."""

import sys
import threading
import time

import pytest
from loguru import logger

from tornado_router.config.options import OtelOptions
from tornado_router.observability import telemetry
from tornado_router.observability.metric_labels import BoundedNames
from tornado_router.observability.telemetry import (
    STOP_SECONDS,
    Telemetry,
    check_telemetry,
    read_headers,
)
from tornado_router.observability.trace_context import start_trace

from ..collector import collector
from ..support import poll
from .test_log import CALL


@pytest.fixture
def told():
    with collector() as it:
        yield it


@pytest.fixture
def logged():
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


def our_threads():
    return [
        thread for thread in threading.enumerate() if thread.name.startswith(("telemetry", "Otel"))
    ]


def start(told, **options):
    return Telemetry(
        OtelOptions(endpoint=told.url, **options),
        "http",
        models=BoundedNames(),
        targets=BoundedNames(),
    )


def test_a_burst_arrives_whole(told, logged):
    exporter = start(told, metrics=False)
    for _ in range(5000):
        exporter.add(CALL, (), start_trace(1.0))
    poll(lambda: len(told.spans()) == 5000)
    exporter.close()
    assert (exporter.dropped, logged) == (0, [])


def test_a_stop_does_not_wait_for_a_collector_that_never_answers(told, logged):
    exporter = start(told, metrics_seconds=0.05)
    with told.silent():
        exporter.add(CALL, (), start_trace(1.0))
        poll(lambda: told.requests)
        began = time.monotonic()
        exporter.close()
        assert time.monotonic() - began < 3 * STOP_SECONDS
    assert "telemetry: the collector did not take all that was left at the stop" in logged
    poll(lambda: not our_threads())  # which end as they are answered


def test_what_there_is_no_room_for_is_counted(told, logged, monkeypatch):
    monkeypatch.setattr(telemetry, "WAITING_CALLS", 3)
    monkeypatch.setattr(telemetry, "FLUSH_SECONDS", 60)
    exporter = start(told)
    for _ in range(5):
        exporter.add(CALL, (), start_trace(1.0))
    exporter.close()
    assert len(told.spans()) == 3
    assert exporter.dropped == 2
    assert "telemetry: 2 were dropped, as too many were waiting" in logged


def test_what_the_collector_refuses_is_counted(told, logged):
    told.status = 400
    exporter = start(told, metrics=False)
    exporter.add(CALL, (), start_trace(1.0))
    exporter.close()
    assert exporter.dropped == 1
    assert "telemetry: 1 were dropped, as they were not exported" in logged


def test_what_is_not_sampled_is_measured_only(told):
    exporter = start(told)
    exporter.add(CALL, (), None)
    exporter.add(CALL, (), start_trace(1.0)._replace(sampled=False))
    exporter.close()
    assert told.spans() == []
    (point,) = told.metrics()["tornado_router.call.duration"].histogram.data_points
    assert point.count == 2


def test_no_thread_is_left(told):
    exporter = start(told)
    assert our_threads()
    exporter.close()
    assert not our_threads()


@pytest.mark.parametrize(
    "missing",
    [
        "opentelemetry",
        "opentelemetry.sdk",
        "opentelemetry.exporter",
        "opentelemetry.exporter.otlp.proto.http",  # another exporter may well be there
    ],
)
def test_the_check_says_that_packages_are_missing(monkeypatch, missing):
    monkeypatch.delitem(sys.modules, "tornado_router.observability.otlp", raising=False)
    monkeypatch.delattr("tornado_router.observability.otlp", raising=False)
    for name in list(sys.modules):
        if name.startswith(missing):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    (fault,) = check_telemetry(OtelOptions(endpoint="http://localhost:4318"))
    assert fault.where == "otel.endpoint"
    assert "tornado-llm-router[otel]" in fault.message
    assert not list(check_telemetry(OtelOptions()))


def test_the_check_with_the_packages():
    assert not list(check_telemetry(OtelOptions(endpoint="http://localhost:4318")))


def test_headers():
    assert read_headers(" X-Key = a=b , other=c,") == {"x-key": "a=b", "other": "c"}
