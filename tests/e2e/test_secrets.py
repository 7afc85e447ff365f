"""What lets its holder in is kept nowhere, wherever a client puts it."""

import json
import string
import subprocess
import sys

import pytest

from ..collector import collector
from ..support import poll

pytestmark = pytest.mark.sqlite_suffices

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
ALPHABET = (string.ascii_letters + string.digits) * 3
HEX = "0123456789abcdef" * 3

OWN = {"in a known form": "sk-" + ALPHABET[5:53], "in none": "3f" * 24}
"""Of the router's provider."""

VENDORS = {
    "OpenAI": "sk-proj-" + ALPHABET[:48],
    "Anthropic": "sk-ant-api03-" + ALPHABET[:60],
    "Google": "AIza" + ALPHABET[:35],
    "Google, newer": "AQ." + ALPHABET[:50],
    "Groq": "gsk_" + ALPHABET[:52],
    "xAI": "xai-" + ALPHABET[:80],
    "Azure": ALPHABET[:52] + "JQQJ99BAACYeBjFXJ3w3AAABACOGabcd",
    "Bedrock": "ABSK" + ALPHABET[:100],
    "AWS": "AKIAABCDEFGHIJKLMNOP",
    "Z.ai": HEX[:32] + "." + ALPHABET[:16],
    "ElevenLabs": "sk_" + HEX[:48],
    "Voyage": "pa-" + ALPHABET[:43],
    "Jina": "jina_" + ALPHABET[:60],
    "Vercel": "vck_" + ALPHABET[:56],
    "Tavily": "tvly-dev-" + ALPHABET[:32],
    "a JSON Web Token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0." + ALPHABET[:43],
}

ROUTER_TOML = """
[server]
port = 0
[log]
format = "json"
level = "debug"
[auth]
bcrypt_rounds = 4
attempts_per_address = 10000
registration = "open"
[plans.free]
[request_log]
calls = "all"
[metrics]
public = true
[otel]
endpoint = "{collector}/"
metrics_seconds = 0.3
[providers.echo]
type = "echo"
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
[routing]
retries = 0
"""


class Client:
    """Puts a secret into each part of a request."""

    def __init__(self, router, session):
        self.router = router
        self.session = {"Authorization": f"Bearer {session}", "Content-Type": "application/json"}

    def call(self, headers=(), path="/v1/chat/completions", **fields):
        body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}], **fields}
        given = {"Authorization": f"Bearer {self.router.key}", "Content-Type": "application/json"}
        self.router.request("POST", path, json.dumps(body), given | dict(headers))

    def ask(self, method, path, body=None, headers=None):
        self.router.request(method, path, json.dumps(body) if body else None, headers)

    def bodies(self, secret):
        tool = {"type": "function", "function": {"name": secret[:64], "parameters": {}}}
        called = {"id": secret, "type": "function", "function": {"name": "f", "arguments": secret}}
        self.call(model=secret)
        self.call(model=f"up/ok:{secret}")
        self.call(model=f"echo/{secret}", stream=True)
        self.call(model=f"up/ok:{secret}", stream=True)
        self.call(user=secret, safety_identifier=secret, prompt_cache_key=secret)
        self.call(metadata={"key": secret}, store=True)
        self.call(metadata={secret[:64]: "x"})
        self.call(tools=[tool])
        self.call(stop=[secret])
        self.call(temperature=secret)
        self.call(**{secret: 1})
        self.call(model="up/ok", **{secret: 1})
        self.call(messages=[{"role": "user", "content": f"use {secret}", "name": secret}])
        self.call(
            messages=[
                {"role": "assistant", "content": None, "tool_calls": [called]},
                {"role": "tool", "tool_call_id": secret, "content": secret},
            ]
        )
        self.call(path="/v1/embeddings", input=secret, messages=None)

    def heads(self, secret):
        for name in (
            *("X-Request-Id", "User-Agent", "X-Router-Target", "Cache-Control", "Cookie"),
            *("Tracestate", "Traceparent", "X-Api-Key", "OpenAI-Organization", "Referer"),
        ):
            self.call({name: secret})
        self.call({"Tracestate": f"vendor={secret}", "Traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
        self.call({"Authorization": f"Bearer {secret}"})
        self.call({"Authorization": secret})
        self.ask("GET", "/usage", headers={"Authorization": f"Bearer {secret}"})

    def paths(self, secret):
        for path in (
            *(f"/v1/models/{secret}", f"/{secret}", f"/v1/{secret}/x", f"/usage/{secret}"),
            *(f"/v1/models?key={secret}", f"/health?token={secret}", f"/docs?{secret}"),
        ):
            self.ask("GET", path, headers={"Authorization": f"Bearer {self.router.key}"})
        self.call(path=f"/v1/chat/completions?api_key={secret}")
        for path in (f"/usage?model={secret}", f"/api-keys/{secret}", f"/usage?from={secret}"):
            self.ask("GET", path, headers=self.session)

    def accounts(self, secret):
        person = {"email": secret, "password": secret, "name": secret}
        self.ask("POST", "/auth/login", person)
        self.ask("POST", "/auth/register", person | {"invite": secret})
        self.ask("POST", "/auth/register", person | {"email": "someone@example.com"})
        self.ask("POST", "/api-keys", {"name": secret}, self.session)
        self.ask("POST", "/api-keys", {"name": "x", "models": [secret]}, self.session)


@pytest.fixture
def told():
    with collector() as it:
        yield it


@pytest.mark.parametrize("own", OWN.values(), ids=OWN)
def test_no_secret_is_kept_wherever_it_is_put(router_project, upstream, told, own):
    text = ROUTER_TOML.format(collector=told.url, key=own, upstream=upstream.url)
    project = router_project({"router.toml": text})
    made = project.cli(
        *("users", "create", "--email", EMAIL, "--admin", "--password-stdin"),
        input=f"{PASSWORD}\n",
    )
    assert made.returncode == 0, made.stderr
    key = project.create_key("a key")
    router = project.serve()
    router.key = project.create_key("of the client")
    login = json.dumps({"email": EMAIL, "password": PASSWORD})
    json_type = {"Content-Type": "application/json"}
    session = json.loads(router.request("POST", "/auth/login", login, json_type).body)["token"]
    secrets = VENDORS | {"a session": session, "a key": key, "the vendor's own": own}
    client = Client(router, session)
    for secret in secrets.values():
        client.bodies(secret)
        client.heads(secret)
        client.paths(secret)
        client.accounts(secret)
    router.post({"model": "echo", "messages": [{"role": "user", "content": "x"}]}, x_request_id="z")
    router.usage("z")
    poll(lambda: router.place.ask("SELECT 1 FROM request_logs WHERE request_id = 'z'"))
    health = router.request("GET", "/health").body + router.request("GET", "/metrics").body
    router.stop()
    kept = {
        "the log": "".join(router.stderr.splitlines(keepends=True)),
        "the database": router.place.dump(),
        "the journal": "".join(
            path.read_text("latin-1")
            for path in project.folder.rglob("*.journal*")
            if path.is_file()
        ),
        "traces and metrics": "".join(body.decode("latin-1") for _, body in told.raw),
        "/health and /metrics": health.decode(),
    }
    assert all(kept[place] for place in kept if place != "the journal")
    found = [
        (place, name) for place, text in kept.items() for name in secrets if secrets[name] in text
    ]
    assert found == []


@pytest.mark.parametrize(
    ("reader", "hidden"), [("read_config", ["pa55w0rd"]), ("read_or_exit", ["pa55w0rd", "s3c-k"])]
)
def test_no_command_logs_the_secrets_that_it_read(router_project, reader, hidden):
    """Commands that do not serve read what they need, which is without plugins for most of them."""
    text = '[metrics]\ntoken = "pa55w0rd"\n[providers.up]\ntype = "openai"\n'
    project = router_project({"router.toml": text + 'api_key = "s3c-k"\n'})
    code = f"""if True:
        from pathlib import Path
        from loguru import logger
        from tornado_router.cli import common
        common.{reader}(Path("router.toml"))
        logger.error("it said {" and ".join(hidden)}")
    """
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("[redacted]") == len(hidden)
    assert not any(secret in done.stderr for secret in hidden)
