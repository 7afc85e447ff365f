"""Clients that want more than a router has, or hold it up, over real sockets."""

import json
import socket
import threading
import time

import openai
import pytest

from ..support import VENDOR_KEY, connected, poll, read_response

pytestmark = pytest.mark.sqlite_suffices

HELLO = [{"role": "user", "content": "hello out there"}]

ROUTER_TOML = """
[server]
port = 0
max_calls = 2
body_seconds = 1.0
stalled_seconds = 1.0
[log]
format = "json"
[providers.up]
type = "openai"
api_key = "{key}"
base_url = "{upstream}/v1"
[metrics]
public = true
"""


@pytest.fixture
def project(router_project, upstream):
    return router_project(
        {"router.toml": ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)}
    )


@pytest.fixture
def router(project):
    return project.serve()


def test_calls_beyond_the_bound_are_turned_away_and_the_sdk_comes_back(router, upstream):
    gated = {"model": "up/gated", "messages": HELLO}
    with router.asking(gated) as first, router.asking(gated) as second:
        poll(lambda: len(upstream.exchanges()) == 2)
        refused = router.post({"model": "up/ok", "messages": HELLO})
        assert (refused.status, refused.error["code"]) == (503, "overloaded")
        assert refused.headers["Retry-After"] == "1"
        counted = router.request("GET", "/metrics").body.decode()
        assert 'tornado_router_refusals_total{code="overloaded"} 1.0' in counted
        assert router.request("GET", "/health").json["calls"] == 2
        client = openai.OpenAI(base_url=router.url, api_key=router.key, max_retries=3)
        timer = threading.Timer(0.5, upstream.step, [2])
        timer.start()
        with client:
            client.chat.completions.create(model="up/ok", messages=HELLO)
        assert (first.getresponse().status, second.getresponse().status) == (200, 200)
        timer.join()
    assert poll(lambda: router.request("GET", "/health").json["calls"] == 0)


@pytest.mark.parametrize(
    "begun",
    [b"Content-Length: 100\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{"],
    ids=["length", "chunked"],
)
def test_who_sends_too_slowly_is_hung_up_on(router, begun):
    host, port = router.origin.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + begun)
        began = time.monotonic()
        assert sock.recv(100) == b""
        assert time.monotonic() - began > 0.9
    assert poll(lambda: [line for line in router.log() if "did not come whole" in line["message"]])
    assert router.post({"model": "up/ok", "messages": HELLO}).status == 200


@pytest.mark.parametrize("begun", [b"", b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"])
def test_who_does_not_ask_is_hung_up_on(router, begun):
    with connected(router.origin) as sock:
        sock.sendall(begun)
        began = time.monotonic()
        assert sock.recv(100) == b""
        assert time.monotonic() - began > 0.9
    assert poll(lambda: [line for line in router.log() if "not send a request" in line["message"]])


def test_who_has_asked_may_rest(router):
    with connected(router.origin) as sock:
        for pause in (2.5, 0):
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_response(sock, "GET").status == 200
            time.sleep(pause)


def test_who_does_not_read_is_hung_up_on_and_the_provider_too(router, upstream):
    host, port = router.origin.removeprefix("http://").split(":")
    body = json.dumps({"model": "up/stream-flood", "messages": HELLO, "stream": True}).encode()
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect((host, int(port)))
        sock.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n"
            b"Content-Type: application/json\r\nAuthorization: Bearer "
            + router.key.encode()
            + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )
        row = router.usage("mine")
    assert row["status"] == 499
    assert row["completion_tokens"] > 0
    assert upstream.cut()["cut"]
    assert [line for line in router.log() if "does not read its answer" in line["message"]]


def test_the_command_shows_how_a_router_is(project, router):
    router.post({"model": "up/ok", "messages": HELLO})
    shown = project.cli("health", "--url", router.origin)
    assert shown.returncode == 0, shown.stderr
    first, second, third, *table = shown.stdout.splitlines()
    assert first.startswith("ok: 0 calls in flight, the event loop was up to ")
    assert second == "database: ok"
    assert third == "provider up (openai): on"
    assert table[0].split("  ")[0] == "target"
    assert table[1].startswith("up/ok")
    assert table[1].split()[1] == "well"
    router.stop()
    gone = project.cli("health", "--url", router.origin)
    assert gone.returncode == 1
    assert f"no router answers at {router.origin}" in gone.stderr
    assert "is not a URL" in project.cli("health", "--url", "file:///etc/passwd").stderr
