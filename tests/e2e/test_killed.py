"""`kill -9` of the router: what a client has an answer of is in the books, once, and no more."""

import signal
import sqlite3
import threading

import openai
import pytest

from ..support import VENDOR_KEY, poll
from ..upstream import USAGE

HELLO = [{"role": "user", "content": "hello out there"}]
EMAIL = "ada@example.com"
COST = USAGE["prompt_tokens"] * 1000 + USAGE["completion_tokens"] * 2000
GIVEN = 10**9
"""One dollar of credits, in billionths."""

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
[auth]
bcrypt_rounds = 4
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
[plans.free]
credits = 1
[prices."up/*"]
input = 1.0
output = 2.0
"""


class Deployment:
    """A router that is killed and started again, and one user with credits."""

    def __init__(self, project):
        self.project = project
        self.run("users", "create", "--email", EMAIL, "--plan", "free", "--password-stdin")
        self.key = self.run("keys", "create", "--name", "test", "--user", EMAIL)
        self.router = project.serve()

    def run(self, *arguments):
        done = self.project.cli(*arguments, input="correct horse battery\n")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def client(self):
        return openai.OpenAI(base_url=self.router.url, api_key=self.key, max_retries=0)

    def kill(self):
        self.router.send(signal.SIGKILL)
        self.router.wait()

    def restart(self):
        self.router = self.project.serve()

    def rows(self):
        return {row["request_id"]: row for row in self.router.usage_rows()}

    def agree(self):
        """Rows and credits agree to the last digit."""
        query = "SELECT credits, spent FROM users WHERE email = ?"
        ((left, spent),) = self.project.place.ask(query, EMAIL)
        assert spent == sum(row["cost"] for row in self.router.usage_rows())
        assert left == GIVEN - spent


@pytest.fixture
def deployment(router_project, upstream):
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
    return Deployment(router_project({"router.toml": text}))


def test_every_answer_that_was_given_is_recorded_once(deployment):
    answered = []

    def ask(number):
        with deployment.client() as client:
            while True:
                request_id = f"mine-{number}-{len(answered)}"
                try:
                    if number % 2:
                        whole = client.chat.completions.create(
                            model="up/ok",
                            messages=HELLO,
                            extra_headers={"x-request-id": request_id},
                        )
                        chunks = [whole]
                    else:
                        stream = client.chat.completions.create(
                            model="up/stream:3",
                            messages=HELLO,
                            stream=True,
                            extra_headers={"x-request-id": request_id},
                        )
                        chunks = list(stream)
                except Exception:  # noqa: BLE001 - whatever the SDK makes of a router that died
                    return
                assert chunks[-1].choices[0].finish_reason == "stop"
                answered.append(request_id)

    for round_ in range(3):
        before = len(answered)
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        poll(lambda enough=before + 40 * (round_ + 1): len(answered) >= enough)
        deployment.kill()
        for thread in threads:
            thread.join()
        deployment.restart()
    rows = [row["request_id"] for row in deployment.router.usage_rows()]
    assert len(rows) == len(set(rows))
    assert set(answered) <= {
        request_id for request_id, row in deployment.rows().items() if row["status"] == 200
    }
    deployment.agree()


def test_a_stream_that_was_cut_off_is_charged_for_what_came(deployment, upstream):
    with deployment.client() as client:
        stream = client.chat.completions.create(
            model="up/stream:100000",
            messages=HELLO,
            stream=True,
            extra_headers={"x-request-id": "mine"},
        )
        text = ""
        with pytest.raises(Exception):  # noqa: B017, PT011, PT012 - whatever the SDK makes of it
            for chunk in stream:
                text += chunk.choices[0].delta.content or ""
                if len(text) > 2000 and deployment.router.running:
                    deployment.kill()
    deployment.restart()
    row = deployment.rows()["mine"]
    assert (row["status"], row["error_code"], row["usage_estimated"]) == (500, "interrupted", 1)
    assert row["provider"] == "up"
    assert 0 < row["cost"] == row["prompt_tokens"] * 1000 + row["completion_tokens"] * 2000
    deployment.agree()


def test_a_call_that_nobody_has_an_answer_of_costs_nothing(deployment, upstream):
    with deployment.router.asking(
        {"model": "up/gated", "messages": HELLO},
        authorization=f"Bearer {deployment.key}",
        x_request_id="mine",
    ):
        poll(upstream.exchanges)
        deployment.kill()
    deployment.restart()
    row = deployment.rows()["mine"]
    assert (row["status"], row["error_code"], row["cost"]) == (500, "interrupted", 0)
    deployment.agree()
    # what was reserved for it is free again
    with deployment.client() as client:
        client.chat.completions.create(model="up/ok", messages=HELLO, max_tokens=490_000)


def lock(connection):
    """Lets nobody else write, until the connection is closed."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("BEGIN IMMEDIATE")
    else:
        connection.execute("BEGIN; LOCK TABLE usage_logs")


def test_a_database_that_is_locked_for_a_while_holds_nobody_up(deployment):
    with deployment.client() as client:
        client.chat.completions.create(model="up/ok", messages=HELLO)
        with deployment.project.place.connect() as somebody:
            lock(somebody)
            for _ in range(20):
                client.chat.completions.create(model="up/ok", messages=HELLO)
            deployment.kill()
            somebody.rollback()
    deployment.restart()
    assert [row["cost"] for row in deployment.router.usage_rows()] == [COST] * 21
    deployment.agree()


def test_the_operator_is_told(deployment):
    with deployment.client() as client:
        client.chat.completions.create(model="up/ok", messages=HELLO)
        with deployment.project.place.connect() as somebody:
            lock(somebody)
            client.chat.completions.create(model="up/ok", messages=HELLO)
            deployment.kill()
    deployment.restart()
    (line,) = [item for item in deployment.router.log() if "from the journal" in item["message"]]
    assert line["level"] == "warning"
    assert line["message"].startswith("recovered from the journal: ")
