"""Clients that want more than a router has, or hold it up, over real sockets."""

import http.client
import json
import os
import resource
import socket
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import openai
import pytest

from tornado_router.http.fronts import FRONTS

from ..support import DEADLINE, VENDOR_KEY, connected, poll, read_response

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
[providers.echo]
type = "echo"
models = ["echo"]
[metrics]
public = true
"""


@pytest.fixture(params=FRONTS)
def http_front(request):
    """Every front."""
    return request.param


@pytest.fixture
def project(router_project, upstream):
    return router_project(
        {"router.toml": ROUTER_TOML.format(key=VENDOR_KEY, upstream=upstream.url)}
    )


NOT_READ = "closed connection from 127.0.0.1: response not read within stalled_seconds"


@contextmanager
def not_reading(router, request):
    """A connection whose client sends requests and reads nothing."""
    host, port = router.origin.removeprefix("http://").split(":")
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(DEADLINE)
        sock.connect((host, int(port)))
        sock.sendall(request)
        yield sock


def post(router, call):
    """A call as it is sent."""
    body = json.dumps(call).encode()
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n"
        b"Content-Type: application/json\r\nAuthorization: Bearer %s\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (router.key.encode(), len(body), body)
    )


def logged(router, text):
    poll(lambda: [line for line in router.log() if text in line["message"]])


def is_closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def refusals(router):
    name = "tornado_router_client_connections_refused_total "
    text = router.request("GET", "/metrics").body.decode()
    return sum(
        float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)
    )


@pytest.fixture
def router(project):
    return project.serve()


@pytest.fixture
def few(project):
    """A router with a limit on connections."""

    def few(limit):
        path = project.folder / "router.toml"
        path.write_text(
            path.read_text().replace("[server]", f"[server]\nmax_connections = {limit}")
        )
        return project.serve()

    return few


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
    with connected(router.origin) as sock:
        sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n" + begun)
        began = time.monotonic()
        assert sock.recv(100) == b""
        assert time.monotonic() - began > 0.9
    logged(router, "closed connection from 127.0.0.1: no complete request within body_seconds")
    assert router.post({"model": "up/ok", "messages": HELLO}).status == 200


@pytest.mark.parametrize("begun", [b"", b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"])
def test_who_does_not_ask_is_hung_up_on(router, begun):
    with connected(router.origin) as sock:
        sock.sendall(begun)
        began = time.monotonic()
        assert sock.recv(100) == b""
        assert time.monotonic() - began > 0.9
    logged(router, "closed connection from 127.0.0.1: no complete request within body_seconds")


def test_who_has_asked_may_rest(router):
    with connected(router.origin) as sock:
        for pause in (2.5, 0):
            sock.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_response(sock, "GET").status == 200
            time.sleep(pause)


def test_who_does_not_read_is_hung_up_on_and_the_provider_too(router, upstream):
    call = {"model": "up/stream-flood", "messages": HELLO, "stream": True}
    with not_reading(router, post(router, call)):
        row = router.usage("mine")
    assert row["status"] == 499
    assert row["completion_tokens"] > 0
    assert upstream.cut()["cut"]
    logged(router, NOT_READ)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/v1/chat/completions"])
def test_nor_may_any_other_response_be_left_unread(router, path):
    """Each is more than the buffers of both systems hold, or is asked for again and again."""
    if path.startswith("/v1"):
        content = "word " * 1_500_000
        request = post(
            router, {"model": "echo", "messages": [{"role": "user", "content": content}]}
        )
    else:
        request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 100
    with not_reading(router, request):
        logged(router, NOT_READ)
    assert router.post({"model": "up/ok", "messages": HELLO}).status == 200


def test_who_reads_slowly_is_waited_for(router):
    content = "word " * 1_500_000
    call = {"model": "echo", "messages": [{"role": "user", "content": content}]}
    with not_reading(router, post(router, call)) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        end = time.monotonic() + 3  # three times the limit
        received = b""
        while time.monotonic() < end:
            received += sock.recv(200_000)
            time.sleep(0.1)
        while len(received) < 7_500_000:
            received += sock.recv(2**20)
    assert received.startswith(b"HTTP/1.1 200 OK")
    assert not [line for line in router.log() if NOT_READ in line["message"]]


def test_idle_connections_make_room_for_new_ones(few):
    router = few(4)
    ask = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with ExitStack() as stack:
        socks = []
        for _ in range(10):
            socks.append(stack.enter_context(connected(router.origin)))
            socks[-1].sendall(ask)
            assert read_response(socks[-1], "GET").status == 200
        assert [sock.recv(1) for sock in socks[:6]] == [b""] * 6
        for sock in socks[-3:]:
            sock.sendall(ask)
            assert read_response(sock, "GET").status == 200
    assert "client_connections_limit 4.0" in router.request("GET", "/metrics").body.decode()


def test_connections_in_use_do_not(few, upstream):
    router = few(2)
    gated = {"model": "up/gated", "messages": HELLO}
    with router.asking(gated) as first, router.asking(gated) as second:
        poll(lambda: len(upstream.exchanges()) == 2)
        with connected(router.origin) as refused:
            assert is_closed(refused)
        logged(router, "max_connections are open and in use: 1")
        upstream.step(2)
        assert (first.getresponse().status, second.getresponse().status) == (200, 200)
    assert poll(lambda: refusals(router)) == 1


NO_FILES = "no more open files are allowed"


@contextmanager
def short_of_files(router, spare, count, begun=b""):
    """More clients than a router may have descriptors for; each has begun a request, or is idle."""
    used = len(os.listdir(f"/proc/{router.pid}/fd"))
    resource.prlimit(router.pid, resource.RLIMIT_NOFILE, (used + spare, used + spare))
    router.expect_log(NO_FILES)
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(connected(router.origin))
            with suppress(ConnectionError):  # while it was idle, it may have had to make room
                client.sendall(begun)
        logged(router, NO_FILES)
        yield


def seconds_used(router):
    fields = Path(f"/proc/{router.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(sys.platform != "linux", reason="sets the limit of another process")
class TestDescriptors:
    @pytest.fixture
    def router(self, project):
        path = project.folder / "router.toml"
        path.write_text(path.read_text().replace("body_seconds = 1.0", "body_seconds = 600.0"))
        return project.serve()

    def test_idle_clients_make_room(self, router):
        with short_of_files(router, 40, 200):
            for _ in range(3):
                assert router.post({"model": "up/ok", "messages": HELLO}).status == 200

    def test_without_any_it_neither_spins_nor_floods_the_log(self, router):
        begun = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
        with short_of_files(router, 20, 60, begun):
            size, used = len(router.stderr), seconds_used(router)
            time.sleep(1)
            assert seconds_used(router) - used < 0.5
            assert len(router.stderr) - size < 2000
        assert router.post({"model": "up/ok", "messages": HELLO}).status == 200
        assert len([line for line in router.log() if NO_FILES in line["message"]]) == 1


def test_one_address_does_not_take_the_place_of_others(project, upstream):
    path = project.folder / "router.toml"
    path.write_text(
        path.read_text().replace("[server]", "[server]\nmax_connections_per_address = 2")
    )
    router = project.serve()
    gated = {"model": "up/gated", "messages": HELLO}
    with router.asking(gated) as first, router.asking(gated) as second:
        poll(lambda: len(upstream.exchanges()) == 2)
        with connected(router.origin) as refused:
            assert is_closed(refused)
        other = http.client.HTTPConnection(
            router.origin.removeprefix("http://"),
            timeout=DEADLINE,
            source_address=("127.0.0.2", 0),
        )
        with closing(other):
            other.request("GET", "/health")
            assert other.getresponse().status == 200
        logged(router, "their address has max_connections_per_address open and in use: 1")
        upstream.step(2)
        assert (first.getresponse().status, second.getresponse().status) == (200, 200)


def test_the_command_shows_how_a_router_is(project, router):
    router.post({"model": "up/ok", "messages": HELLO})
    shown = project.cli("health", "--url", router.origin, "--key", router.key)
    assert shown.returncode == 0, shown.stderr
    first, second, third, _, *table = shown.stdout.splitlines()
    assert first.startswith("ok: 0 calls in flight, the event loop was up to ")
    assert second == "database: ok"
    assert third == "provider up (openai): on"
    assert table[0].split("  ")[0] == "target"
    assert table[1].startswith("up/ok")
    assert table[1].split()[1] == "well"
    state = json.loads(project.cli("health", "--url", router.origin, "--json").stdout)
    assert (state["status"], state["calls"]) == ("ok", 0)
    router.stop()
    gone = project.cli("health", "--url", router.origin)
    assert gone.returncode == 1
    assert f"no router answers at {router.origin}" in gone.stderr
    assert "is not a URL" in project.cli("health", "--url", "file:///etc/passwd").stderr
