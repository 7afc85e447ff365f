"""Failed calls of a real router, as Sentry gets to see them."""

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tornado_router import __version__

ROUTER_TOML = """
[server]
port = 0
[providers.bad]
type = "openai"
base_url = "{vendor}/v1"
api_key = "sk-canary-vendor"
models = ["m"]
[providers.echo]
type = "echo"
models = ["echo"]
[routing]
retries = 0
"""
PROMPT = "canary-prompt"
HOST = "host-of-this-test"
COMMIT = "git init -q && git -c user.name=n -c user.email=e commit -q --allow-empty -m canary"
DEADLINE = 30.0


def poll(ask):
    end = time.monotonic() + DEADLINE
    while not (answer := ask()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return answer


@pytest.fixture
def server():
    """Fails as a vendor, and takes what comes as Sentry."""
    taken = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            is_sentry = self.path.startswith("/api/")
            if is_sentry:
                taken.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
            answer = b"{}" if is_sentry else b'{"error": {"message": "canary-vendor-said"}}'
            self.send_response(200 if is_sentry else 500)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    made.taken = taken
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def router(tmp_path, server):
    """A router, whose URL and key are known; stopped behind."""
    place = f"127.0.0.1:{server.server_port}"
    (tmp_path / "router.toml").write_text(ROUTER_TOML.format(vendor=f"http://{place}"))
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "SENTRY_DSN": f"http://public@{place}/1",
        "SENTRY_ENVIRONMENT": "test",
        "PYTHONPATH": str(tmp_path),
    }
    # A name of the host that can be told apart from everything else.
    (tmp_path / "sitecustomize.py").write_text(
        f"import socket\nsocket.gethostname = lambda: {HOST!r}\n"
    )
    subprocess.run(COMMIT, cwd=tmp_path, shell=True, check=True)
    with (tmp_path / "out").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "tornado_router.cli", "serve"],
            cwd=tmp_path,
            env=environ,
            stdout=out,
            stderr=out,
        )
    said = poll(lambda: re.search(r"serves on (\S+)", (tmp_path / "out").read_text()))
    process.url = said[1]
    process.key = re.search(r"sk-tr-\S+", (tmp_path / "out").read_text())[0]
    yield process
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 0


def ask(router, model, **fields):
    """The status of a call."""
    body = {"model": model, "messages": [{"role": "user", "content": PROMPT}], **fields}
    headers = {
        "Authorization": f"Bearer {router.key}",
        "Content-Type": "application/json",
        "X-Request-Id": f"mine-{model}",
    }
    request = urllib.request.Request(
        f"{router.url}/chat/completions", json.dumps(body).encode(), headers
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_failed_call_is_reported_once_and_nothing_else(router, server):
    assert ask(router, "echo") == 200
    assert ask(router, "nobody/knows") == 404
    assert ask(router, "echo", temperature=99) == 400
    assert ask(router, "m") >= 500
    poll(lambda: server.taken)
    router.send_signal(signal.SIGTERM)
    assert router.wait(DEADLINE) == 0  # whatever is on its way is sent
    events = [
        json.loads(line)
        for envelope in server.taken
        for line in envelope.splitlines()
        if b'"fingerprint"' in line
    ]
    (event,) = events
    assert (event["level"], event["environment"]) == ("error", "test")
    assert event["tags"]["provider"] == "bad"
    assert event["tags"]["model"] == "m"
    assert event["tags"]["endpoint"] == "chat.completions"
    assert int(event["tags"]["status"]) >= 500
    assert event["extra"]["request_id"] == "mine-m"
    assert event["fingerprint"] == ["bad", "m", event["tags"]["error_code"]]
    assert event["release"] == f"tornado-llm-router@{__version__}"  # and no commit of the folder
    assert set(event) == {
        *("level", "logger", "message", "timestamp", "transaction", "fingerprint", "user", "tags"),
        *("extra", "event_id", "contexts", "transaction_info", "breadcrumbs", "release"),
        *("environment", "sdk", "platform"),
    }
    assert event["user"] == {"id": "1"}
    assert set(event["contexts"]) == {"trace"}
    sent = b"".join(server.taken)
    for canary in (b"canary", router.key.encode(), b"tornado_router.cli", HOST.encode()):
        assert canary not in sent


@pytest.mark.parametrize("dsn", ["", "http://key@127.0.0.1:1/1"])
def test_the_router_makes_no_events_without_a_dsn(dsn):
    listens = "import tornado_router_sentry as it; print(hasattr(it, 'request_finished'))"
    environment = {**os.environ, "SENTRY_DSN": dsn}
    result = subprocess.run(
        [sys.executable, "-c", listens], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == str(bool(dsn))
