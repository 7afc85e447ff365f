"""A request that is over holds nothing, however it ended: not even its body.

An error holds the frames that it passed, and those hold the request. So the garbage collector, that
would free such circles some time, is off here.
"""

import asyncio
import gc
import gzip
import time
import tracemalloc

import orjson
import pytest
from tornado.httputil import HTTPServerRequest

from ..support import DEADLINE, ECHO, vendor
from .test_body_limit import Client

pytestmark = pytest.mark.sqlite_suffices

CHAT = "/v1/chat/completions"
JSON = "application/json"
LIMIT = 400_000
TIMES = 5

TOML = f"""
[server]
max_body_bytes = {LIMIT}
{ECHO}
[routing]
retries = 0
breaker_failures = 20
backoff_seconds = 0
[routes.fallen]
targets = ["up/status:500", "up/truncated-json", "echo/echo"]
"""


@pytest.fixture
def app_files(upstream_process):
    up = vendor("up", f"{upstream_process.url}/v1", "between_bytes_timeout = 0.5")
    return {"router.toml": TOML + up}


async def eventually(true):
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.fixture
def forgets(app):
    """Does something again and again, and compares what the process holds before and behind."""

    def requests():
        return sum(isinstance(item, HTTPServerRequest) for item in gc.get_objects())

    async def over():
        await eventually(lambda: not app.services.requests.count)
        await asyncio.sleep(0.01)  # the tasks that end have ended

    async def forgets(work):
        for _ in range(2):  # what is made for the first request stays
            await work()
        await over()
        gc.collect()
        gc.disable()
        before = requests()
        tracemalloc.start()
        try:
            for _ in range(TIMES):
                await work()
            await over()
            # One may still be on its way out, and connections take a moment to close.
            await eventually(lambda: requests() - before <= 1)
            await eventually(lambda: tracemalloc.get_traced_memory()[0] < LIMIT * 2)
            await eventually(lambda: app.services.memory.held == 0)
        finally:
            tracemalloc.stop()
            gc.enable()

    return forgets


def chat(model, **more):
    """A call of nearly the limit."""
    message = {"role": "user", "content": "x"}
    body = {"model": model, "messages": [message], "x": "x" * (LIMIT - 1000), **more}
    return orjson.dumps(body)


LARGE = b" " * (LIMIT - 10)
TOO_LARGE = b" " * (LIMIT + 10)
WELL = chat("echo")


@pytest.fixture
def post(http_server, http_port, key):
    """Sends one request on a connection of its own. Tornado's client keeps more than it should."""

    async def post(body, code, path=CHAT, method="POST", given="", kind=JSON, **headers):
        if given is not None:
            headers["Authorization"] = f"Bearer {given or key}"
        headers |= {"Content-Length": len(body), "Connection": "close"}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        client = await Client(http_port).begin(*lines, path=path, method=method, kind=kind)
        await client.send(body)
        assert await client.status() == code
        client.leave()

    return post


@pytest.mark.parametrize(
    ("body", "code", "more"),
    [
        (LARGE, 401, {"given": None}),
        (LARGE, 401, {"given": "sk-tr-unknown"}),
        (b"{}", 401, {"given": None}),
        (LARGE, 404, {"path": "/nowhere", "given": None}),
        (LARGE, 413, {"path": "/auth/login", "given": None}),
        (LARGE, 405, {"method": "PUT"}),
        (TOO_LARGE, 413, {}),
        (LARGE, 400, {}),
        (WELL[:-1], 400, {}),
        (chat(5), 400, {}),
        (chat("echo", temperature=9), 400, {}),
        (chat("nothing"), 404, {}),
        (WELL, 415, {"kind": "text/plain"}),
        (WELL, 415, {"Content-Encoding": "br"}),
        (WELL, 400, {"Content-Encoding": "gzip"}),
        (gzip.compress(TOO_LARGE), 413, {"Content-Encoding": "gzip"}),
    ],
    ids=lambda value: str(len(value)) if isinstance(value, bytes) else str(value),
)
@pytest.mark.gen_test(timeout=120)
async def test_what_is_refused(forgets, post, body, code, more):
    await forgets(lambda: post(body, code, **more))


@pytest.mark.gen_test(timeout=120)
async def test_what_there_is_no_room_for(forgets, post, app):
    app.services.bounds.max_calls = 0
    await forgets(lambda: post(WELL, 503))
    app.services.memory.limit = 0
    await forgets(lambda: post(WELL, 503))


@pytest.mark.parametrize("model", ["echo", "fallen"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.gen_test(timeout=120)
async def test_what_is_served(forgets, post, model, stream, encoded):
    body = chat(model, stream=stream)
    headers = {"Content-Encoding": "gzip"} if encoded else {}
    sent = gzip.compress(body) if encoded else body
    await forgets(lambda: post(sent, 200, **headers))


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("up/status:400", 400),
        ("up/status:500", 502),
        ("up/status:429", 429),
        ("up/truncated-json", 502),
        ("up/reset", 502),
        ("up/hang-in-body", 504),
        ("up/error-200", 503),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.gen_test(timeout=120)
async def test_what_the_vendor_fails(forgets, post, model, code, stream):
    body = chat(model, stream=stream)
    await forgets(lambda: post(body, code))


@pytest.mark.gen_test(timeout=120)
async def test_a_stream_that_says_what_it_costs(forgets, post):
    body = chat("echo", stream=True)
    await forgets(lambda: post(body, 200, **{"x-router-cost": "true"}))


@pytest.mark.parametrize("model", ["up/stream-cut", "up/stream-error-event", "up/stream-garbage"])
@pytest.mark.gen_test(timeout=120)
async def test_a_stream_that_the_vendor_breaks_off(forgets, post, model):
    body = chat(model, stream=True)
    await forgets(lambda: post(body, 200))


@pytest.mark.parametrize("model", ["up/hang", "up/hang-in-stream"])
@pytest.mark.gen_test(timeout=120)
async def test_a_client_that_leaves(forgets, app, key, http_port, http_server, model):
    body = chat(model, stream=True)

    async def leave():
        head = (f"Content-Length: {len(body)}", f"Authorization: Bearer {key}")
        client = await Client(http_port).begin(*head)
        await client.send(body)
        await eventually(lambda: app.services.bounds.calls)
        client.leave()

    await forgets(leave)


@pytest.mark.gen_test(timeout=120)
async def test_a_client_that_leaves_in_the_middle_of_its_body(
    forgets, app, key, http_port, http_server
):
    async def leave():
        head = (f"Content-Length: {LIMIT}", f"Authorization: Bearer {key}")
        client = await Client(http_port).begin(*head)
        await client.send(LARGE)
        await eventually(lambda: app.services.memory.held)
        client.leave()
        await eventually(lambda: not app.services.memory.held)

    await forgets(leave)
