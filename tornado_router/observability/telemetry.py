"""Exports calls as traces and metrics by OTLP, if `[otel] endpoint` is set.

Spans are made once a call is over, on a thread, from what was noted while it ran.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from loguru import logger

from tornado_router.background.batch import BatchThread
from tornado_router.background.supervisor import SupervisedThread
from tornado_router.config.options import OtelOptions
from tornado_router.errors import Fault
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.observability.metric_labels import BoundedNames
from tornado_router.observability.otel_attributes import TracedCall
from tornado_router.observability.trace_context import TraceContext

if TYPE_CHECKING:
    from tornado_router.ledger.record import CallRecord

FLUSH_SECONDS = 0.5

STOP_SECONDS = 3.0
"""A stop of the router waits no longer for the collector."""

WAITING_CALLS = 10_000
"""So many calls wait for a collector that is slow or away; those beyond are dropped."""


class Telemetry:
    """Exports calls to a collector, by OTLP over HTTP.

    Args:
        options: `[otel]`.
        scheme: by which clients connect, `http` or `https`.
        models: the names that clients ask for, as metrics show them.
        targets: the names that vendors have for them.
    """

    def __init__(
        self,
        options: OtelOptions,
        scheme: str,
        *,
        models: BoundedNames,
        targets: BoundedNames,
    ) -> None:
        from tornado_router.observability import otlp  # noqa: PLC0415 - see there

        headers = read_headers(options.headers)
        resource = otlp.describe_resource(options.service_name)
        self._traces = self._metrics = None
        if options.traces:
            self._traces = otlp.CallTraces(options, headers, resource, scheme)
        if options.metrics:
            self._metrics = otlp.CallMetrics(options, headers, resource, models, targets)
        self._failed = 0
        self._thread = BatchThread[TracedCall](
            "telemetry", self._export, interval=FLUSH_SECONDS, most=WAITING_CALLS
        )

    @property
    def dropped(self) -> int:
        """How many calls were not exported."""
        return self._thread.dropped + self._failed

    def add(
        self,
        record: CallRecord,
        attempts: Sequence[AttemptRecord],
        trace: TraceContext | None,
    ) -> None:
        """Leaves a call to be exported. Returns at once."""
        self._thread.add(TracedCall(record, tuple(attempts), trace, time.monotonic()))

    def close(self) -> None:
        """Exports what is left, as far as the collector takes it in time."""
        # A request that a collector never answers cannot be broken off, so it is left behind.
        if not SupervisedThread("telemetry stop", self._close).join(STOP_SECONDS):
            logger.warning("telemetry: the collector did not take all that was left at the stop")

    def _close(self) -> None:
        self._thread.close()
        if self._metrics:
            self._metrics.close()
        if self._traces:
            self._traces.close()

    def _export(self, batch: Sequence[TracedCall]) -> None:
        if self._metrics:
            self._metrics.add(batch)
        if self._traces:
            failed = self._traces.export([call for call in batch if call.is_sampled])
            if failed:
                self._failed += failed
                logger.warning("telemetry: {} were dropped, as they were not exported", failed)


def check_telemetry(options: OtelOptions) -> Iterator[Fault]:
    """What is wrong with `[otel]`, or missing for it."""
    if options.endpoint and not _is_installed():
        yield Fault("otel.endpoint", "needs packages: pip install 'tornado-llm-router[otel]'")
    for part in options.headers.split(","):
        if part.strip() and "=" not in part:
            yield Fault("otel.headers", "must be like name=value,other=value")


def _is_installed() -> bool:
    """Whether the extra is: a package of the same namespace may be there for something else."""
    try:
        import_module("tornado_router.observability.otlp")
    except ImportError:
        return False
    return True


def read_headers(text: str) -> dict[str, str]:
    """Headers that are written as `name=value,other=value`."""
    pairs = (part.partition("=") for part in text.split(",") if part.strip())
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
