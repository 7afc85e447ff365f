"""Metrics of one process: its load, the limits of that, and what it lost.

Each worker updates its own every second, as any other may be the one that Prometheus scrapes.
"""

from __future__ import annotations

import asyncio
import os
import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge, ProcessCollector

from tornado_router import __version__
from tornado_router.background import supervisor
from tornado_router.background.held_memory import HeldMemory
from tornado_router.calls.upstream import Upstream
from tornado_router.config.worker_variables import RESTARTS_VARIABLE
from tornado_router.http.client_bounds import ClientBounds
from tornado_router.http.tls import Tls
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.ledger.writer import Ledger
from tornado_router.observability.metrics import Metrics
from tornado_router.observability.telemetry import Telemetry
from tornado_router.routing.health import Health

if TYPE_CHECKING:
    from tornado_router.redis.link import RedisLink

_START = "process_start_time_seconds"

_STATES = {"closed": 0, "half-open": 1, "open": 2}


class ProcessMetrics:
    """Copies the state of the parts of a process to its metrics.

    With several workers, a metric is their sum, or the worst of them.

    Args:
        metrics: that get the samples.
        bounds: calls and connections.
        memory: that bodies hold.
        disk: that forms hold.
        ledger: usage that waits for the database.
        health: of the targets.
        upstreams: the connections to each provider; may change at any time.
        recorder: of the request log.
        telemetry: of calls, or None.
        link: to Redis, or None where there is one process.
        tls: how connections are encrypted, or None.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        bounds: ClientBounds,
        memory: HeldMemory,
        disk: HeldMemory,
        ledger: Ledger,
        health: Health,
        upstreams: Mapping[str, Upstream],
        recorder: RequestRecorder,
        telemetry: Telemetry | None = None,
        link: RedisLink | None = None,
        tls: Tls | None = None,
    ) -> None:
        self._metrics = metrics
        self._bounds = bounds
        self._memory = memory
        self._disk = disk
        self._ledger = ledger
        self._health = health
        self._upstreams = upstreams
        self._recorder = recorder
        self._telemetry = telemetry
        self._link = link
        self._tls = tls
        self._own: dict[str, Any] = {"namespace": "tornado_router", "registry": metrics.registry}
        self._make_gauges()
        self._make_target_gauges()
        self._make_totals()
        self._not_after: Gauge | None = None
        self._process = ProcessCollector(registry=None)
        # Replacing a worker is not a restart: what counts is the process that watches it.
        self._start = _start_of_parent() if RESTARTS_VARIABLE in os.environ else None
        self._process_metrics: dict[str, Gauge | _Total] = {}
        self._known_targets: set[tuple[str, str]] = set()
        self._known_providers: set[str] = set()

    def measure(self, lag: float) -> None:
        """Updates all of them.

        Args:
            lag: seconds that the event loop was late lately, at worst.
        """
        self._metrics.sum_up()
        self._calls.set(self._bounds.calls)
        self._calls_limit.set(self._bounds.max_calls)
        self._memory_held.set(self._memory.held)
        self._memory_limit.set(self._memory.limit)
        self._disk_held.set(self._disk.held)
        self._disk_limit.set(self._disk.limit)
        self._clients.set(len(self._bounds.connections))
        self._clients_limit.set(self._bounds.max_connections)
        self._refused.follow(self._bounds.refused)
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
            self._unexported.follow(self._telemetry.dropped)
        for name, count in supervisor.failures().items():
            self._show_failures(name, count)
        self._measure_targets()
        self._measure_upstreams()
        self._measure_process()

    def _make_gauges(self) -> None:
        added = {**self._own, "multiprocess_mode": "livesum"}
        worst = {**self._own, "multiprocess_mode": "livemax"}
        least = {**self._own, "multiprocess_mode": "livemin"}
        self._calls = Gauge("calls_in_flight", "Calls in progress.", **added)
        self._calls_limit = Gauge(
            "calls_limit", "Configured limit on concurrent calls (max_calls).", **added
        )
        self._memory_held = Gauge(
            "body_bytes", "Bytes of large bodies of requests and responses, held or due.", **added
        )
        self._memory_limit = Gauge(
            "body_limit_bytes", "Configured limit on them (server.max_memory).", **added
        )
        self._disk_held = Gauge("form_bytes", "Bytes of forms that are kept or due.", **added)
        self._disk_limit = Gauge(
            "form_limit_bytes", "Configured limit on them (server.max_disk).", **added
        )
        self._clients = Gauge("client_connections", "Open connections of clients.", **added)
        self._clients_limit = Gauge(
            "client_connections_limit",
            "Configured limit on connections of clients (server.max_connections).",
            **added,
        )
        self._tasks = Gauge("tasks", "Tasks of the event loop.", **added)
        self._lag = Gauge(
            "event_loop_lag_seconds",
            "Longest delay of the event loop in the last 15 to 30 seconds.",
            **worst,
        )
        self._ledger_bytes = Gauge(
            "ledger_bytes", "Bytes of usage that are not in the database yet.", **added
        )
        self._ledger_limit = Gauge(
            "ledger_limit_bytes", "Configured limit on ledger_bytes (journal_mb).", **added
        )
        self._redis_up = None
        if self._link:  # without Redis, a 0 would raise an alarm
            self._redis_up = Gauge("redis_up", "Whether Redis answers.", **least)
        build = Gauge(
            "build_info", "Version of the router and of Python.", ("version", "python"), **worst
        )
        build.labels(__version__, platform.python_version()).set(1)

    def _make_target_gauges(self) -> None:
        of = ("model", "provider")
        added = {**self._own, "multiprocess_mode": "livesum"}
        worst = {**self._own, "multiprocess_mode": "livemax"}
        self._target_calls = Gauge("target_calls", "Calls in progress, by target.", of, **added)
        self._target_state = Gauge(
            "target_state",
            "State of a target: 0 healthy, 1 being tried again, 2 left out.",
            of,
            **worst,
        )
        self._connections = Gauge(
            "upstream_connections",
            "Connections to a provider: in_use (including those being opened) or idle.",
            ("provider", "state"),
            **added,
        )
        self._waiting = Gauge(
            "upstream_waiting", "Requests waiting for a connection.", ("provider",), **added
        )
        self._connections_limit = Gauge(
            "upstream_connections_limit",
            "Configured limit on connections to a provider (max_connections).",
            ("provider",),
            **added,
        )

    def _make_totals(self) -> None:
        self._lost = _Total(
            Counter("ledger_lost", "Calls whose usage was not recorded.", **self._own)
        )
        self._refused = _Total(
            Counter(
                "client_connections_refused",
                "Connections refused as all, or those of their address, were in use.",
                **self._own,
            )
        )
        self._unlogged = _Total(
            Counter("request_log_dropped", "Calls missing from the request log.", **self._own)
        )
        self._background_failures = Counter(
            "background_failures",
            "Failures of threads, tasks and loops beside the calls.",
            ("name",),
            **self._own,
        )
        self._failures: dict[str, _Total] = {}
        restarts = Counter("worker_restarts", "Workers that were restarted.", **self._own)
        # The counts of workers before this one are still there, but maybe not of all.
        counted = self._metrics.registry.get_sample_value("tornado_router_worker_restarts_total")
        restarts.inc(max(int(os.environ.get(RESTARTS_VARIABLE, "0")) - (counted or 0), 0))
        if self._telemetry:
            self._unexported = _Total(
                Counter("telemetry_dropped", "Calls missing from OpenTelemetry.", **self._own)
            )

    def _show_failures(self, name: str, count: int) -> None:
        total = self._failures.get(name)
        if total is None:
            total = self._failures[name] = _Total(self._background_failures.labels(name))
        total.follow(count)

    def _show_not_after(self, moment: float) -> None:
        """Without a certificate there is no such metric: a 0 would look like 1970."""
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
            # A model that has responded exists; a client may have made up any other.
            name = self._metrics.targets.name(target.model, is_real=item.first_byte is not None)
            labels = (name, target.provider)
            states[labels] = max(states.get(labels, 0), _STATES[item.state])
            calls[labels] = calls.get(labels, 0) + item.in_flight
        for labels, state in states.items():  # forgotten ones too: their values would stay
            self._target_state.labels(*labels).set(state)
            self._target_calls.labels(*labels).set(calls[labels])
        self._known_targets = set(states)

    def _measure_upstreams(self) -> None:
        gone = self._known_providers - self._upstreams.keys()
        self._known_providers = set(self._upstreams)
        for provider in gone:
            self._set_pool(provider, 0, 0, 0, 0)
        for provider, upstream in self._upstreams.items():
            pool = upstream.pool
            self._set_pool(provider, pool.in_use, pool.idle, pool.waiting, pool.limit)

    def _set_pool(self, provider: str, in_use: int, idle: int, waiting: int, limit: int) -> None:
        self._connections.labels(provider, "in_use").set(in_use)
        self._connections.labels(provider, "idle").set(idle)
        self._waiting.labels(provider).set(waiting)
        self._connections_limit.labels(provider).set(limit)

    def _measure_process(self) -> None:
        """Copies the process metrics of Prometheus's client.

        With several workers, its own collector would report one of them.
        """
        for family in self._process.collect():
            (sample,) = family.samples
            metric = self._process_metrics.get(family.name)
            if metric is None:
                metric = self._process_metrics[family.name] = self._process_metric(family)
            if isinstance(metric, _Total):
                metric.follow(sample.value)
            elif family.name == _START and self._start is not None:
                metric.set(self._start)
            else:
                metric.set(sample.value)

    def _process_metric(self, family: Any) -> Gauge | _Total:
        registry = self._metrics.registry
        if family.type == "counter":
            return _Total(Counter(family.name, family.documentation, registry=registry))
        mode: Any = "livemin" if family.name == _START else "livesum"
        return Gauge(family.name, family.documentation, registry=registry, multiprocess_mode=mode)


def _start_of_parent() -> float | None:
    """When the process began that has started this one; None where the system does not tell."""
    for family in ProcessCollector(pid=os.getppid, registry=None).collect():
        if family.name == _START:
            return float(family.samples[0].value)
    return None


class _Total:
    """A counter that follows a count kept elsewhere."""

    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._counted = 0.0

    def follow(self, total: float) -> None:
        """Counts what was added since the last time."""
        if total > self._counted:
            self._counter.inc(total - self._counted)
            self._counted = total
