"""What is counted of calls and targets, and that clients cannot make it grow without end."""

import os
import subprocess
import sys
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tornado_router import metrics
from tornado_router.hookspecs import RequestFinished
from tornado_router.metrics import Metrics

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


def test_each_router_counts_for_itself():
    one, other = Metrics(), Metrics()
    one.add(CALL)
    assert ("requests_total", "200", "chat.completions", "fast", "up") not in read(other.text())


WORKER = """
from tests.test_metrics import CALL
from tornado_router.metrics import Metrics
counted = Metrics()
counted.add(CALL)
print(counted.text().decode())
"""


def test_workers_count_together(tmp_path):
    env = {**os.environ, metrics.FOLDER_VARIABLE: str(tmp_path)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", WORKER], env=env, capture_output=True, check=True
        )
    samples = read(done.stdout)
    assert samples["requests_total", "200", "chat.completions", "fast", "up"] == 2
