"""How a process is: what it has in hand, what it may have, and what it lost."""

import asyncio
import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from tests.finished import FINISHED
from tests.observability.test_metrics import read
from tornado_router import __version__
from tornado_router.background import supervisor
from tornado_router.config.options import RequestLogOptions
from tornado_router.config.worker_variables import (
    METRICS_VARIABLE,
    NUMBER_VARIABLE,
    RESTARTS_VARIABLE,
)
from tornado_router.http.process_metrics import ProcessMetrics
from tornado_router.ledger import request_log
from tornado_router.ledger.exchange import Exchange
from tornado_router.ledger.request_log import RequestRecorder
from tornado_router.observability import metric_labels
from tornado_router.observability.metrics import Metrics
from tornado_router.routing.health import TargetHealth
from tornado_router.routing.routes import Target


class Process:
    """A process, of which everything can be made up."""

    def __init__(self, *, link=None, tls=None):
        self.metrics = Metrics()
        self.targets = []
        self.bounds = SimpleNamespace(
            calls=4,
            max_calls=1000,
            connections=range(7),
            max_connections=5000,
            refused=0,
        )
        self.ledger = SimpleNamespace(backlog=100, limit=2**20, lost=0)
        self.upstreams = {}
        self.recorder = SimpleNamespace(dropped=0)
        self.telemetry = SimpleNamespace(dropped=0)
        self.process_metrics = ProcessMetrics(
            self.metrics,
            bounds=self.bounds,
            memory=SimpleNamespace(held=80_000, limit=2**28),
            disk=SimpleNamespace(held=90_000, limit=2**30),
            ledger=self.ledger,
            health=SimpleNamespace(targets=lambda: iter(self.targets)),
            upstreams=self.upstreams,
            recorder=self.recorder,
            telemetry=self.telemetry,
            link=link,
            tls=tls,
        )

    def measured(self, lag=0.0):
        async def measure():
            self.process_metrics.measure(lag)

        asyncio.run(measure())
        return read(self.metrics.text())


@pytest.fixture
def process():
    return Process()


def test_failures_beside_the_calls(process, monkeypatch):
    failures = {"usage rows": 2}
    monkeypatch.setattr(supervisor, "failures", lambda: failures)
    assert process.measured()["background_failures_total", "usage rows"] == 2
    failures |= {"usage rows": 3, "Redis link": 1}
    samples = process.measured()
    assert samples["background_failures_total", "usage rows"] == 3
    assert samples["background_failures_total", "Redis link"] == 1


def target(model, state="closed", in_flight=0, first_byte=0.5):
    return TargetHealth(Target("up", model), state, 0, 0.0, in_flight, first_byte)


def test_what_it_has_and_how_much_it_may_have(process):
    samples = process.measured(lag=0.25)
    assert samples["calls_in_flight",] == 4
    assert samples["body_bytes",] == 80_000
    assert samples["body_limit_bytes",] == 2**28
    assert samples["form_bytes",] == 90_000
    assert samples["form_limit_bytes",] == 2**30
    assert samples["calls_limit",] == 1000
    assert samples["client_connections",] == 7
    assert samples["client_connections_limit",] == 5000
    assert samples["ledger_bytes",] == 100
    assert samples["ledger_limit_bytes",] == 2**20
    assert samples["event_loop_lag_seconds",] == 0.25
    assert samples["tasks",] == 1


def test_what_runs(process):
    samples = process.measured()
    assert samples["build_info", *sorted((platform.python_version(), __version__))] == 1
    assert samples["process_resident_memory_bytes",] > 1e6
    assert samples["process_open_fds",] > 0
    before = samples["process_cpu_seconds_total",]
    assert 0 < before <= process.measured()["process_cpu_seconds_total",]


def test_what_was_lost_is_counted_once(process):
    assert process.measured()["ledger_lost_total",] == 0
    process.ledger.lost = 3
    process.recorder.dropped = 5
    process.telemetry.dropped = 7
    for _ in range(2):
        samples = process.measured()
        assert samples["ledger_lost_total",] == 3
        assert samples["request_log_dropped_total",] == 5
        assert samples["telemetry_dropped_total",] == 7


def test_the_request_log_tells_what_it_dropped(monkeypatch):
    monkeypatch.setattr(request_log, "WAITING_BYTES", 10)
    recorder = RequestRecorder(None, RequestLogOptions(calls="all"))
    exchange = Exchange(FINISHED, b"x" * 11, b"", 0)
    recorder.add(exchange)
    recorder.add(exchange)
    assert recorder.dropped == 2
    recorder.close()


def test_whether_redis_answers():
    link = SimpleNamespace(available=False)
    process = Process(link=link)
    assert process.measured()["redis_up",] == 0
    link.available = True
    assert process.measured()["redis_up",] == 1


def test_who_has_no_redis_is_not_told_that_it_is_away(process):
    assert ("redis_up",) not in process.measured()


def test_when_the_certificate_expires():
    tls = SimpleNamespace(not_after=None)
    process = Process(tls=tls)
    name = ("certificate_not_after_timestamp_seconds",)
    assert name not in process.measured()
    for tls.not_after in (4e9, 5e9):
        assert process.measured()[name] == tls.not_after


class TestTargets:
    def test_their_state_and_calls(self, process):
        process.targets = [target("m", "open", in_flight=2)]
        samples = process.measured()
        assert samples["target_state", "m", "up"] == 2
        assert samples["target_calls", "m", "up"] == 2

    def test_one_that_is_gone_is_left_out_no_more(self, process):
        process.targets = [target("m", "open", in_flight=2)]
        process.measured()
        process.targets = []
        samples = process.measured()
        assert samples["target_state", "m", "up"] == samples["target_calls", "m", "up"] == 0

    def test_those_that_are_too_many_share_a_name_and_the_worst_counts(self, process, monkeypatch):
        monkeypatch.setattr(metric_labels, "MOST_NAMES", 2)
        process.targets = [target(f"m{number}", in_flight=1) for number in range(9)]
        process.targets[5] = target("m5", "open", in_flight=1)
        samples = process.measured()
        assert len([name for name in samples if name[0] == "target_state"]) == 3
        assert samples["target_state", "other", "up"] == 2
        assert samples["target_calls", "other", "up"] == 7

    def test_one_that_never_answered_has_a_name_only_if_it_is_listed(self, process):
        process.metrics.targets.keep({"listed"})
        process.targets = [target(name, "open", first_byte=None) for name in ("listed", "junk")]
        samples = process.measured()
        assert samples["target_state", "listed", "up"] == 2
        assert samples["target_state", "other", "up"] == 2
        assert ("target_state", "junk", "up") not in samples


class TestConnections:
    def test_of_each_provider(self, process):
        pool = SimpleNamespace(in_use=100, idle=1, waiting=7, limit=100)
        process.upstreams["up"] = SimpleNamespace(pool=pool)
        samples = process.measured()
        assert samples["upstream_connections", "in_use", "up"] == 100
        assert samples["upstream_connections", "idle", "up"] == 1
        assert samples["upstream_waiting", "up"] == 7
        assert samples["upstream_connections_limit", "up"] == 100

    def test_a_provider_that_is_gone_has_none(self, process):
        pool = SimpleNamespace(in_use=100, idle=1, waiting=7, limit=100)
        process.upstreams["up"] = SimpleNamespace(pool=pool)
        process.measured()
        del process.upstreams["up"]
        samples = process.measured()
        assert samples["upstream_connections", "in_use", "up"] == 0
        assert samples["upstream_waiting", "up"] == 0
        assert samples["upstream_connections_limit", "up"] == 0


WORKER = """
from types import SimpleNamespace
from tests.http.test_process_metrics import Process
process = Process(
    link=SimpleNamespace(available={available}), tls=SimpleNamespace(not_after=1000 * {lag})
)
process.ledger.lost = 1
process.measured({lag})
print(process.metrics.text().decode())
"""


def measure_as_worker(folder, number, restarts=0, lag=0.0, available=True):
    env = {
        **os.environ,
        METRICS_VARIABLE: str(folder),
        NUMBER_VARIABLE: str(number),
        RESTARTS_VARIABLE: str(restarts),
    }
    script = WORKER.format(lag=lag, available=available)
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, check=True)
    return read(done.stdout)


def test_workers_are_summed_up_or_the_worst_is_told(tmp_path):
    measure_as_worker(tmp_path, 0, lag=0.5, available=False)
    samples = measure_as_worker(tmp_path, 1, lag=0.1)
    assert samples["calls_in_flight",] == 8
    assert samples["calls_limit",] == 2000
    assert samples["ledger_lost_total",] == 2
    assert samples["event_loop_lag_seconds",] == 0.5
    assert samples["redis_up",] == 0
    assert samples["certificate_not_after_timestamp_seconds",] == 100
    assert samples["process_resident_memory_bytes",] > 2e6


def test_restarts_are_counted_also_of_workers_that_did_not_get_so_far(tmp_path):
    for number, restarts, counted in ((0, 0, 0), (0, 1, 1), (0, 4, 4), (1, 2, 6), (0, 5, 7)):
        samples = measure_as_worker(tmp_path, number, restarts)
        assert samples["worker_restarts_total",] == counted
