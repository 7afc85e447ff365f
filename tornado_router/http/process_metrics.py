"""Measures how a process is: what it has in hand, how much of that it may have, and what it lost.

Each worker takes that down every second, as any other may be the one that Prometheus asks.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge, ProcessCollector

from tornado_router import __version__
from tornado_router.calls.upstream import Upstream
from tornado_router.config.worker_variables import RESTARTS_VARIABLE
from tornado_router.http.client_bounds import Overload
from tornado_router.http.tls import Tls
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.ledger.writer import Ledger
from tornado_router.observability.metrics import Metrics
from tornado_router.observability.telemetry import Telemetry
from tornado_router.routing.health import Health

if TYPE_CHECKING:
    from tornado_router.redis.link import RedisLink

_STATES = {"closed": 0, "half-open": 1, "open": 2}


class Vitals:
    """Looks at the parts of a process, and tells its metrics.

    With several workers, what is told is their sum, or the worst of them.

    Args:
        metrics: where to.
        overload: has the calls.
        ledger: has the usage that waits for the database.
        health: of the targets.
        upstreams: the connections to each provider; may change at any time.
        recorder: of requests.
        telemetry: of calls, or None.
        link: to Redis, or None where there is one process.
        tls: how connections are encrypted, or None.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        overload: Overload,
        ledger: Ledger,
        health: Health,
        upstreams: Mapping[str, Upstream],
        recorder: RequestRecorder,
        telemetry: Telemetry | None = None,
        link: RedisLink | None = None,
        tls: Tls | None = None,
    ) -> None:
        self._metrics = metrics
        self._overload = overload
        self._ledger = ledger
        self._health = health
        self._upstreams = upstreams
        self._recorder = recorder
        self._telemetry = telemetry
        self._link = link
        self._tls = tls
        self._own: dict[str, Any] = {"namespace": "tornado_router", "registry": metrics.registry}
        self._make_gauges()
        self._make_totals()
        self._not_after: Gauge | None = None
        self._process = ProcessCollector(registry=None)
        self._process_metrics: dict[str, Gauge | _Total] = {}
        self._known_targets: set[tuple[str, str]] = set()
        self._known_providers: set[str] = set()

    def measure(self, lag: float) -> None:
        """Takes down how all of it is now.

        Args:
            lag: seconds that the event loop was late, at worst, a moment ago.
        """
        self._calls.set(self._overload.calls)
        self._calls_limit.set(self._overload.limit)
        self._tasks.set(len(asyncio.all_tasks()))
        self._lag.set(lag)
        self._ledger_bytes.set(self._ledger.backlog)
        self._ledger_limit.set(self._ledger.limit)
        if self._redis_up:
            self._redis_up.set(bool(self._link and self._link.available))
        if self._tls and self._tls.not_after is not None:
            self._show_not_after(self._tls.not_after)
        self._lost.follow(self._ledger.lost)
        self._unlogged.follow(self._recorder.dropped)
        if self._telemetry:
            self._untold.follow(self._telemetry.dropped)
        self._measure_targets()
        self._measure_upstreams()
        self._measure_process()

    def _make_gauges(self) -> None:
        of = ("model", "provider")
        added = {**self._own, "multiprocess_mode": "livesum"}
        worst = {**self._own, "multiprocess_mode": "livemax"}
        least = {**self._own, "multiprocess_mode": "livemin"}
        self._calls = Gauge("calls_in_flight", "Calls of models that run now.", **added)
        self._calls_limit = Gauge("calls_limit", "The most that may (max_calls).", **added)
        self._tasks = Gauge("tasks", "Tasks of the event loop.", **added)
        self._lag = Gauge(
            "event_loop_lag_seconds", "The worst delay of the event loop lately.", **worst
        )
        self._ledger_bytes = Gauge("ledger_bytes", "Usage that waits for the database.", **added)
        self._ledger_limit = Gauge("ledger_limit_bytes", "The most that may (journal_mb).", **added)
        self._target_calls = Gauge("target_calls", "Calls that a target has now.", of, **added)
        self._target_state = Gauge(
            "target_state", "Of a target: 0 is well, 1 is tried again, 2 is left out.", of, **worst
        )
        self._connections = Gauge(
            "upstream_connections",
            "Connections to a provider: in_use (also those being made) or idle.",
            ("provider", "state"),
            **added,
        )
        self._waiting = Gauge(
            "upstream_waiting", "Requests that wait for a connection.", ("provider",), **added
        )
        self._connections_limit = Gauge(
            "upstream_connections_limit",
            "The most connections in use (max_connections).",
            ("provider",),
            **added,
        )
        self._redis_up = None
        if self._link:  # without Redis, nobody is to be alarmed that it is not there
            self._redis_up = Gauge("redis_up", "Whether Redis answers.", **least)
        build = Gauge("build_info", "What runs.", ("version", "python"), **worst)
        build.labels(__version__, platform.python_version()).set(1)

    def _make_totals(self) -> None:
        self._lost = _Total(Counter("ledger_lost", "Calls that were not recorded.", **self._own))
        self._unlogged = _Total(
            Counter("request_log_dropped", "Calls that [request_log] should have.", **self._own)
        )
        restarts = Counter("worker_restarts", "Workers that were started again.", **self._own)
        # The count of the ones before this one is still there, but maybe not of all.
        counted = self._metrics.registry.get_sample_value("tornado_router_worker_restarts_total")
        restarts.inc(max(int(os.environ.get(RESTARTS_VARIABLE, "0")) - (counted or 0), 0))
        if self._telemetry:
            self._untold = _Total(
                Counter("telemetry_dropped", "Calls that [otel] did not export.", **self._own)
            )

    def _show_not_after(self, moment: float) -> None:
        """A router without a certificate has no such metric: a 0 would look like one of 1970."""
        if self._not_after is None:
            self._not_after = Gauge(
                "certificate_not_after_timestamp_seconds",
                "When the certificate expires, in seconds since 1970.",
                multiprocess_mode="livemin",
                **self._own,
            )
        self._not_after.set(moment)

    def _measure_targets(self) -> None:
        states: dict[tuple[str, str], int] = dict.fromkeys(self._known_targets, 0)
        calls = dict(states)
        for item in self._health.targets():
            target = item.target
            # One that answers is a model that there is; a client may have made up any other.
            name = self._metrics.targets.name(target.model, is_real=item.first_byte is not None)
            labels = (name, target.provider)
            states[labels] = max(states.get(labels, 0), _STATES[item.state])
            calls[labels] = calls.get(labels, 0) + item.in_flight
        for labels, state in states.items():  # those that are gone, too: their values would stay
            self._target_state.labels(*labels).set(state)
            self._target_calls.labels(*labels).set(calls[labels])
        self._known_targets = set(states)

    def _measure_upstreams(self) -> None:
        gone = self._known_providers - self._upstreams.keys()
        self._known_providers = set(self._upstreams)
        for provider in gone:
            self._tell_pool(provider, 0, 0, 0, 0)
        for provider, upstream in self._upstreams.items():
            pool = upstream.pool
            self._tell_pool(provider, pool.in_use, pool.idle, pool.waiting, pool.limit)

    def _tell_pool(self, provider: str, in_use: int, idle: int, waiting: int, limit: int) -> None:
        self._connections.labels(provider, "in_use").set(in_use)
        self._connections.labels(provider, "idle").set(idle)
        self._waiting.labels(provider).set(waiting)
        self._connections_limit.labels(provider).set(limit)

    def _measure_process(self) -> None:
        """What Prometheus's client tells of a process, as far as the system does.

        With several workers, it would tell of one of them.
        """
        for family in self._process.collect():
            (sample,) = family.samples
            metric = self._process_metrics.get(family.name)
            if metric is None:
                metric = self._process_metrics[family.name] = self._process_metric(family)
            if isinstance(metric, _Total):
                metric.follow(sample.value)
            else:
                metric.set(sample.value)

    def _process_metric(self, family: Any) -> Gauge | _Total:
        registry = self._metrics.registry
        if family.type == "counter":
            return _Total(Counter(family.name, family.documentation, registry=registry))
        is_time = family.name == "process_start_time_seconds"
        mode: Any = "livemin" if is_time else "livesum"
        return Gauge(family.name, family.documentation, registry=registry, multiprocess_mode=mode)


class _Total:
    """A counter that goes by what somebody else has counted."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._counted = 0.0

    def follow(self, total: float) -> None:
        """Counts what was added since the last time."""
        if total > self._counted:
            self._counter.inc(total - self._counted)
            self._counted = total
