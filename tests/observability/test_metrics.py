"""What is counted of calls and targets, and that clients cannot make it grow without end."""

import asyncio
import os
import subprocess
import sys
import threading
from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tornado_router.config.worker_variables import METRICS_VARIABLE, NUMBER_VARIABLE
from tornado_router.observability import metric_labels
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.observability.metrics import Metrics
from tornado_router.usage import QUANTITIES

from ..finished import FINISHED, changed

CALL = changed(
    FINISHED,
    provider="up",
    target_model="m",
    cost=Decimal("0.5"),
    uncharged=Decimal("0.25"),
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


def add(counted, event, *tried, missed=False):
    counted.add(event, tried, missed=missed)
    counted.sum_up()


@pytest.fixture
def counted():
    return Metrics()


def test_calls_that_cost_nothing_for_want_of_a_price_are_counted(counted):
    free = changed(CALL, cost=Decimal(0), uncharged=Decimal(0), prices=None)
    nothing = dict.fromkeys(QUANTITIES, 0)
    for event in (
        free,
        changed(free, prices='{"input":"0"}'),  # a price, if 0
        changed(free, provider=None, cache_hit=True),
        changed(free, status=502, **nothing),
    ):
        add(counted, event)
    assert read(counted.text())["unpriced_calls_total", "fast", "up"] == 1


def test_a_call_is_counted_with_all_that_it_used(counted):
    add(counted, CALL)
    add(counted, CALL)
    samples = read(counted.text())
    assert samples["requests_total", "200", "chat.completions", "fast", "up"] == 2
    assert samples["tokens_total", "fast", "prompt", "up"] == 22
    assert samples["tokens_total", "cache_write", "fast", "up"] == 8
    assert samples["tokens_total", "completion", "fast", "up"] == 14
    assert samples["tokens_total", "cached", "fast", "up"] == 6
    assert samples["tokens_total", "fast", "reasoning", "up"] == 4
    assert samples["cost_dollars_total", "fast", "up"] == 1.0
    assert samples["uncharged_dollars_total", "fast", "up"] == 0.5
    assert samples["request_seconds_sum", "fast", "ok", "up"] == 4.0
    assert samples["first_chunk_seconds_count", "fast", "up"] == 2
    assert samples["overhead_seconds_sum", "fast", "ok", "up"] == pytest.approx(0.004)


def test_what_is_not_counted_in_tokens_has_a_metric_of_its_own(counted):
    add(counted, changed(CALL, images=2, seconds=0.5, audio_prompt_tokens=4))
    add(counted, changed(CALL, images=1))
    samples = read(counted.text())
    assert samples["amounts_total", "fast", "images", "up"] == 3
    assert samples["amounts_total", "fast", "seconds", "up"] == 0.5
    assert samples["tokens_total", "audio_prompt", "fast", "up"] == 4
    assert ("amounts_total", "characters", "fast", "up") not in samples


def test_a_refusal_has_its_code_and_not_the_clients_text(counted):
    refused = CALL._replace(
        provider=None, model="no such model", status=404, error_code="model_not_found"
    )
    add(counted, refused)
    samples = read(counted.text())
    assert samples["refusals_total", "model_not_found"] == 1
    assert samples["requests_total", "", "", "404", "chat.completions"] == 1
    assert b"no such model" not in counted.text()


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, "ok"),
        (400, "client_error"),
        (429, "client_error"),
        (499, "client_closed"),
        (500, "server_error"),
        (504, "server_error"),
    ],
)
def test_the_time_of_an_error_is_not_that_of_an_answer(counted, status, outcome):
    counted.models.keep({"fast"})
    add(counted, CALL._replace(status=status))
    samples = read(counted.text())
    counts = {name: samples[name] for name in samples if name[0] == "request_seconds_count"}
    assert counts == {("request_seconds_count", *sorted(("fast", outcome, "up"))): 1}
    assert samples["overhead_seconds_count", *sorted(("fast", outcome, "up"))] == 1


def test_money_that_nobody_was_charged_is_counted_from_nothing(counted):
    """Prometheus sees no increase in what is there all at once."""
    add(counted, changed(CALL, uncharged=Decimal(0)))
    assert read(counted.text())["uncharged_dollars_total", "fast", "up"] == 0


class TestCache:
    HIT = CALL._replace(provider=None, cache_hit=True, overhead=None)

    def test_hits_and_misses_have_their_model(self, counted):
        add(counted, self.HIT)
        assert read(counted.text())["cache_misses_total", "fast"] == 0  # there, for a ratio
        add(counted, CALL, missed=True)
        add(counted, CALL, missed=True)
        add(counted, CALL)
        samples = read(counted.text())
        assert samples["cache_hits_total", "fast"] == 1
        assert samples["cache_misses_total", "fast"] == 2
        assert samples["requests_total", "", "200", "chat.completions", "fast"] == 1
        assert not [name for name in samples if name[0] == "refusals_total"]

    def test_a_call_that_is_refused_behind_a_miss_is_both(self, counted):
        counted.models.keep({"fast"})
        refused = CALL._replace(provider=None, status=429, error_code="rate_limit_exceeded")
        add(counted, refused, missed=True)
        samples = read(counted.text())
        assert samples["cache_misses_total", "fast"] == 1
        assert samples["refusals_total", "rate_limit_exceeded"] == 1
        assert samples["requests_total", "", "", "429", "chat.completions"] == 1


class TestNames:
    def test_those_beyond_a_number_share_one(self, counted, monkeypatch):
        monkeypatch.setattr(metric_labels, "MOST_NAMES", 3)
        for number in range(10):
            add(counted, CALL._replace(model=f"m{number}"))
        add(counted, CALL._replace(model="m0"))
        samples = read(counted.text())
        assert samples["requests_total", "200", "chat.completions", "m0", "up"] == 2
        assert samples["requests_total", "200", "chat.completions", "other", "up"] == 7

    def test_clients_cannot_take_those_of_listed_models(self, counted, monkeypatch):
        monkeypatch.setattr(metric_labels, "MOST_NAMES", 3)
        counted.models.keep({"fast"})
        for number in range(10):
            add(counted, CALL._replace(model=f"junk{number}"))
        add(counted, CALL)
        samples = read(counted.text())
        assert samples["requests_total", "200", "chat.completions", "fast", "up"] == 1

    @pytest.mark.parametrize("status", [400, 404, 502])
    def test_one_that_nobody_has_served_gets_none(self, counted, status):
        add(counted, CALL._replace(model="junk", status=status))
        assert b"junk" not in counted.text()
        add(counted, CALL._replace(model="junk"))
        assert b"junk" in counted.text()


class TestAttempts:
    @staticmethod
    def tried(model="m", *, answered=False, status=None, code=None):
        return AttemptRecord(
            "up", "openai", model, answered=answered, status=status, error_code=code
        )

    @pytest.mark.parametrize(
        ("attempt", "outcome"),
        [
            ({"answered": True}, "ok"),
            ({"status": 504, "code": "timeout"}, "timeout"),
            ({"status": 502, "code": "provider_fault", "answered": True}, "provider_fault"),
            ({"status": 429, "code": "whatever the vendor says"}, "rate_limited"),
            ({"status": 400, "code": "whatever the vendor says"}, "refused"),
            ({"status": 503}, "server_error"),
            ({}, "outrun"),
        ],
    )
    def test_have_their_outcome(self, counted, attempt, outcome):
        counted.targets.keep({"m"})
        add(counted, CALL, self.tried(**attempt))
        samples = read(counted.text())
        found = {name: samples[name] for name in samples if name[0] == "attempts_total"}
        assert found == {("attempts_total", *sorted(("m", outcome, "up"))): 1}

    @pytest.mark.parametrize(("status", "code"), [(499, "client_closed"), (503, "stopped")])
    def test_of_a_call_that_was_cut_off(self, counted, status, code):
        add(counted, CALL._replace(status=status, error_code=code), self.tried())
        name = ("attempts_total", *sorted((code, "other", "up")))
        assert read(counted.text())[name] == 1

    def test_all_of_a_call_are_counted(self, counted):
        failed = self.tried("a", status=503)
        add(counted, CALL, failed, failed, self.tried("b", answered=True))
        samples = read(counted.text())
        assert samples["attempts_total", "other", "server_error", "up"] == 2
        assert samples["attempts_total", "b", "ok", "up"] == 1


def test_each_router_counts_for_itself():
    one, other = Metrics(), Metrics()
    add(one, CALL)
    name = ("requests_total", "200", "chat.completions", "fast", "up")
    assert name in read(one.text())
    assert name not in read(other.text())


class TestText:
    def test_is_made_on_a_thread_and_once_for_all_who_ask(self, counted, monkeypatch):
        threads = []
        text = counted.text

        def slow_text():
            threads.append(threading.get_ident())
            return text()

        monkeypatch.setattr(counted, "text", slow_text)

        async def main():
            return await asyncio.gather(*(counted.build_text() for _ in range(3)))

        for made in (1, 2):
            assert len(set(asyncio.run(main()))) == 1
            assert len(threads) == made
        assert threading.get_ident() not in threads

    def test_who_hangs_up_takes_it_from_nobody(self, counted):
        async def main():
            loop = asyncio.get_running_loop()
            one, other = (loop.create_task(counted.build_text(), name="ask") for _ in range(2))
            await asyncio.sleep(0)
            one.cancel()
            return await other

        add(counted, CALL)
        assert b"requests_total" in asyncio.run(main())

    def test_holds_no_times_of_creation(self, counted):
        add(counted, CALL)
        assert b"_created" not in counted.text()


WORKER = """
from tests.observability.test_metrics import CALL, add
from tornado_router.observability.metrics import Metrics

counted = Metrics()
add(counted, CALL)
print(counted.text().decode())
"""


def count_as_worker(folder, *numbers):
    """The samples and files once workers, each by its number, have counted a call."""
    for number in numbers:
        env = {**os.environ, METRICS_VARIABLE: str(folder), NUMBER_VARIABLE: number}
        done = subprocess.run(
            [sys.executable, "-c", WORKER], env=env, capture_output=True, check=True
        )
    return read(done.stdout), sorted(path.name for path in folder.iterdir())


def test_workers_count_together(tmp_path):
    samples, files = count_as_worker(tmp_path, "0", "1")
    assert samples["requests_total", "200", "chat.completions", "fast", "up"] == 2
    assert files == ["counter_0.db", "counter_1.db", "histogram_0.db", "histogram_1.db"]


def test_one_that_follows_another_counts_on_in_its_file(tmp_path):
    samples, files = count_as_worker(tmp_path, "0", "0", "0")
    assert samples["requests_total", "200", "chat.completions", "fast", "up"] == 3
    assert samples["request_seconds_sum", "fast", "ok", "up"] == 6
    assert files == ["counter_0.db", "histogram_0.db"]
