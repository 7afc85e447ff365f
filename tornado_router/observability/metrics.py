"""Counts what a router does, for Prometheus.

Where several workers serve one port, a supervisor sets `PROMETHEUS_MULTIPROC_DIR` for them. Their
values then lie in files there, and each of them reports for all:
https://prometheus.github.io/client_python/multiprocess/. The files go by the worker's number: one
that follows a dead one counts on in its files, of which there are never more.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
    values,
)
from prometheus_client.multiprocess import MultiProcessCollector

from tornado_router.background.supervisor import child_task
from tornado_router.config.worker_variables import METRICS_VARIABLE, NUMBER_VARIABLE
from tornado_router.errors import CLIENT_CLOSED
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.observability.metric_labels import BoundedNames, failure_reason
from tornado_router.usage import QUANTITIES, quantities

if TYPE_CHECKING:
    from tornado_router.ledger.record import CallRecord

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

if NUMBER_VARIABLE in os.environ:  # before anything is counted
    _NUMBER = os.environ[NUMBER_VARIABLE]
    values.ValueClass = values.MultiProcessValue(lambda: _NUMBER)  # type: ignore[no-untyped-call]

_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_TOKEN_KINDS = tuple(name.removesuffix("_tokens") for name in QUANTITIES)
_OVERHEAD = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0)


class _Children(dict[tuple[Any, ...], Any]):
    """What a metric has counted, by the values of its labels.

    The client's own look-up takes longer than to count.
    """

    def __init__(self, metric: Counter | Histogram) -> None:
        self._metric = metric

    def __missing__(self, labels: tuple[Any, ...]) -> Any:
        child = self[labels] = self._metric.labels(*labels)
        return child


class Metrics:
    """The metrics of one process, or of all workers together.

    Attributes:
        registry: of all that is measured.
        models: the names that clients ask for.
        targets: the names that vendors have for them.
    """

    def __init__(self) -> None:
        self._shared = METRICS_VARIABLE in os.environ
        self.registry = CollectorRegistry()
        self.models = BoundedNames()
        self.targets = BoundedNames()
        self._building: asyncio.Task[bytes] | None = None
        # These times are not read, and they take a fifth of the text.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._make_counters()
        self._make_histograms()

    def add(
        self, record: CallRecord, attempts: Sequence[AttemptRecord] = (), *, missed: bool
    ) -> None:
        """Counts a finished call.

        Args:
            record: of the call.
            attempts: to have it served.
            missed: whether it was looked for in the response cache, and not found.
        """
        provider = record.provider or ""
        model = ""  # of a call that was not served it is any text
        if provider or record.cache_hit or missed:
            model = self.models.name(record.model, is_real=record.status < 400)
        if record.cache_hit or missed:
            hits, misses = self._cache_hits[model,], self._cache_misses[model,]  # both, for a ratio
            (hits if record.cache_hit else misses).inc()
        if not (provider or record.cache_hit):
            self.add_refusal(record.error_code)
            model = ""
        self._requests[model, provider, record.endpoint, record.status].inc()
        self._add_usage(record, model, provider)
        labels = (model, provider, _outcome(record.status))
        self._seconds[labels].observe(record.duration)
        if record.first_chunk is not None:
            self._first_chunk[model, provider].observe(record.first_chunk)
        if record.overhead is not None:
            self._overhead[labels].observe(record.overhead)
        for attempt in attempts:
            self._add_attempt(attempt, record.error_code)

    def add_refusal(self, code: str | None) -> None:
        """Counts a request that was not sent to any provider, by the code of its error."""
        self._refusals[code or "",].inc()

    async def build_text(self) -> bytes:
        """The text, made on a thread: of many models, it takes a tenth of a second or more.

        A request that comes while one is made gets that one.
        """
        if self._building is None or self._building.done():
            self._building = child_task("metrics", asyncio.to_thread(self.text))
        return await asyncio.shield(self._building)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        if not self._shared:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _add_usage(self, record: CallRecord, model: str, provider: str) -> None:
        uncharged = self._uncharged[model, provider]  # known before it grows, for the alert
        charge = record.charge
        if charge.uncharged:
            uncharged.inc(charge.uncharged / 1e9)
        if charge.charged:
            self._cost[model, provider].inc(charge.charged / 1e9)
        for kind, count in zip(_TOKEN_KINDS, quantities(record.usage), strict=True):
            if count:
                self._tokens[model, provider, kind].inc(count)

    def _add_attempt(self, attempt: AttemptRecord, code: str | None) -> None:
        """Counts an attempt.

        Args:
            attempt: the record of it.
            code: of the error that ended its call, or None.
        """
        if attempt.status is not None:
            outcome = failure_reason(attempt.status, attempt.error_code)
        elif attempt.answered:
            outcome = "ok"
        else:  # cut off: by the client or a stop, or as another target was faster
            outcome = code if code in ("client_closed", "stopped") else "outrun"
        model = self.targets.name(attempt.model, is_real=attempt.answered)
        self._attempts[model, attempt.provider, outcome].inc()

    def _make_counters(self) -> None:
        of = ("model", "provider")

        def counter(name: str, text: str, labels: Sequence[str]) -> _Children:
            return _Children(
                Counter(name, text, labels, namespace="tornado_router", registry=self.registry)
            )

        self._requests = counter("requests", "Finished calls.", (*of, "endpoint", "status"))
        self._refusals = counter("refusals", "Calls that were not sent to any provider.", ("code",))
        self._attempts = counter("attempts", "Attempts of calls on targets.", (*of, "outcome"))
        self._cache_hits = counter(
            "cache_hits", "Calls served from the response cache.", ("model",)
        )
        self._cache_misses = counter(
            "cache_misses", "Cacheable calls that were not in the response cache.", ("model",)
        )
        self._tokens = counter("tokens", "Tokens of calls, by kind.", (*of, "kind"))
        self._cost = counter("cost_dollars", "Cost in US dollars that was charged.", of)
        self._uncharged = counter(
            "uncharged_dollars", "Cost in US dollars that was not charged to any purse.", of
        )

    def _make_histograms(self) -> None:
        of = ("model", "provider")

        def histogram(
            name: str, text: str, labels: Sequence[str], buckets: Sequence[float]
        ) -> _Children:
            return _Children(
                Histogram(
                    name,
                    text,
                    labels,
                    namespace="tornado_router",
                    registry=self.registry,
                    buckets=buckets,
                )
            )

        self._seconds = histogram(
            "request_seconds",
            "Time from a request to the end of its response.",
            (*of, "outcome"),
            _SECONDS,
        )
        self._first_chunk = histogram(
            "first_chunk_seconds", "Time to the first chunk of a stream.", of, _SECONDS
        )
        self._overhead = histogram(
            "overhead_seconds",
            "Time in the router itself until a response began.",
            (*of, "outcome"),
            _OVERHEAD,
        )


def _outcome(status: int) -> str:
    """What became of a call: there are too many statuses for a histogram of each."""
    if status < 400:
        return "ok"
    if status == CLIENT_CLOSED:
        return "client_closed"
    return "client_error" if status < 500 else "server_error"
