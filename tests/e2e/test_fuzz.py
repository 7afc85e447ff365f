"""Requests made up from `/openapi.json`, good and bad ones: never a 5xx, always as described.

And each operation succeeds now and then: requests that all fail alike would prove little.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from ..passing import BOUNDARY, form
from ..support import VENDOR_KEY, poll

PASSWORD = "correct horse 7 battery"
EXAMPLES = int(os.environ.get("TEST_FUZZ_EXAMPLES", "5"))
"""Made-up requests of each operation. Where the environment says how many, no one is spared the
cases that a schema amounts to, either: see `fuzz`."""

SEED = int(os.environ.get("TEST_FUZZ_SEED", "20261124"))
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
    "/v1/audio/speech": "echo",
    "/v1/rerank": "echo",
    "/v1/images/generations": "echo",
}
CALLS = {
    "/v1/chat/completions": {"model": "echo", "messages": [{"role": "user", "content": "x"}]},
    "/v1/completions": {"model": "echo", "prompt": "x"},
    "/v1/embeddings": {"model": "ok", "input": "x"},
    "/v1/moderations": {"model": "echo", "input": "x"},
    "/v1/images/generations": {"model": "echo", "prompt": "x"},
    "/v1/rerank": {"model": "echo", "query": "x", "documents": ["x"]},
    "/v1/audio/speech": {"model": "echo", "input": "x", "voice": "alloy"},
}

OPEN = {
    "POST /auth/register",
    "POST /auth/login",
    "GET /health",
    "GET /openapi.json",
    "GET /docs",
}
"""What succeeds without credentials."""

LEADS_ON = {"GET /"}
"""What is a redirect."""

NOT_SO = {"POST /v1/files", "POST /v1/files/{path}", "POST /v1/batches/{path}"} | {
    "DELETE /v1/batches/{path}"
}
"""What is not made up well enough: a form with a file, and what is behind an id."""

END_THE_LOG_IN = {"POST /auth/logout", "POST /auth/password", "DELETE /auth/profile"}
"""What may not succeed, or everything behind it would be a 401: the first is left out, the others
want a password that nobody tells."""


@pytest.fixture
def more():
    """What else the router is to do."""
    return ""


@pytest.fixture
def project(router_project, upstream, more):
    text = ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)
    return router_project({"router.toml": text + more})


@pytest.fixture
def router(project):
    return project.serve()


@pytest.mark.sqlite_suffices
def test_as_anybody(project, router):
    Person(router, "ada@example.com")
    paths = "|".join(sorted({it.split()[1] for it in OPEN}))
    good, _ = fuzz(project, router, {}, {"bodies": BODIES}, spared=f"^(?!({paths})$)")
    assert good == OPEN


@pytest.mark.parametrize("more", ["[batches]\nby_router = true\n"], ids=["with files"])
@pytest.mark.sqlite_suffices
def test_as_a_user(project, router):
    ada = Person(router, "ada@example.com")
    ids = {
        "/api-keys/": [ada.make_key()["id"] for _ in range(8)],
        "/v1/responses/": [ada.make_response()["id"] for _ in range(8)],
        "/v1/files/": [ada.make_file() for _ in range(8)],
        "/v1/batches/": [ada.make_batch()["id"]],
    }
    facts = ada.facts(ids, {"POST /v1/batches": ada.batch()})
    good, every = fuzz(project, router, ada.secrets, facts, spared="^/admin/")
    others = {it for it in every if "/admin/" in it} | {"GET /metrics"}
    assert every - good - LEADS_ON == others | END_THE_LOG_IN | NOT_SO


def test_as_an_administrator(project, router):
    root = Person(router, "root@example.com")
    assert project.cli("users", "set", "root@example.com", "--admin").returncode == 0
    ids = {
        "/api-keys/": [root.make_key()["id"] for _ in range(8)],
        "/v1/responses/": [root.make_response()["id"] for _ in range(8)],
        "/admin/users/": [Person(router, f"user{n}@example.com").id for n in range(8)],
        "/admin/invites/": [root.ask("POST", "/admin/invites", {})["id"] for _ in range(8)],
        "/admin/request-logs/": [
            it["id"] for it in poll(lambda: root.ask("GET", "/admin/request-logs")["data"])
        ],
    }
    secrets = {**root.secrets, "metricsToken": "metrics-token"}
    good, every = fuzz(project, router, secrets, root.facts(ids), spared="^/v1/")
    assert every - good - LEADS_ON == END_THE_LOG_IN


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
    "POST /v1/realtime/client_secrets": {
        "session": {"type": "realtime", "model": "echo"},
        "expires_after": None,
    },
}
"""Fields that make a body one that may succeed."""


class Person:
    """An account with a key, and a few calls made with it.

    Attributes:
        secrets: what to show, by the name of the security scheme.
    """

    def __init__(self, router, email, calls=CALLS):
        self._router = router
        self.email = email
        self.secrets = {}
        session = self.ask("POST", "/auth/register", {"email": email, "password": PASSWORD})
        self.id = session["user"]["id"]
        self.secrets["session"] = session["token"]
        key = self.make_key()
        self.secrets["apiKey"], self._key_id = key["key"], key["id"]
        for path, body in calls.items():
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

    def make_response(self):
        """One that the router keeps."""
        asked = {"model": "echo", "input": "x", "background": True}
        return self.ask("POST", "/v1/responses", asked, "apiKey")

    def make_file(self):
        """One that the router keeps."""
        line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions"}
        content = json.dumps({**line, "body": CALLS[line["url"]]}).encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        headers["Authorization"] = f"Bearer {self.secrets['apiKey']}"
        body = form(content, [("purpose", "batch")])
        answer = self._router.request("POST", "/v1/files", body, headers)
        assert answer.status == 200, answer.body
        return answer.json["id"]

    def make_batch(self):
        return self.ask("POST", "/v1/batches", self.batch(), "apiKey")

    def batch(self):
        """One that may be submitted, of one line."""
        asked = {"input_file_id": self.make_file(), "endpoint": "/v1/chat/completions"}
        return {**asked, "completion_window": "24h"}

    def facts(self, ids, bodies=MappingProxyType({})):
        """See `fuzz_hooks.FACTS`."""
        login = {"email": self.email, "password": PASSWORD}
        return {
            "models": MODELS,
            "bodies": {**BODIES, "POST /auth/login": login, **bodies},
            "ids": ids,
            "own": {"/api-keys/": self._key_id, "/admin/users/": self.id},
        }


LEFT_OUT = (
    "^/v1/((messages|responses)(/count_tokens|/compact|/input_tokens)?"
    "|realtime|audio/transcriptions|audio/translations|images/edits|images/variations)$"
)
"""Schemathesis gives up on bodies of the first, or takes minutes: `test_fuzz_bodies` has them. It
opens no websocket, and sends a form's text for what has another type, which a text may stand for.
"""


SPARED = """
[[operations]]
include-path-regex = '{paths}'
phases.coverage.enabled = false
"""


def fuzz(project, router, secrets, facts, spared):
    """Runs Schemathesis against a router.

    Most time goes into the cases that it derives from schemas: boundaries, each field by itself.
    Of operations that differ little from person to person, it is enough that one tries those.

    Args:
        secrets: what to show, by the name of the security scheme.
        facts: see `fuzz_hooks.FACTS`.
        spared: the paths whose cases by schema are left to another person, as a pattern.

    Returns:
        The operations that succeeded, and all of them.
    """
    folder = project.folder
    tables = [f'[auth.openapi.{name}]\nbearer = "{value}"\n' for name, value in secrets.items()]
    if "TEST_FUZZ_EXAMPLES" not in os.environ:
        tables.append(SPARED.format(paths=spared))
    (folder / "schemathesis.toml").write_text("".join(tables))
    (folder / "facts.json").write_text(json.dumps(facts))
    document = router.request("GET", "/openapi.json")
    (folder / "openapi.json").write_bytes(document.body)
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", "openapi.json"),
        *("--url", router.origin, "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing"),
        *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-database", "none"),
        *("--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"),
        *(["--exclude-path=/auth/logout"] if secrets else []),
        f"--exclude-path-regex={LEFT_OUT}",
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
        if not re.match(LEFT_OUT, path)
        for method in item.keys() - {"parameters"}
    }
    answers = (it.rpartition(" ") for it in (folder / "answers.txt").read_text().splitlines())
    return {operation for operation, _, status in answers if status.startswith("2")}, every
