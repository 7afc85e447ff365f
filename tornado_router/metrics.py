"""Counts what a router does, for Prometheus.

Where several workers serve one port, a supervisor sets `PROMETHEUS_MULTIPROC_DIR` for them. Their
values then lie in files there, and what any of them tells is of all:
https://prometheus.github.io/client_python/multiprocess/.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from tornado_router.hookspecs import RequestFinished
from tornado_router.redaction import printable_name

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

MOST_MODELS = 500
"""Names of models are the clients' where a provider offers a pattern; the others share one."""

OTHER = "other"

_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_OVERHEAD = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0)


class _Bound(NamedTuple):
    """The counters of one model: to look them up by label takes longer than to count."""

    prompt: Any
    completion: Any
    cached: Any
    reasoning: Any
    cost: Any
    uncharged: Any
    seconds: Any
    first_chunk: Any


class Names:
    """Names of models, of which clients can make up any number where a provider has a pattern.

    Those that router.toml lists always keep theirs. Of the rest, those beyond a number share one.
    """

    def __init__(self) -> None:
        self._listed: frozenset[str] = frozenset()
        self._others: set[str] = set()

    def keep(self, names: Iterable[str]) -> None:
        """Says which names router.toml lists."""
        self._listed = frozenset(names)

    def name(self, model: str, *, is_real: bool) -> str:
        """What a model is called in metrics.

        Args:
            model: any text.
            is_real: whether somebody serves it, so that it may have a name of its own.
        """
        if model in self._listed or model in self._others:
            return model
        model = printable_name(model)
        if model in self._others:
            return model
        if is_real and len(self._others) < MOST_MODELS:
            self._others.add(model)
            return model
        return OTHER


class Metrics:
    """The metrics of one process, or of all workers together.

    Attributes:
        registry: of all that is measured.
        targets: the names of models, as vendors have them.
    """

    def __init__(self) -> None:
        self._shared = FOLDER_VARIABLE in os.environ
        self.registry = CollectorRegistry()
        self.targets = Names()
        self._models: dict[tuple[str, str], _Bound] = {}
        self._requests: dict[tuple[str, str, str, int], Any] = {}
        self._make_counters()

    def add(self, event: RequestFinished) -> None:
        """Counts a call that is over."""
        provider = event.provider or ""
        if event.cache_hit:
            self._cache_hits.inc()
        elif not provider:
            self.add_refusal(event.error_code)
        model = event.model if provider else ""  # of one that nobody serves it is any text
        bound = self._models.get((model, provider))
        if bound is None:
            model, bound = self._bind(model, provider)
        self._count(model, provider, event.endpoint, event.status)
        if event.prompt_tokens:
            bound.prompt.inc(event.prompt_tokens)
        if event.completion_tokens:
            bound.completion.inc(event.completion_tokens)
        if event.cached_tokens:
            bound.cached.inc(event.cached_tokens)
        if event.reasoning_tokens:
            bound.reasoning.inc(event.reasoning_tokens)
        if event.cost:
            bound.cost.inc(float(event.cost))
        if event.uncharged:
            bound.uncharged.inc(float(event.uncharged))
        bound.seconds.observe(event.duration)
        if event.first_chunk is not None:
            bound.first_chunk.observe(event.first_chunk)
        if event.overhead is not None:
            self._overhead.observe(event.overhead)

    def add_refusal(self, code: str | None) -> None:
        """Counts a call that ended before any provider was asked, by the code of its error."""
        self._refusals.labels(code or "").inc()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        if not self._shared:
            return generate_latest(self.registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _make_counters(self) -> None:
        of = ("model", "provider")
        more: dict[str, Any] = {"namespace": "tornado_router", "registry": self.registry}
        self._all = Counter("requests", "Calls that are over.", (*of, "endpoint", "status"), **more)
        self._refusals = Counter(
            "refusals", "Calls that ended before any provider was asked.", ("code",), **more
        )
        self._cache_hits = Counter("cache_hits", "Calls answered from the cache.", **more)
        self._tokens = Counter("tokens", "Tokens, by kind.", (*of, "kind"), **more)
        self._cost = Counter("cost_dollars", "US dollars that were charged.", of, **more)
        self._uncharged = Counter(
            "uncharged_dollars", "US dollars that calls cost beyond that.", of, **more
        )
        self._seconds = Histogram(
            "request_seconds",
            "From a request to the end of its answer.",
            of,
            buckets=_SECONDS,
            **more,
        )
        self._first_chunk = Histogram(
            "first_chunk_seconds", "Until a stream's first chunk.", of, buckets=_SECONDS, **more
        )
        self._overhead = Histogram(
            "overhead_seconds",
            "Spent in the router until an answer began.",
            buckets=_OVERHEAD,
            **more,
        )

    def _count(self, model: str, provider: str, endpoint: str, status: int) -> None:
        labels = (model, provider, endpoint, status)
        requests = self._requests.get(labels)
        if requests is None:
            requests = self._requests[labels] = self._all.labels(*labels)
        requests.inc()

    def _bind(self, model: str, provider: str) -> tuple[str, _Bound]:
        """The counters of a model, and the name that it goes by."""
        if len(self._models) >= MOST_MODELS:
            model = OTHER
        bound = self._models.get((model, provider))
        if bound is None:
            labels = (model, provider)
            bound = self._models[labels] = _Bound(
                self._tokens.labels(*labels, "prompt"),
                self._tokens.labels(*labels, "completion"),
                self._tokens.labels(*labels, "cached"),
                self._tokens.labels(*labels, "reasoning"),
                self._cost.labels(*labels),
                self._uncharged.labels(*labels),
                self._seconds.labels(*labels),
                self._first_chunk.labels(*labels),
            )
        return model, bound
