"""Several routers over one Redis: they share limits and changes, and live without it a while."""

import asyncio
import re
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import trustme

from ..servers import own_redis, tls_proxy
from ..support import DEADLINE, poll

EMAIL = "ada@example.com"
HELLO = {"model": "echo", "messages": [{"role": "user", "content": "hello out there"}]}
ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
bcrypt_rounds = 4
jwt_secret = "the secret of a test, long enough for one"
key_cache_seconds = 0.5
[redis]
host = "127.0.0.1"
port = {port}
[limits]
rates_without_redis = "{rates}"
money_without_redis = "{money}"
processes = 2
[plans.free]
credits = 1
[providers.echo]
type = "echo"
models = ["echo"]
[prices.echo]
input = 0
output = 1
"""


@contextmanager
def tls_in_front_of(redis, certificate):
    """The port of a proxy that speaks TLS, on a thread of its own."""
    loop = asyncio.new_event_loop()
    with ThreadPoolExecutor(1) as thread:
        ready: Future[int] = Future()
        ended = asyncio.Event()

        async def run():
            async with tls_proxy(redis.port, certificate) as port:
                ready.set_result(port)
                await ended.wait()

        running = thread.submit(loop.run_until_complete, run())
        try:
            yield ready.result(DEADLINE)
        finally:
            loop.call_soon_threadsafe(ended.set)
            running.result(DEADLINE)
            loop.close()


class Routers:
    """Two routers over one Redis and one database."""

    def __init__(self, build, redis, **policies):
        policies = {"rates": "local-share", "money": "refuse"} | policies
        self.project = build({"router.toml": ROUTER_TOML.format(port=redis.port, **policies)})
        self.cli("users", "create", "--email", EMAIL, "--password-stdin")
        self.cli(
            "users", "create", "--email", "un@limited", "--plan", "unlimited", "--password-stdin"
        )
        self.one, self.two = self.project.serve(), self.project.serve()

    def cli(self, *arguments):
        done = self.project.cli(*arguments, input="correct horse 7 battery\n")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def key(self, *options, user="un@limited"):
        return self.cli("keys", "create", "--name", "test", "--user", user, *options)

    def ask(self, router, key):
        return router.post(HELLO, authorization=f"Bearer {key}")

    def statuses(self, key, count):
        """Of so many calls, by both in turn."""
        return [self.ask((self.one, self.two)[n % 2], key).status for n in range(count)]


@pytest.fixture
def redis(tmp_path):
    with own_redis(tmp_path) as redis:
        yield redis


@pytest.mark.sqlite_suffices
def test_a_limit_is_one_for_both(router_project, redis):
    routers = Routers(router_project, redis)
    key = routers.key("--rpm", "10")
    statuses = routers.statuses(key, 14)
    assert statuses[:10] == [200] * 10
    assert statuses.count(429) >= 3


def test_credits_are_one_for_both(router_project, redis):
    routers = Routers(router_project, redis)
    key = routers.key(user=EMAIL)
    assert set(routers.statuses(key, 6)) == {200}
    poll(lambda: len(routers.one.usage_rows()) == 6)
    assert all(row["from_credits"] and row["cost"] > 0 for row in routers.one.usage_rows())


def test_what_a_key_has_spent_is_known_to_a_router_that_did_not_serve_it(router_project, redis):
    routers = Routers(router_project, redis)
    key = routers.key("--budget", "1")
    assert routers.ask(routers.one, key).status == 200
    poll(routers.one.usage_rows)
    assert routers.statuses(key, 4) == [200] * 4  # the other one reads it in the database


def test_a_key_that_was_revoked_is_refused_by_all(router_project, redis):
    routers = Routers(router_project, redis)
    key = routers.key()
    assert routers.statuses(key, 2) == [200, 200]
    routers.cli("keys", "revoke", "1")
    poll(lambda: routers.statuses(key, 2) == [401, 401], seconds=5)


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_redis_is_away_and_comes_back(router_project, redis, how):
    routers = Routers(router_project, redis)
    limited, free, paying = routers.key("--rpm", "1000"), routers.key(), routers.key(user=EMAIL)
    for key in (limited, free, paying):
        assert routers.statuses(key, 2) == [200, 200]

    def check_meanwhile():
        refused = poll(
            lambda: (answer := routers.ask(routers.one, paying)).status == 503 and answer
        )
        assert refused.error["code"] == "limits_unavailable"
        assert refused.headers["Retry-After"] == "1"
        # Half of the limit, as there are two routers; and who is not limited is not asked.
        answer = routers.ask(routers.one, limited)
        assert answer.status == 200
        assert answer.headers["x-ratelimit-limit-requests"] == "500"
        assert routers.statuses(free, 4) == [200] * 4

    if how == "stopped":
        redis.stop()
        check_meanwhile()
        redis.start()
    else:
        with redis.frozen():
            check_meanwhile()
    poll(lambda: routers.statuses(paying, 2) == [200, 200])
    poll(lambda: routers.ask(routers.one, limited).headers["x-ratelimit-limit-requests"] == "1000")


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(("policy", "status"), [("refuse", 503), ("allow", 200)])
def test_policies(router_project, redis, policy, status):
    routers = Routers(router_project, redis, rates=policy, money=policy)
    limited, paying = routers.key("--rpm", "1"), routers.key(user=EMAIL)
    assert routers.ask(routers.one, limited).status == 200
    assert routers.ask(routers.one, limited).status == 429
    redis.stop()
    for key in (limited, paying):
        poll(lambda key=key: routers.ask(routers.one, key).status == status)
        assert routers.ask(routers.two, key).status == status


def test_a_revoked_key_is_refused_while_redis_is_away(router_project, redis):
    routers = Routers(router_project, redis)
    key = routers.key()
    assert routers.statuses(key, 2) == [200, 200]
    redis.stop()
    routers.cli("keys", "revoke", "1")
    poll(lambda: routers.statuses(key, 2) == [401, 401], seconds=10)


@pytest.mark.sqlite_suffices
def test_a_router_starts_while_redis_is_away(router_project, redis):
    redis.stop()
    routers = Routers(router_project, redis)
    free, paying = routers.key(), routers.key(user=EMAIL)
    assert routers.statuses(free, 2) == [200, 200]
    assert routers.statuses(paying, 2) == [503, 503]
    redis.start()
    poll(lambda: routers.statuses(paying, 2) == [200, 200])


@pytest.mark.sqlite_suffices
def test_a_target_that_one_router_found_to_fail_is_left_out_by_all(router_project, redis, upstream):
    text = ROUTER_TOML.format(port=redis.port, rates="refuse", money="refuse")
    text += f"""
[routing]
breaker_failures = 2
breaker_seconds = 60
[providers.up]
type = "openai"
base_url = "{upstream.url}/v1"
api_key = "sk-vendor"
[routes.shaky]
targets = ["up/status:500", "up/ok"]
"""
    project = router_project({"router.toml": text})
    one, two = project.serve(), project.serve()
    two.key = one.key
    ask = {**HELLO, "model": "shaky"}
    assert [one.post(ask).headers["x-router-attempts"] for _ in range(3)] == ["2", "2", "1"]
    poll(lambda: two.health()["targets"])
    assert two.post(ask).headers["x-router-attempts"] == "1"
    shown = project.cli("health", "--url", two.origin, "--key", two.key).stdout
    assert "\nredis: ok\n" in shown
    assert re.findall(r"^(\S+) +left out ", shown, re.M) == ["up/status:500"]


@pytest.mark.sqlite_suffices
def test_redis_behind_tls(router_project, tmp_path):
    authority = trustme.CA()
    with (
        own_redis(tmp_path) as redis,
        tls_in_front_of(redis, authority.issue_cert("127.0.0.1")) as port,
    ):
        text = ROUTER_TOML.format(port=port, rates="refuse", money="refuse")
        options = 'tls = true\ntls_ca = "ca.pem"\ntimeout = 5.0\n[limits]'
        text = text.replace("[limits]", options)
        project = router_project({"router.toml": text})
        authority.cert_pem.write_to_path(project.folder / "ca.pem")
        router = project.serve()
        made = project.cli("keys", "create", "--name", "one", "--rpm", "1")
        key = f"Bearer {made.stdout.strip()}"
        assert router.post(HELLO, authorization=key).status == 200
        assert router.post(HELLO, authorization=key).error["code"] == "rate_limit_exceeded"
        assert redis.ask("DBSIZE") > 0
