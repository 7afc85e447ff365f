"""Makes spans and measurements of calls that are over, and exports them by OTLP over HTTP.

Imports 15 MB of packages of the extra `[otel]`, so it is itself imported only where it is needed.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from loguru import logger
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from tornado_router import __version__
from tornado_router.config.options import OtelOptions
from tornado_router.endpoints import KNOWN
from tornado_router.observability import otel_attributes
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.observability.metric_labels import BoundedNames
from tornado_router.observability.otel_attributes import TracedCall
from tornado_router.observability.trace_context import TraceContext

if TYPE_CHECKING:
    from tornado_router.ledger.record import CallRecord

EXPORT_SECONDS = 10.0
"""A request to the collector may take so long, its retries included."""

SPANS_PER_REQUEST = 2000
"""Of whole calls: once there are so many, they are sent."""

_SCOPE = "tornado_router"
logging.getLogger("opentelemetry.trace.span").setLevel(logging.ERROR)  # of clients' tracestates
_SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
_TOKENS = [4**power for power in range(14)]
"""Both as the conventions want them."""


def describe_resource(service_name: str) -> Resource:
    """What OpenTelemetry calls this process."""
    return Resource.create(
        {
            "service.name": service_name,
            "service.version": __version__,
            "service.instance.id": str(uuid.uuid4()),
        }
    )


class CallTraces:
    """Exports the spans of calls.

    The SDK's own `BatchSpanProcessor` drops spans one by one when there are many, and leaves traces
    without their roots; here the spans of a call are sent together.

    Args:
        options: `[otel]`.
        headers: of requests to the collector.
        resource: what this process is.
        scheme: by which clients connect.
    """

    def __init__(
        self,
        options: OtelOptions,
        headers: Mapping[str, str],
        resource: Resource,
        scheme: str,
    ) -> None:
        self._scheme = scheme
        self._exporter = OTLPSpanExporter(
            f"{options.endpoint.rstrip('/')}/v1/traces",
            headers=dict(headers),
            timeout=EXPORT_SECONDS,
        )
        self._ids = _Ids()
        self._spans = _Collected()
        provider = TracerProvider(
            ALWAYS_ON, resource, shutdown_on_exit=False, id_generator=self._ids
        )
        provider.add_span_processor(self._spans)
        self._tracer = provider.get_tracer(_SCOPE, __version__)

    def export(self, calls: Sequence[TracedCall]) -> int:
        """Exports calls, and waits for it; returns how many were dropped."""
        dropped = waiting = 0
        for call in calls:
            made = len(self._spans.ended)
            try:
                self._make_spans(call)
            except Exception as error:  # noqa: BLE001 - one that is odd must not hold up the others
                logger.error("telemetry: a call was dropped: {}", type(error).__name__)
                del self._spans.ended[made:]
                dropped += 1
                continue
            waiting += 1
            if len(self._spans.ended) >= SPANS_PER_REQUEST:
                dropped += 0 if self._send() else waiting
                waiting = 0
        if waiting:
            dropped += 0 if self._send() else waiting
        return dropped

    def close(self) -> None:
        """Frees the connection to the collector."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # of the SDK's

    def _send(self) -> bool:
        result = self._exporter.export(tuple(self._spans.ended))
        self._spans.ended.clear()
        return result is SpanExportResult.SUCCESS

    def _make_spans(self, call: TracedCall) -> None:
        record, trace = call.record, call.trace
        assert trace is not None, "it was sampled"
        path = KNOWN[record.endpoint].path
        self._ids.trace_id = int(trace.trace_id, 16)
        attributes = otel_attributes.call_attributes(record, path, self._scheme)
        span = self._tracer.start_span(
            f"POST {path}",
            context=_parent(trace),
            kind=SpanKind.SERVER,
            attributes=attributes,
            start_time=call.nanoseconds(call.ended - record.duration),
        )
        inside = set_span_in_context(span, Context())
        winner = otel_attributes.winner(record, call.attempts)
        for attempt in call.attempts:
            self._make_attempt_span(call, attempt, inside, attempt is winner)
        _end(span, call.nanoseconds(call.ended), failed="error.type" in attributes)

    def _make_attempt_span(
        self, call: TracedCall, attempt: AttemptRecord, inside: Context, won: bool
    ) -> None:
        record = call.record
        attributes = otel_attributes.attempt_attributes(record, attempt)
        attributes |= otel_attributes.answer_attributes(record, attempt)
        if won:
            attributes |= otel_attributes.usage_attributes(record)
        error = otel_attributes.attempt_error(attempt)
        if error:
            attributes["error.type"] = error
        span = self._tracer.start_span(
            f"{otel_attributes.operation(record)} {attributes['gen_ai.request.model']}",
            context=inside,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            start_time=call.nanoseconds(attempt.began),
        )
        _end(span, call.nanoseconds(call.end_of(attempt)), failed=error is not None)


class CallMetrics:
    """Measures calls, and exports the sums now and then.

    Args:
        options: `[otel]`.
        headers: of requests to the collector.
        resource: what this process is.
        models: the names that clients ask for.
        targets: the names that vendors have for them.
    """

    def __init__(
        self,
        options: OtelOptions,
        headers: Mapping[str, str],
        resource: Resource,
        models: BoundedNames,
        targets: BoundedNames,
    ) -> None:
        exporter = OTLPMetricExporter(
            f"{options.endpoint.rstrip('/')}/v1/metrics",
            headers=dict(headers),
            timeout=EXPORT_SECONDS,
        )
        reader = PeriodicExportingMetricReader(exporter, options.metrics_seconds * 1000)
        self._provider = MeterProvider([reader], resource, shutdown_on_exit=False)
        self._models, self._targets = models, targets
        meter = self._provider.get_meter(_SCOPE, __version__)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._usage = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._call_duration = meter.create_histogram(
            "tornado_router.call.duration",
            "s",
            "Duration of calls, with all their attempts.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._cost = meter.create_counter("tornado_router.cost", "{USD}", "What was charged.")

    def add(self, calls: Sequence[TracedCall]) -> None:
        """Takes calls into the sums."""
        for call in calls:
            try:
                self._add(call)
            except Exception as error:  # noqa: BLE001 - one that is odd must not hold up the others
                logger.error("telemetry: a call was not measured: {}", type(error).__name__)

    def _add(self, call: TracedCall) -> None:
        record = call.record
        winner = otel_attributes.winner(record, call.attempts)
        for attempt in call.attempts:
            attributes = self._attempt_attributes(record, attempt)
            first_chunk = otel_attributes.time_to_first_chunk(attempt)
            if first_chunk is not None:
                self._first_chunk.record(first_chunk, attributes)
            if attempt is winner:
                if record.charge.charged:
                    self._cost.add(record.charge.charged / 1e9, attributes)
                for kind, count in otel_attributes.billed_tokens(record):
                    self._usage.record(count, {**attributes, "gen_ai.token.type": kind})
            error = otel_attributes.attempt_metric_error(attempt)
            if error:
                attributes["error.type"] = error
            self._duration.record(call.end_of(attempt) - attempt.began, attributes)
        of_call = otel_attributes.call_metric_attributes(record)
        if "tornado_router.model" in of_call:
            of_call["tornado_router.model"] = self._models.name(
                of_call["tornado_router.model"], is_real=record.status < 400
            )
        self._call_duration.record(record.duration, of_call)

    def close(self) -> None:
        """Exports the sums a last time."""
        self._provider.shutdown(EXPORT_SECONDS * 1000)

    def _attempt_attributes(
        self, record: CallRecord, attempt: AttemptRecord
    ) -> otel_attributes.Attributes:
        """Attributes of an attempt's metrics, for which clients and vendors may make up models."""
        attributes = otel_attributes.attempt_attributes(record, attempt)
        for name in otel_attributes.VENDOR_MODELS & attributes.keys():
            attributes[name] = self._targets.name(attributes[name], is_real=attempt.answered)
        return attributes


class _Ids(RandomIdGenerator):
    """Gives a trace the id that the log has for it.

    Attributes:
        trace_id: of the trace that begins next.
    """

    trace_id = 0

    def generate_trace_id(self) -> int:
        return self.trace_id


class _Collected(SpanProcessor):
    """Collects spans.

    Attributes:
        ended: those that are over.
    """

    def __init__(self) -> None:
        self.ended: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


def _parent(trace: TraceContext) -> Context:
    """The client's span, if the trace began there."""
    if trace.parent_id is None:
        return Context()
    client = SpanContext(
        int(trace.trace_id, 16),
        int(trace.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
        trace_state=TraceState.from_header([trace.state]),
    )
    return set_span_in_context(NonRecordingSpan(client), Context())


def _end(span: Span, end: int, *, failed: bool) -> None:
    if failed:
        span.set_status(Status(StatusCode.ERROR))
    span.end(end)
