"""Counts what a router does, for Prometheus.

Where several workers serve one port, a supervisor sets `PROMETHEUS_MULTIPROC_DIR` for them. Their
values then lie in files there, and each of them reports for all:
https://prometheus.github.io/client_python/multiprocess/. The files go by the worker's number: one
that follows a dead one counts on in its files, of which there are never more.

Calls are added up first, and counted once a second, or when the metrics are read. Not documented by
Prometheus's client, and thus checked by a test of its own with each version that `setup.py` allows
(last: 0.26): `_sum` and `_buckets` of a histogram.
"""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
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
from tornado_router.observability.call_sums import (
    OVERHEAD_SECONDS,
    SECONDS,
    CallKind,
    CallSums,
    Spread,
)
from tornado_router.observability.metric_labels import BoundedNames, failure_reason, refusal_code
from tornado_router.usage import AMOUNTS, QUANTITIES

if TYPE_CHECKING:
    from tornado_router.ledger.record import CallRecord

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

if NUMBER_VARIABLE in os.environ:  # before anything is counted
    _NUMBER = os.environ[NUMBER_VARIABLE]
    values.ValueClass = values.MultiProcessValue(lambda: _NUMBER)  # type: ignore[no-untyped-call]


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
        self._calls: dict[CallKind, CallSums] = {}
        self._tries: dict[tuple[str, str, str], int] = defaultdict(int)
        # These times are not read, and they take a fifth of the text.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._make_counters()
        self._make_histograms()

    def add(
        self, record: CallRecord, attempts: Sequence[AttemptRecord] = (), *, missed: bool
    ) -> None:
        """Adds a finished call, which the next `sum_up` counts.

        Args:
            record: of the call.
            attempts: to have it served.
            missed: whether it was looked for in the response cache, and not found.
        """
        provider, code, cache_hit = record.provider or "", record.error_code, record.cache_hit
        model = ""  # of a call that was not served it is any text
        if provider or cache_hit or missed:
            model = self.models.name(record.model, is_real=record.status < 400)
        refusal = None if provider or cache_hit else refusal_code(code)
        kind = CallKind(model, provider, record.endpoint, record.status, refusal, cache_hit, missed)
        sums = self._calls.get(kind)
        if sums is None:
            sums = self._calls[kind] = CallSums()
        sums.add(record)
        for attempt in attempts:
            model = self.targets.name(attempt.model, is_real=attempt.answered)
            self._tries[model, attempt.provider, _outcome_of(attempt, code)] += 1

    def sum_up(self) -> None:
        """Counts what was added since the last time; on the thread that adds.

        Other workers report it from then on.
        """
        calls, self._calls = self._calls, {}
        tries, self._tries = self._tries, defaultdict(int)
        for kind, sums in calls.items():
            self._count_calls(kind, sums)
        for labels, count in tries.items():
            self._attempts[labels].inc(count)

    def add_refusal(self, code: str | None) -> None:
        """Counts a request that was not sent to any provider, by the code of its error."""
        self._refusals[refusal_code(code),].inc()

    async def build_text(self) -> bytes:
        """The text, made on a thread: of many models, it takes a tenth of a second or more.

        A request that comes while one is made gets that one.
        """
        self.sum_up()
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

    def _count_calls(self, kind: CallKind, sums: CallSums) -> None:
        model, provider = kind.model, kind.provider
        if kind.cache_hit or kind.missed:
            hits, misses = self._cache_hits[model,], self._cache_misses[model,]  # both, for a ratio
            (hits if kind.cache_hit else misses).inc(sums.calls)
        if kind.refusal is not None:
            self._refusals[kind.refusal,].inc(sums.calls)
            model = ""
        self._requests[model, provider, kind.endpoint, kind.status].inc(sums.calls)
        self._count_usage(sums, model, provider)
        labels = (model, provider, _outcome(kind.status))
        self._observe(self._seconds, labels, sums.seconds)
        self._observe(self._first_chunk, (model, provider), sums.first_chunk)
        self._observe(self._overhead, labels, sums.overhead)

    def _count_usage(self, sums: CallSums, model: str, provider: str) -> None:
        uncharged = self._uncharged[model, provider]  # known before it grows, for the alert
        if sums.uncharged:
            uncharged.inc(sums.uncharged / 1e9)
        if sums.charged:
            self._cost[model, provider].inc(sums.charged / 1e9)
        if sums.unpriced:
            self._unpriced[model, provider].inc(sums.unpriced)
        for name, count in zip(QUANTITIES, (*sums.common, *sums.rare), strict=True):
            if count:
                of = self._amounts if name in AMOUNTS else self._tokens
                of[model, provider, name.removesuffix("_tokens")].inc(count)

    @staticmethod
    def _observe(histogram: _Children, labels: tuple[str, ...], spread: Spread) -> None:
        """Has a histogram observe many numbers at once."""
        if any(spread.counts):
            child = histogram[labels]
            child._sum.inc(spread.total)
            for bucket, count in zip(child._buckets, spread.counts, strict=True):
                if count:
                    bucket.inc(count)

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
        self._amounts = counter(
            "amounts", "Images, seconds, characters and searches of calls.", (*of, "kind")
        )
        self._cost = counter("cost_dollars", "Cost in US dollars that was charged.", of)
        self._uncharged = counter(
            "uncharged_dollars", "Cost in US dollars that was not charged to any purse.", of
        )
        self._unpriced = counter(
            "unpriced_calls", "Calls that cost 0 as their model has no price.", of
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
            SECONDS,
        )
        self._first_chunk = histogram(
            "first_chunk_seconds", "Time to the first chunk of a stream.", of, SECONDS
        )
        self._overhead = histogram(
            "overhead_seconds",
            "Time in the router itself until a response began.",
            (*of, "outcome"),
            OVERHEAD_SECONDS,
        )


def _outcome(status: int) -> str:
    """What became of a call: there are too many statuses for a histogram of each."""
    if status < 400:
        return "ok"
    if status == CLIENT_CLOSED:
        return "client_closed"
    return "client_error" if status < 500 else "server_error"


def _outcome_of(attempt: AttemptRecord, code: str | None) -> str:
    """What became of an attempt.

    Args:
        attempt: the record of it.
        code: of the error that ended its call, or None.
    """
    if attempt.status is not None:
        return failure_reason(attempt.status, attempt.error_code)
    if attempt.answered:
        return "ok"
    # Cut off: by the client or a stop, or as another target was faster.
    return code if code in ("client_closed", "stopped") else "outrun"
