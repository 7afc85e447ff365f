"""Limits, credits and permissions as the official SDK meets them."""

import json
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from ..support import VENDOR_KEY, poll
from ..upstream import USAGE

HELLO = [{"role": "user", "content": "hello out there"}]
EMAIL = "ada@example.com"
COST = USAGE["prompt_tokens"] * 1000 + USAGE["completion_tokens"] * 2000
"""Of a call of `up/ok`, in billionths of a US dollar."""

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
bcrypt_rounds = 4
[providers.echo]
type = "echo"
models = ["echo"]
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
[plans.free]
credits = 0
[plans.slow]
rpm = 0
[plans.some]
models = ["up/ok"]
[prices."up/*"]
input = 1.0
output = 2.0
[prices."echo/echo"]
input = 0.0
output = 1.0
"""


class Deployment:
    """A serving router, and one user with credits."""

    def __init__(self, project, *, plan="free", credits=None):
        self.project = project
        self.run("users", "create", "--email", EMAIL, "--plan", plan, "--password-stdin")
        if credits:
            self.run("credits", "add", EMAIL, credits, "--reason", "a test")
        self.router = project.serve()

    def run(self, *arguments):
        done = self.project.cli(*arguments, input="correct horse battery\n")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def key(self, *options):
        return self.run("keys", "create", "--name", "test", "--user", EMAIL, *options)

    def client(self, *options, retries=0):
        return openai.OpenAI(
            base_url=self.router.url, api_key=self.key(*options), max_retries=retries
        )

    def ask(self, query):
        return self.project.place.ask(query)[0]


@pytest.fixture
def deploy(router_project, upstream):
    def build(**options):
        text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
        return Deployment(router_project({"router.toml": text}), **options)

    return build


def first_refusal(most, call):
    """The error of the first call that is refused, which has to be one of so many."""
    for _ in range(most):
        try:
            call()
        except openai.RateLimitError as error:
            return error
    raise AssertionError(f"none of {most} calls was refused")


@pytest.mark.sqlite_suffices
def test_the_sdks_own_retry_succeeds_by_honouring_the_headers(deploy):
    with deploy(plan="unlimited").client("--rpm", "60", retries=2) as client:
        for _ in range(60):
            client.chat.completions.create(model="echo", messages=HELLO)
        refused = client.with_options(max_retries=0).chat.completions.with_raw_response
        error = first_refusal(5, lambda: refused.create(model="echo", messages=HELLO))
        assert (error.status_code, error.code, error.type) == (
            429,
            "rate_limit_exceeded",
            "requests",
        )
        headers = error.response.headers
        assert headers["retry-after"] == "1"
        assert 0 < int(headers["retry-after-ms"]) <= 1000
        assert headers["x-ratelimit-limit-requests"] == "60"
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert client.chat.completions.create(model="echo", messages=HELLO).choices


@pytest.mark.sqlite_suffices
def test_headers_count_down_on_every_answer(deploy):
    with deploy(plan="unlimited").client("--rpm", "100", "--tpm", "100000") as client:
        create = client.chat.completions.with_raw_response.create
        first = create(model="echo", messages=HELLO, max_tokens=5).headers
        assert first["x-ratelimit-limit-requests"] == "100"
        assert first["x-ratelimit-remaining-requests"] == "99"
        assert first["x-ratelimit-limit-tokens"] == "100000"
        assert int(first["x-ratelimit-remaining-tokens"]) < 100_000
        assert first["x-ratelimit-reset-requests"].endswith("ms")
        streamed = create(model="echo", messages=HELLO, stream=True).headers
        assert streamed["x-ratelimit-remaining-requests"] in ("98", "99")
        with pytest.raises(openai.APIStatusError) as caught:
            create(model="up/status:500", messages=HELLO)
        assert "x-ratelimit-remaining-requests" in caught.value.response.headers


def test_no_credits_is_refused_once_and_not_tried_again(deploy, upstream):
    deployment = deploy()
    with deployment.client(retries=3) as client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="up/ok", messages=HELLO)
    assert (caught.value.code, caught.value.type) == ("insufficient_quota", "insufficient_quota")
    poll(deployment.router.usage_rows)
    assert len(deployment.router.usage_rows()) == 1
    assert upstream.exchanges() == []


def test_credits_are_spent_to_the_last_digit(deploy):
    deployment = deploy(credits="1")
    with deployment.client() as client:
        for _ in range(7):
            client.chat.completions.create(model="up/ok", messages=HELLO, max_tokens=50)
    poll(lambda: len(deployment.router.usage_rows()) == 7)
    left, spent = deployment.ask(f"SELECT credits, spent FROM users WHERE email = '{EMAIL}'")
    assert spent == 7 * COST
    assert left == 10**9 - 7 * COST
    row = deployment.router.usage_rows()[0]
    assert row["cost"] == COST
    assert json.loads(row["prices"]) == {"input": "1", "output": "2"} | json.loads(row["prices"])


def test_a_stream_that_outlasts_the_credits_ends_with_length(deploy):
    deployment = deploy(credits="0.00002")  # twenty tokens of echo
    with deployment.client() as client:
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="echo", messages=HELLO, max_tokens=21)
        assert client.chat.completions.create(model="echo", messages=HELLO, max_tokens=20)


def test_a_top_up_counts_at_once(deploy):
    deployment = deploy()
    with deployment.client() as client:
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model="up/ok", messages=HELLO)
        deployment.run("credits", "add", EMAIL, "1", "--reason", "now")

        def served():
            try:
                return client.chat.completions.create(model="up/ok", messages=HELLO)
            except openai.RateLimitError:
                return None

        poll(served, seconds=5)


@pytest.mark.sqlite_suffices
def test_a_limit_of_zero_lets_nothing_pass(deploy):
    with deploy(plan="slow").client() as client, pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="echo", messages=HELLO)
    assert "for your account" in caught.value.message


@pytest.mark.sqlite_suffices
def test_models_that_the_plan_or_the_key_do_not_permit(deploy):
    deployment = deploy(plan="some")
    with deployment.client() as client:
        assert client.chat.completions.create(model="up/ok", messages=HELLO)
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(model="echo", messages=HELLO)
        assert caught.value.param == "model"
        assert [model.id for model in client.models.list()] == []
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("echo")
    with (
        deployment.client("--model", "echo") as client,
        pytest.raises(openai.PermissionDeniedError),
    ):
        client.chat.completions.create(model="up/ok", messages=HELLO)


@pytest.mark.sqlite_suffices
def test_endpoints_that_the_key_does_not_permit(deploy):
    client = deploy(plan="unlimited").client("--endpoint", "embeddings")
    with client, pytest.raises(openai.PermissionDeniedError) as caught:
        client.chat.completions.create(model="echo", messages=HELLO)
    assert caught.value.code == "endpoint_not_permitted"


def test_a_budget_holds_beside_credits(deploy):
    deployment = deploy(credits="1")
    with deployment.client("--budget", "0.0001", "--budget-period", "total") as client:
        create = client.chat.completions.create
        refusal = first_refusal(100, lambda: create(model="up/ok", messages=HELLO, max_tokens=20))
        assert "budget" in refusal.message
    poll(lambda: 429 in [row["status"] for row in deployment.router.usage_rows()])
    assert 0 < deployment.ask("SELECT SUM(cost) FROM usage_logs")[0] <= 100_000


@pytest.mark.sqlite_suffices
def test_a_second_router_without_redis_is_refused(deploy):
    deployment = deploy(plan="unlimited")
    second = deployment.project.cli("serve")
    assert second.returncode == 1
    assert "configure [redis]" in second.stderr


def test_calls_without_a_bound_come_to_no_more_than_there_is(deploy):
    router = deploy(credits="0.0016")
    client = router.client()
    long = [{"role": "user", "content": "word " * 5000}]  # 5,000 tokens back, of 1,600 paid for

    def ask(_):
        try:
            response = client.chat.completions.with_raw_response.create(model="echo", messages=long)
        except openai.RateLimitError as error:
            return error.code
        choice = response.parse().choices[0]
        bound = response.headers["x-router-adapted-params"].removeprefix("max_completion_tokens=")
        assert choice.finish_reason == "length"
        return int(bound) == len(choice.message.content.split())

    with ThreadPoolExecutor(20) as threads:
        outcomes = list(threads.map(ask, range(100)))
    assert set(outcomes) == {True, "insufficient_quota"}
    poll(lambda: router.ask("SELECT count(*) FROM usage_logs")[0] == 100)
    cost, uncharged = router.ask("SELECT sum(cost), sum(uncharged) FROM usage_logs")
    (left,) = router.ask("SELECT credits FROM users WHERE email = 'ada@example.com'")
    assert uncharged == 0
    assert cost + left == 1_600_000
