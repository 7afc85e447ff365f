"""A fleet of routers over one database, and the table that is printed at the end."""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.servers import redis_server
from tests.support import Process, Project, poll

Project.cold = True  # routers as an operator has them

UPSTREAM = Path(__file__).parent / "upstream.py"
EMAIL, PASSWORD = "ada@example.com", "correct horse 7 battery"
BILLION = 10**9
TOKEN_COST = 10_000
"""Billionths of a US dollar for a token of an answer; prompts are free."""

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
bcrypt_rounds = 4
jwt_secret = "the secret of a proof, long enough for one"
registration = "open"
attempts_per_address = 100000
attempts_per_account = 100000
revoked_streams = "{revoked_streams}"
[redis]
host = "{redis_host}"
port = {redis_port}
timeout = 1.0
[limits]
lease_seconds = {lease_seconds}
[providers.vendor]
type = "openai"
base_url = "{upstream}/v1"
api_key = "sk-vendor"
max_connections = 2000
[plans.free]
credits = 0
[prices."vendor/*"]
input = 0
output = 10.0
"""
ROWS: list[tuple] = []


def pytest_terminal_summary(terminalreporter):
    """Prints what was counted."""
    if not ROWS:
        return
    head = ("what", "routers", "calls", "admitted", "expected", "least credits", "books")
    lines = [head, tuple("---" for _ in head), *ROWS]
    terminalreporter.write_line("")
    for line in lines:
        terminalreporter.write_line("| " + " | ".join(str(cell) for cell in line) + " |")


class Fleet:
    """Some routers over one database and, if there are several, one Redis.

    Args:
        project: their folder.
        count: how many they are.
        upstream: the URL of the vendor.
        redis: the Redis that they share, if the proof is to break it.
        env: of the routers.
    """

    def __init__(self, project, count, upstream, redis=None, env=()):
        self.redis = redis
        self.project = project
        self.upstream = upstream
        self.cli("users", "create", "--email", EMAIL, "--password-stdin", input=f"{PASSWORD}\n")
        self.routers = [project.serve(**dict(env)) for _ in range(count)]
        self.urls = [router.origin for router in self.routers]
        self.least = BILLION

    def cli(self, *arguments, **keywords):
        done = self.project.cli(*arguments, **keywords)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def add_credits(self, billionths):
        amount = f"{billionths // BILLION}.{billionths % BILLION:09d}"
        self.cli("credits", "add", EMAIL, amount, "--reason", "a proof")

    def key(self, *options):
        return self.cli("keys", "create", "--name", "proof", "--user", EMAIL, *options)

    def ask(self, query):
        return self.project.place.ask(query)[0]

    def credits(self):
        """What is left, in billionths of a US dollar, as the table has it."""
        (left,) = self.ask(f"SELECT credits FROM users WHERE email = '{EMAIL}'")
        self.least = min(self.least, left)
        return left

    def wait_for_rows(self, calls):
        """Waits until there is a row for each call; there must not be more."""
        poll(lambda: self.ask("SELECT COUNT(*) FROM usage_logs")[0] >= calls, seconds=60)
        assert self.ask("SELECT COUNT(*) FROM usage_logs")[0] == calls

    def check_books(self, calls):
        """Waits for every row; rows, days, entries and credits must agree to the last digit."""
        self.wait_for_rows(calls)
        (rows,) = self.ask("SELECT SUM(cost) FROM usage_logs WHERE from_credits")
        (days,) = self.ask("SELECT SUM(cost) FROM usage_days")
        left, spent = self.ask(f"SELECT credits, spent FROM users WHERE email = '{EMAIL}'")
        (given,) = self.ask("SELECT SUM(amount) FROM credit_entries")
        assert rows == days == spent
        assert left == given - spent
        assert self.least >= 0
        return "agree"

    def run(self, work):
        """Runs a coroutine function with a client, while the balance is watched."""

        async def main():
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector) as session:
                watch = asyncio.get_running_loop().create_task(self._watch())
                try:
                    return await work(session)
                finally:
                    watch.cancel()

        return asyncio.run(main())

    async def _watch(self):
        while True:
            self.credits()
            await asyncio.sleep(0.05)

    async def call(self, session, key, number=0, *, read=None, **body):
        """One call, at the router whose turn it is: status, error and headers."""
        body = {
            "model": "vendor/any",
            "messages": [{"role": "user", "content": f"tokens: {20 + number % 40}"}],
            **body,
        }
        url = self.urls[number % len(self.urls)] + "/v1/chat/completions"
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        data = json.dumps(body)
        async with session.post(url, data=data, headers=headers) as answer:
            if read and answer.status == 200:
                return answer.status, await read(answer), answer.headers
            return answer.status, await answer.read(), answer.headers


@pytest.fixture(scope="session")
def vendor(tmp_path_factory):
    process = Process([sys.executable, UPSTREAM], tmp_path_factory.mktemp("vendor"), "upstream")
    port = process.printed(r"^(\d+)\n")[1]
    yield f"http://127.0.0.1:{port}"
    process.kill()


@pytest.fixture
def deploy(tmp_path, vendor):
    """Builds a fleet of so many routers: with one Redis, or if it is one, without."""

    def start(folder, host="", port=6379, lease_seconds=30, revoked_streams="finish"):
        text = ROUTER_TOML.format(
            redis_host=host,
            redis_port=port,
            lease_seconds=lease_seconds,
            upstream=vendor,
            revoked_streams=revoked_streams,
        )
        return Project(folder, {"router.toml": text})

    @contextmanager
    def run(project, *arguments, **keywords):
        try:
            yield Fleet(project, *arguments, **keywords)
        finally:
            project.close()

    @contextmanager
    def deploy(count, *, redis=None, env=(), **options):
        folder = tmp_path / f"fleet{count}"
        folder.mkdir()
        if redis is not None:
            project = start(folder, "127.0.0.1", redis.port, **options)
            with run(project, count, vendor, redis, env) as fleet:
                yield fleet
        elif count == 1:
            with run(start(folder, **options), 1, vendor) as fleet:
                yield fleet
        else:
            with redis_server(folder) as (_, port):
                project = start(folder, "127.0.0.1", port, **options)
                with run(project, count, vendor) as fleet:
                    yield fleet

    return deploy


def tally(answers):
    """How many answers had which status; what is neither served nor refused is a failure."""
    counted = Counter(status for status, *_ in answers)
    assert set(counted) <= {200, 429}, counted
    return counted


def note(*cells):
    """Adds a line to the table."""
    ROWS.append(cells)


def now():
    return time.monotonic()
