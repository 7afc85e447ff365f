"""What is counted of calls and targets, and that clients cannot make it grow without end."""

import os
import subprocess
import sys
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tornado_router import metrics
from tornado_router.health import TargetHealth
from tornado_router.hookspecs import RequestFinished
from tornado_router.metrics import Metrics
from tornado_router.routing import Target

CALL = RequestFinished(
    call_id="c",
    request_id="r",
    endpoint="chat.completions",
    user_id=1,
    key_id=1,
    key_name="k",
    model="fast",
    provider="up",
    target_model="m",
    stream=True,
    status=200,
    error_code=None,
    dropped_params=(),
    prompt_tokens=11,
    completion_tokens=7,
    cached_tokens=3,
    cache_write_tokens=0,
    reasoning_tokens=2,
    usage_estimated=False,
    cost=Decimal("0.5"),
    uncharged=Decimal("0.25"),
    paid_from_credits=True,
    prices=None,
    finished_at=1.0,
    duration=2.0,
    first_chunk=0.3,
    overhead=0.002,
)


def read(text):
    """Every sample, by its name and labels."""
    return {
        (sample.name.removeprefix("tornado_router_"), *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture
def counted():
    return Metrics()


def test_a_call_is_counted_with_all_that_it_used(counted):
    counted.add(CALL)
    counted.add(CALL)
    samples = read(counted.text())
    assert samples["requests_total", "200", "chat.completions", "fast", "up"] == 2
    assert samples["tokens_total", "fast", "prompt", "up"] == 22
    assert samples["tokens_total", "completion", "fast", "up"] == 14
    assert samples["tokens_total", "cached", "fast", "up"] == 6
    assert samples["tokens_total", "fast", "reasoning", "up"] == 4
    assert samples["cost_dollars_total", "fast", "up"] == 1.0
    assert samples["uncharged_dollars_total", "fast", "up"] == 0.5
    assert samples["request_seconds_sum", "fast", "up"] == 4.0
    assert samples["first_chunk_seconds_count", "fast", "up"] == 2
    assert samples["overhead_seconds_sum",] == pytest.approx(0.004)


def test_a_refusal_has_its_code_and_not_the_clients_text(counted):
    refused = CALL._replace(
        provider=None, model="no such model", status=404, error_code="model_not_found"
    )
    counted.add(refused)
    samples = read(counted.text())
    assert samples["refusals_total", "model_not_found"] == 1
    assert samples["requests_total", "", "", "404", "chat.completions"] == 1
    assert b"no such model" not in counted.text()


def test_models_beyond_a_number_share_a_name(counted, monkeypatch):
    monkeypatch.setattr(metrics, "MOST_MODELS", 3)
    for number in range(10):
        counted.add(CALL._replace(model=f"m{number}"))
    counted.add(CALL._replace(model="m0"))
    samples = read(counted.text())
    assert samples["requests_total", "200", "chat.completions", "m0", "up"] == 2
    assert samples["requests_total", "200", "chat.completions", "other", "up"] == 7
    targets = [
        TargetHealth(Target("up", f"m{number}"), "closed", 0, 0.0, 0, None) for number in range(9)
    ]
    counted.measure(calls=0, tasks=0, lag=0.0, ledger_bytes=0, targets=targets)
    assert len([name for name in read(counted.text()) if name[0] == "target_state"]) == 4


def test_the_state_of_the_process(counted):
    targets = [TargetHealth(Target("up", "m"), "open", 5, 3.0, 2, None)]
    counted.measure(calls=4, tasks=9, lag=0.25, ledger_bytes=100, targets=targets)
    samples = read(counted.text())
    assert samples["calls_in_flight",] == 4
    assert samples["tasks",] == 9
    assert samples["event_loop_lag_seconds",] == 0.25
    assert samples["ledger_bytes",] == 100
    assert samples["target_state", "m", "up"] == 2
    assert samples["target_calls", "m", "up"] == 2


def test_a_target_that_is_gone_is_left_out_no_more(counted):
    gone = TargetHealth(Target("up", "m"), "open", 5, 3.0, 2, None)
    for targets in ([gone], []):
        counted.measure(calls=0, tasks=0, lag=0.0, ledger_bytes=0, targets=targets)
    samples = read(counted.text())
    assert samples["target_state", "m", "up"] == samples["target_calls", "m", "up"] == 0


def test_when_the_certificate_expires(counted):
    state = {"calls": 0, "tasks": 0, "lag": 0.0, "ledger_bytes": 0, "targets": []}
    counted.measure(**state)
    assert b"certificate" not in counted.text()  # there is none
    for moment in (2e9, 2.1e9):
        counted.measure(**state, not_after=moment)
        assert read(counted.text())["certificate_not_after_timestamp_seconds",] == moment


def test_each_router_counts_for_itself():
    one, other = Metrics(), Metrics()
    one.add(CALL)
    assert ("requests_total", "200", "chat.completions", "fast", "up") not in read(other.text())


WORKER = """
from tests.test_metrics import CALL
from tornado_router.metrics import Metrics
counted = Metrics()
counted.add(CALL)
counted.measure(calls=3, tasks=1, lag={lag}, ledger_bytes=1, targets=[], not_after={lag})
print(counted.text().decode())
"""


def test_workers_count_together(tmp_path):
    env = {**os.environ, metrics.FOLDER_VARIABLE: str(tmp_path)}
    for lag in (0.5, 0.1):
        done = subprocess.run(
            [sys.executable, "-c", WORKER.format(lag=lag)],
            env=env,
            capture_output=True,
            check=True,
        )
    samples = read(done.stdout)
    assert samples["requests_total", "200", "chat.completions", "fast", "up"] == 2
    assert samples["calls_in_flight",] == 6
    assert samples["event_loop_lag_seconds",] == 0.5
    assert samples["certificate_not_after_timestamp_seconds",] == 0.1
