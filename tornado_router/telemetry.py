"""Traces and metrics by OpenTelemetry, for who sets `[otel] endpoint`.

Spans are made when a call is over, on a thread of their own, out of what is known of it by then: a
call that runs knows nothing of them but when its attempts began and ended. Names follow the
conventions for generative AI: https://opentelemetry.io/docs/specs/semconv/gen-ai/.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from loguru import logger

from tornado_router import __version__
from tornado_router.batch import BatchThread
from tornado_router.config.options import OtelOptions
from tornado_router.errors import Fault
from tornado_router.hookspecs import RequestFinished

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

FLUSH_SECONDS = 0.5
SEND_SECONDS = 1.0
STOP_SECONDS = 3
"""For so long a collector may take for what it is sent; a stop of the router waits no longer."""

WAITING_CALLS = 10_000
"""A collector that is slow or away loses calls beyond these; the router serves on."""

MOST_MODELS = 200
OTHER = "other"

TraceHeaders = tuple[str | None, str | None]
"""`traceparent` and `tracestate` of a request: https://www.w3.org/TR/trace-context/."""

_OPERATIONS = {"chat.completions": "chat"}
_SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
_TOKENS = [4**power for power in range(14)]
"""Both as the conventions want them."""


@dataclass(slots=True)
class Tried:
    """One attempt to have a call served.

    Attributes:
        provider: who was asked.
        model: for what, as the provider calls it.
        began: when, by `time.monotonic()`.
        ended: when the answer was whole or had failed; None if neither.
        status: of the failure, or None.
        error_code: of the failure, or None.
        answered: whether an answer began, whatever came of it later.
    """

    provider: str
    model: str
    began: float
    ended: float | None = None
    status: int | None = None
    error_code: str | None = None
    answered: bool = False

    def fail(self, status: int, code: str | None) -> None:
        """Notes why it failed."""
        self.status, self.error_code = status, code


class TracedCall(NamedTuple):
    """A call that is over.

    Attributes:
        ended: when, by `time.monotonic()`.
        headers: that say what it is a part of.
    """

    event: RequestFinished
    tried: tuple[Tried, ...]
    ended: float
    headers: TraceHeaders


class Telemetry:
    """Tells a collector of calls, by OTLP over HTTP.

    Args:
        options: `[otel]`.
    """

    def __init__(self, options: OtelOptions) -> None:
        self._options = options
        self._models: set[str] = set()
        self._start()
        self._thread = BatchThread[TracedCall](
            "telemetry", self._tell, interval=FLUSH_SECONDS, most=WAITING_CALLS
        )

    @property
    def left_out(self) -> int:
        """Calls that were not told, as there were too many."""
        return self._thread.dropped

    def add(self, event: RequestFinished, tried: Sequence[Tried], headers: TraceHeaders) -> None:
        """Leaves a call to be told of. Returns at once."""
        self._thread.add(TracedCall(event, tuple(tried), time.monotonic(), headers))

    def close(self) -> None:
        """Tells what is left, as far as the collector takes it in time."""
        self._thread.close()
        self._traces.shutdown()
        self._metrics.shutdown(STOP_SECONDS * 1000)

    def _start(self) -> None:
        # an extra, and 15 MB that a router without it has no use for
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
            OTLPMetricExporter,
        )
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import (  # noqa: PLC0415
            ParentBased,
            TraceIdRatioBased,
        )

        options = self._options
        place = options.endpoint.rstrip("/")
        headers = read_headers(options.headers)
        resource = Resource.create(
            {
                "service.name": options.service_name,
                "service.version": __version__,
                "service.instance.id": str(uuid.uuid4()),
            }
        )
        self._traces = TracerProvider(
            resource=resource,
            sampler=ParentBased(TraceIdRatioBased(options.sample_ratio)),
            shutdown_on_exit=False,
        )
        readers = []
        if options.traces:
            exporter = OTLPSpanExporter(f"{place}/v1/traces", headers=headers, timeout=STOP_SECONDS)
            self._traces.add_span_processor(
                BatchSpanProcessor(exporter, schedule_delay_millis=SEND_SECONDS * 1000)
            )
        if options.metrics:
            readers.append(
                PeriodicExportingMetricReader(
                    OTLPMetricExporter(
                        f"{place}/v1/metrics", headers=headers, timeout=STOP_SECONDS
                    ),
                    export_interval_millis=options.metrics_seconds * 1000,
                )
            )
        self._metrics = MeterProvider(readers, resource, shutdown_on_exit=False)
        self._tracer = self._traces.get_tracer("tornado_router", __version__)
        meter = self._metrics.get_meter("tornado_router", __version__)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "How long calls took.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "How long it took until a stream's first chunk.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._usage = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of calls.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self._cost = meter.create_counter("tornado_router.cost", "{USD}", "What was charged.")

    def _tell(self, batch: Sequence[TracedCall]) -> None:
        for call in batch:
            try:
                if self._options.traces:
                    self._trace(call)
                if self._options.metrics:
                    self._measure(call.event)
            except Exception as error:  # noqa: BLE001 - one that is odd must not hold up the others
                logger.error("telemetry left out a call: {}", type(error).__name__)

    def _trace(self, call: TracedCall) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context  # noqa: PLC0415

        event = call.event
        end = int(event.finished_at * 1e9)
        operation = _operation(event)
        span = self._tracer.start_span(
            f"{operation} {event.model}",
            context=_parent(call),
            kind=SpanKind.SERVER,
            attributes=_call_attributes(event),
            start_time=end - int(event.duration * 1e9),
        )
        inside = set_span_in_context(span)
        for tried in call.tried:
            child = self._tracer.start_span(
                f"{operation} {tried.model}",
                context=inside,
                kind=SpanKind.CLIENT,
                attributes={
                    "gen_ai.operation.name": operation,
                    "gen_ai.provider.name": tried.provider,
                    "gen_ai.request.model": tried.model,
                },
                start_time=end - int((call.ended - tried.began) * 1e9),
            )
            _end(child, end - int((call.ended - (tried.ended or call.ended)) * 1e9), tried)
        _end(span, end, event)

    def _measure(self, event: RequestFinished) -> None:
        if event.provider is None:
            return  # its model may be any text
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": _operation(event),
            "gen_ai.provider.name": event.provider,
            "gen_ai.request.model": self._bounded(event.model),
        }
        tokens = {"input": event.prompt_tokens, "output": event.completion_tokens}
        for kind, count in tokens.items():
            if count:
                self._usage.record(count, {**attributes, "gen_ai.token.type": kind})
        if event.cost:
            self._cost.add(float(event.cost), attributes)
        if event.first_chunk is not None:
            self._first_chunk.record(event.first_chunk, attributes)
        if event.error_code:
            attributes["error.type"] = str(event.status)
        self._duration.record(event.duration, attributes)

    def _bounded(self, model: str) -> str:
        if model not in self._models:
            if len(self._models) >= MOST_MODELS:
                return OTHER
            self._models.add(model)
        return model


def check_telemetry(options: OtelOptions) -> Iterator[Fault]:
    """What `[otel]` needs and is not there."""
    if options.endpoint and not find_spec("opentelemetry.exporter"):
        yield Fault("otel.endpoint", "needs packages: pip install 'tornado-llm-router[otel]'")
    for part in options.headers.split(","):
        if part.strip() and "=" not in part:
            yield Fault("otel.headers", "must be like name=value,other=value")


def read_headers(text: str) -> dict[str, str]:
    """Headers that are written as `name=value,other=value`."""
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parent(call: TracedCall) -> Context:
    """What the client says that the call is a part of; nothing, if that is no trace."""
    from opentelemetry.context import Context  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
        TraceContextTextMapPropagator,
    )

    parent, state = call.headers
    carrier = {"traceparent": parent or "", "tracestate": state or ""}
    return TraceContextTextMapPropagator().extract(carrier, Context())


def _operation(event: RequestFinished) -> str:
    return _OPERATIONS.get(event.endpoint, event.endpoint)


def _call_attributes(event: RequestFinished) -> Mapping[str, Any]:
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": _operation(event),
        "gen_ai.request.model": event.model,
        "gen_ai.usage.input_tokens": event.prompt_tokens,
        "gen_ai.usage.output_tokens": event.completion_tokens,
        "http.response.status_code": event.status,
        "tornado_router.call_id": event.call_id,
        "tornado_router.request_id": event.request_id,
        "tornado_router.user_id": event.user_id,
        "tornado_router.key_id": event.key_id,
        "tornado_router.stream": event.stream,
        "tornado_router.cost_dollars": float(event.cost),
        "tornado_router.cache_hit": event.cache_hit,
    }
    if event.provider is not None:
        attributes["gen_ai.provider.name"] = event.provider
        attributes["gen_ai.response.model"] = event.target_model
    if event.overhead is not None:
        attributes["tornado_router.overhead_seconds"] = event.overhead
    return attributes


def _end(span: Span, end: int, outcome: RequestFinished | Tried) -> None:
    from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415

    if outcome.error_code or (outcome.status or 200) >= 400:
        span.set_attribute("error.type", outcome.error_code or str(outcome.status))
        span.set_status(Status(StatusCode.ERROR))
    span.end(end)
