"""Requests made up from `/openapi.json`, good and bad ones: never a 5xx, always as described."""

import json
import os
import subprocess
import sys

import pytest

PASSWORD = "correct horse 7 battery"
EXAMPLES = os.environ.get("TEST_FUZZ_EXAMPLES", "10")
SEED = os.environ.get("TEST_FUZZ_SEED", "20261124")
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
[plans.free]
credits = 5
[providers.echo]
type = "echo"
models = ["echo"]
[prices."echo/*"]
input = 0.01
output = 0.01
[routes."*"]
targets = ["echo/echo"]
"""
CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance"),
    *("response_headers_conformance", "response_schema_conformance", "negative_data_rejection"),
)
ENDS_THE_LOG_IN = ("/auth/logout", "/admin/users/{id}/password")
"""Those who are logged in leave these out, or everything behind them would be a 401."""


@pytest.fixture
def project(router_project):
    return router_project({"router.toml": ROUTER_TOML})


@pytest.fixture
def router(project):
    return project.serve()


def test_as_anybody(project, router):
    fuzz(project, router, {})


def test_as_a_user(project, router):
    token = register(router, "ada@example.com")
    fuzz(project, router, {"apiKey": make_key(router, token), "logIn": token})


def test_as_an_administrator(project, router):
    token = register(router, "root@example.com")
    assert project.cli("users", "set", "root@example.com", "--admin").returncode == 0
    keys = {"apiKey": make_key(router, token), "logIn": token, "metricsToken": "metrics-token"}
    fuzz(project, router, keys)


def register(router, email):
    body = {"email": email, "password": PASSWORD}
    return router.request("POST", "/auth/register", json.dumps(body), HEADERS).json["token"]


HEADERS = {"Content-Type": "application/json"}


def make_key(router, token):
    headers = {**HEADERS, "Authorization": f"Bearer {token}"}
    body = {"name": "fuzz", "rpm": None, "tpm": None}
    return router.request("POST", "/api-keys", json.dumps(body), headers).json["key"]


def fuzz(project, router, secrets):
    """Runs Schemathesis against a router.

    Args:
        secrets: what to show, by the name of the security scheme.
    """
    folder = project.folder
    tables = [f'[auth.openapi.{name}]\nbearer = "{value}"\n' for name, value in secrets.items()]
    (folder / "schemathesis.toml").write_text("".join(tables))
    left_out = [f"--exclude-path={path}" for path in ENDS_THE_LOG_IN if secrets]
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{router.origin}/openapi.json"),
        *("--url", router.origin, "--checks", ",".join(CHECKS), "--phases", "coverage,fuzzing"),
        *("--max-examples", EXAMPLES, "--seed", SEED, "--generation-database", "none"),
        *("--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off"),
        *left_out,
    ]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in router.stderr
