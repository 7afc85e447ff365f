"""Requests made up from `/openapi.json`, good and bad ones: never a 5xx, always as described.

And each operation succeeds now and then: requests that all fail alike would prove little.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..support import VENDOR_KEY, poll

PASSWORD = "correct horse 7 battery"
EXAMPLES = os.environ.get("TEST_FUZZ_EXAMPLES", "10")
SEED = os.environ.get("TEST_FUZZ_SEED", "20261124")
HOOKS = Path(__file__).parent / "fuzz_hooks.py"
ROUTER_TOML = """
[server]
port = 0
[auth]
bcrypt_rounds = 4
registration = "open"
default_plan = "free"
attempts_per_account = 1000000
attempts_per_address = 1000000
[metrics]
token = "metrics-token"
[request_log]
calls = "all"
[plans.free]
credits = 100000
rpm = 1000000
[providers.echo]
type = "echo"
models = ["echo"]
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
models = ["ok"]
[prices."echo/*"]
input = 0.01
output = 0.01
[prices."up/*"]
input = 0.01
output = 0.01
"""
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance", "negative_data_rejection"),
)
HEADERS = {"Content-Type": "application/json"}
MODELS = {
    "/v1/chat/completions": "echo",
    "/v1/completions": "echo",
    "/v1/embeddings": "ok",
    "/v1/moderations": "echo",
}
CALLS = {
    "/v1/chat/completions": {"model": "echo", "messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"model": "echo", "prompt": "x"},
    "/v1/embeddings": {"model": "ok", "input": "x"},
    "/v1/moderations": {"model": "echo", "input": "x"},
}

OPEN = {
    "POST /auth/register",
    "POST /auth/login",
    "GET /health",
    "GET /openapi.json",
    "GET /docs",
}
"""What succeeds without credentials."""

END_THE_LOG_IN = {"POST /auth/logout", "POST /auth/password", "DELETE /auth/profile"}
"""What may not succeed, or everything behind it would be a 401: the first is left out, the others
want a password that nobody tells."""


@pytest.fixture
def project(router_project, upstream):
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
    return router_project({"router.toml": text})


@pytest.fixture
def router(project):
    return project.serve()


@pytest.mark.sqlite_suffices
def test_as_anybody(project, router):
    Person(router, "ada@example.com")
    good, _ = fuzz(project, router, {}, {"bodies": BODIES})
    assert good == OPEN


@pytest.mark.sqlite_suffices
def test_as_a_user(project, router):
    ada = Person(router, "ada@example.com")
    ids = {"/api-keys/": [ada.make_key()["id"] for _ in range(8)]}
    good, every = fuzz(project, router, ada.secrets, ada.facts(ids))
    others = {it for it in every if "/admin/" in it} | {"GET /metrics"}
    assert every - good == others | END_THE_LOG_IN


def test_as_an_administrator(project, router):
    root = Person(router, "root@example.com")
    assert project.cli("users", "set", "root@example.com", "--admin").returncode == 0
    ids = {
        "/api-keys/": [root.make_key()["id"] for _ in range(8)],
        "/admin/users/": [Person(router, f"user{n}@example.com").id for n in range(8)],
        "/admin/invites/": [root.ask("POST", "/admin/invites", {})["id"] for _ in range(8)],
        "/admin/request-logs/": [
            it["id"] for it in poll(lambda: root.ask("GET", "/admin/request-logs")["data"])
        ],
    }
    secrets = {**root.secrets, "metricsToken": "metrics-token"}
    good, every = fuzz(project, router, secrets, root.facts(ids))
    assert every - good == END_THE_LOG_IN


BODIES = {
    "POST /auth/login": {"email": "ada@example.com", "password": PASSWORD},
    "POST /auth/register": {"email": "new{n}@example.com", "password": PASSWORD, "invite": None},
    "POST /api-keys": {"models": None, "endpoints": None, "expires_at": None, "budget": "1.5"},
    "PATCH /api-keys/{id}": {"models": None, "endpoints": None, "expires_at": None, "budget": 2},
    "POST /admin/users": {"email": "made{n}@example.com", "password": None, "plan": "free"},
    "PATCH /admin/users/{id}": {"plan": "free"},
    "POST /admin/users/{id}/password": {"new_password": PASSWORD},
    "POST /admin/users/{id}/credits": {"amount": "1.25"},
    "POST /admin/invites": {"email": None, "plan": None},
}
"""Fields that make a body one that may succeed."""


class Person:
    """An account with a key, and a few calls made with it.

    Attributes:
        secrets: what to show, by the name of the security scheme.
    """

    def __init__(self, router, email):
        self._router = router
        self.email = email
        self.secrets = {}
        session = self.ask("POST", "/auth/register", {"email": email, "password": PASSWORD})
        self.id = session["user"]["id"]
        self.secrets["session"] = session["token"]
        key = self.make_key()
        self.secrets["apiKey"], self._key_id = key["key"], key["id"]
        for path, body in CALLS.items():
            for stream in (False, True) if "chat" in path else (False,):
                self.ask("POST", path, {**body, **({"stream": True} if stream else {})}, "apiKey")

    def ask(self, method, path, body=None, scheme="session"):
        """The body of a good answer."""
        headers = {**HEADERS, "Authorization": f"Bearer {self.secrets.get(scheme)}"}
        data = None if body is None else json.dumps(body)
        answer = self._router.request(method, path, data, headers)
        assert answer.status < 300, answer.body
        return answer.json if answer.headers["Content-Type"] == "application/json" else None

    def make_key(self):
        return self.ask("POST", "/api-keys", {"name": "fuzz"})

    def facts(self, ids):
        """See `fuzz_hooks.FACTS`."""
        login = {"email": self.email, "password": PASSWORD}
        return {
            "models": MODELS,
            "bodies": {**BODIES, "POST /auth/login": login},
            "ids": ids,
            "own": {"/api-keys/": self._key_id, "/admin/users/": self.id},
        }


def fuzz(project, router, secrets, facts):
    """Runs Schemathesis against a router.

    Args:
        secrets: what to show, by the name of the security scheme.
        facts: see `fuzz_hooks.FACTS`.

    Returns:
        The operations that succeeded, and all of them.
    """
    folder = project.folder
    tables = [f'[auth.openapi.{name}]\nbearer = "{value}"\n' for name, value in secrets.items()]
    (folder / "schemathesis.toml").write_text("".join(tables))
    (folder / "facts.json").write_text(json.dumps(facts))
    document = router.request("GET", "/openapi.json")
    (folder / "openapi.json").write_bytes(document.body)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json"),
        *("--url", router.origin, "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing"),
        *("--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none"),
        *("--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"),
        *(["--exclude-path=/auth/logout"] if secrets else []),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": str(HOOKS)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in router.stderr
    every = {
        f"{method.upper()} {path}"
        for path, item in document.json["paths"].items()
        for method in item.keys() - {"parameters"}
    }
    answers = (it.rpartition(" ") for it in (folder / "answers.txt").read_text().splitlines())
    return {operation for operation, _, status in answers if status.startswith("2")}, every
