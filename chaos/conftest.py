"""A router under load, what came of each call, and the table that is printed at the end."""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.support import Process, Project, poll

from .upstream import TEXT

Project.cold = True  # routers as an operator has them

UPSTREAM = Path(__file__).parent / "upstream.py"
EMAIL, PASSWORD = "ada@example.com", "correct horse 7 battery"
BILLION = 10**9
GIVEN = 1_000_000
"""US dollars of credits: more than any test spends."""

TOKEN_COST = 10_000
"""Billionths of a US dollar for a token of an answer; prompts are free."""

MAX_TOKENS = 20

HEAD = ("fault", "calls", "succeeded", "wrong", "lost", "doubled", "told", "books")
ROWS: list[tuple] = []
MEMORY_HEAD = ("crowd", "many", "MB over idle", "slowest /health, ms", "responses")
MEMORY_ROWS: list[tuple] = []

ROUTER_TOML = """
[server]
port = 0
{server}
[log]
format = "json"
[auth]
bcrypt_rounds = 4
jwt_secret = "the secret of a test, long enough for one"
[metrics]
public = true
{more}
[providers.bad]
type = "openai"
base_url = "{bad}/v1"
api_key = "sk-bad"
connect_timeout = 1
first_byte_timeout = 1
between_bytes_timeout = 1
[providers.good]
type = "openai"
base_url = "{good}/v1"
api_key = "sk-good"
[routes.two]
targets = ["bad/m", "good/m"]
[plans.free]
credits = {given}
[prices."*"]
input = 0
output = 10.0
"""


def pytest_terminal_summary(terminalreporter):
    """Prints what was counted."""
    for head, rows in ((HEAD, ROWS), (MEMORY_HEAD, MEMORY_ROWS)):
        if not rows:
            continue
        terminalreporter.write_line("")
        for line in (head, tuple("---" for _ in head), *rows):
            terminalreporter.write_line("| " + " | ".join(map(str, line)) + " |")


class Outcome:
    """What clients saw of their calls.

    Attributes:
        answered: ids of those that were answered, and right.
        wrong: ids of those whose answer was broken, though nothing said so.
        told: ids of those that failed and were told so, by an error object or event.
        unanswered: ids of those that lost their connection before an answer came.
    """

    def __init__(self):
        self.answered, self.wrong, self.told, self.unanswered = [], [], [], []

    @property
    def calls(self):
        return sum(map(len, (self.answered, self.wrong, self.told, self.unanswered)))


class World:
    """A router over a vendor that is faulty and one that is well, and a user who pays."""

    def __init__(self, project):
        self.project = project
        self.cli("users", "create", "--email", EMAIL, "--plan", "free", "--password-stdin")
        self.key = self.cli("keys", "create", "--name", "chaos", "--user", EMAIL)
        self.router = project.serve()
        self.numbers = iter(range(10**9))

    def cli(self, *arguments):
        done = self.project.cli(*arguments, input=f"{PASSWORD}\n")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ask(self, query):
        return self.project.place.ask(query)

    def load(self, outcome, *, calls=10**9, seconds=3600.0, clients=8, model="two", during=None):
        """Calls, whole and streamed in turn, until so many were made or so long has gone by.

        Args:
            outcome: told of each.
            during: a coroutine function that breaks something meanwhile.
        """
        asyncio.run(self._load(outcome, calls, seconds, clients, model, during))

    async def _load(self, outcome, calls, seconds, clients, model, during):
        end = time.monotonic() + seconds
        left = iter(range(calls))
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

            async def client():
                for _ in left:
                    if time.monotonic() >= end or not self.router.running:
                        return
                    await self._call(session, outcome, model)

            work = [client() for _ in range(clients)]
            if during:
                work.append(during())
            await asyncio.gather(*work)

    async def _call(self, session, outcome, model, **fields):
        number = next(self.numbers)
        request_id = f"call-{number}"
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "How are you?"}],
            "max_tokens": MAX_TOKENS,
            "stream": bool(number % 2),
            **fields,
        }
        headers = {"Authorization": f"Bearer {self.key}", "X-Request-Id": request_id}
        url = f"{self.router.url}/chat/completions"
        try:
            async with session.post(url, json=body, headers=headers) as answer:
                data = await answer.read()
        except aiohttp.ClientConnectorError:
            return  # nobody was there: it never was a call
        except (aiohttp.ClientError, ConnectionError):
            outcome.unanswered.append(request_id)
            return
        if answer.status != 200 or b"event: error" in data:
            outcome.told.append(request_id)
        elif _is_right(data, stream=body["stream"]):
            outcome.answered.append(request_id)
        else:
            outcome.wrong.append(request_id)

    def check(self, fault, outcome):
        """Every answer is in the books once, and the books agree; adds a line to the table."""
        poll(lambda: self._recorded() >= set(outcome.answered), seconds=60)
        rows = Counter(
            request_id for (request_id,) in self.ask("SELECT request_id FROM usage_logs")
        )
        lost = set(outcome.answered) - self._recorded()
        doubled = [request_id for request_id, count in rows.items() if count > 1]
        ((spent, left),) = self.ask(f"SELECT spent, credits FROM users WHERE email = '{EMAIL}'")
        poll(lambda: self._charged() == self._spent(), seconds=60)
        ((spent, left),) = self.ask(f"SELECT spent, credits FROM users WHERE email = '{EMAIL}'")
        ROWS.append(
            (
                fault,
                outcome.calls,
                len(outcome.answered),
                len(outcome.wrong),
                len(lost),
                len(doubled),
                len(outcome.told),
                "agree",
            )
        )
        assert outcome.wrong == []
        assert lost == set()
        assert doubled == []
        assert left == GIVEN * BILLION - spent

    def _recorded(self):
        return {x for (x,) in self.ask("SELECT request_id FROM usage_logs WHERE status = 200")}

    def _charged(self):
        return self.ask("SELECT COALESCE(SUM(cost), 0) FROM usage_logs WHERE from_credits")[0][0]

    def _spent(self):
        return self.ask(f"SELECT spent FROM users WHERE email = '{EMAIL}'")[0][0]


def _is_right(data, *, stream):
    """Whether an answer is all of what the vendor that is well says."""
    if not stream:
        return json.loads(data)["choices"][0]["message"]["content"] == TEXT
    events = [line[6:] for line in data.split(b"\n") if line.startswith(b"data: ")]
    if events[-1:] != [b"[DONE]"]:
        return False
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events[:-1]]
    return "".join(delta.get("content", "") for delta in deltas).strip() == TEXT


@contextmanager
def serving_vendor(folder, *before):
    """Where a vendor serves meanwhile; `before` is a command that runs it, such as nice."""
    process = Process([*before, sys.executable, UPSTREAM], folder, "upstream")
    port = process.printed(r"^(\d+)\n")[1]
    yield f"http://127.0.0.1:{port}"
    process.kill()


@pytest.fixture(scope="session")
def vendor(tmp_path_factory):
    with serving_vendor(tmp_path_factory.mktemp("vendor")) as url:
        yield url


@pytest.fixture
def deploy(tmp_path, vendor):
    """Makes a world whose first vendor has a fault."""
    worlds = []

    def deploy(fault="well", more="", bad=None, url="", server=""):
        text = ROUTER_TOML.format(
            bad=bad or f"{vendor}/{fault}",
            good=f"{vendor}/well",
            more=more,
            given=GIVEN,
            server=server,
        )
        worlds.append(World(Project(tmp_path, {"router.toml": text}, url)))
        return worlds[-1]

    yield deploy
    for world in worlds:
        for router in world.project.routers:
            if router.running:
                router.stop()
