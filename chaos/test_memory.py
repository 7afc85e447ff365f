"""What crowds of clients and vendors can take of a router's memory and of its event loop.

Memory is the most that the process had resident, over what it had before, as the system counts it
(`VmHWM`); buffers of sockets belong to the system and are not in it. The clients and the vendors of
a crowd yield the processor to the router (see `YIELDING`), so that how long `/health` takes says
what the router does, and not how many cores the machine has for all of them.
"""

import asyncio
import json
import os
import resource
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import MEMORY_ROWS, Outcome, serving_vendor

WATCH = Path(__file__).parent / "watch.py"

MOST_MB = 300
"""Over what an idle router has: together with that, well within the 1 GB that deploy/ gives one."""

LARGE = 9_900_000
"""A body of nearly `max_body_bytes`."""

HOLD_SECONDS = 10
"""For so long a crowd stays."""

YIELDING = 15
"""How nice a crowd is: a process that is not gets nearly all of a core that both want."""

MEGABYTE = 2**20

LARGE_VENDOR = """
[providers.large]
type = "openai"
base_url = "{url}/v1"
api_key = "sk-large"
"""


@pytest.fixture(scope="module", autouse=True)
def files():
    """A crowd takes a descriptor each, here and in the vendor."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384), hard))


@pytest.fixture(scope="module")
def vendor(tmp_path_factory):
    with serving_vendor(tmp_path_factory.mktemp("vendor"), "nice", f"-n{YIELDING}") as url:
        yield url


@pytest.fixture
def crowd(deploy, vendor):
    """Makes a world with a vendor that is large in some way, warm and watched."""

    def crowd(fault="well"):
        world = deploy(more=LARGE_VENDOR.format(url=f"{vendor}/{fault}"))
        outcome = Outcome()
        world.load(outcome, calls=200, model="good/m")
        assert len(outcome.answered) == 200
        return world

    return crowd


@contextmanager
def watched(world, crowd, count):
    """Notes what a crowd took; adds a line to the table."""
    process = Path(f"/proc/{world.router.pid}")
    (process / "clear_refs").write_text("5")  # VmHWM begins anew
    idle = resident(process, "VmRSS")
    watch = subprocess.Popen(
        [sys.executable, WATCH, world.router.origin],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watch.stdout.readline() == "ready\n"
    came = {}
    yield came
    seen, _ = watch.communicate()
    health = json.loads(seen)
    most = resident(process, "VmHWM") - idle
    responses = ", ".join(f"{number} x {status}" for status, number in came.items())
    MEMORY_ROWS.append((crowd, count, round(most), health["slowest"], responses))
    assert world.router.running
    outcome = Outcome()
    world.load(outcome, calls=20, model="good/m")
    assert len(outcome.answered) == 20
    assert most < MOST_MB, MEMORY_ROWS[-1]


def resident(process, name):
    for line in (process / "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(name)


class Client:
    """A connection from an address of its own, so that no limit on one address is what holds."""

    def __init__(self, world, number):
        self.address = ("127.0.0.1", int(world.router.origin.rpartition(":")[2]))
        self.source = (f"127.0.1.{number % 200 + 1}", 0)

    async def __aenter__(self):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.setblocking(False)
        self.sock.bind(self.source)
        await asyncio.get_running_loop().sock_connect(self.sock, self.address)
        return self

    async def __aexit__(self, *_):
        self.sock.close()

    async def send(self, data, seconds=HOLD_SECONDS):
        """Sends as much as the router takes in some seconds; whether that was all."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.get_running_loop().sock_sendall(self.sock, data)
        except (TimeoutError, ConnectionError):
            return False
        return True

    async def status(self, seconds=60):
        """The status of the response; None if there is none."""
        try:
            async with asyncio.timeout(seconds):
                line = await asyncio.get_running_loop().sock_recv(self.sock, 64)
        except (TimeoutError, ConnectionError):
            return None
        return int(line.split(b" ")[1]) if line else None


def post(body, key=None, length=None, path="/v1/chat/completions"):
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{authorization}"
        f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
    ).encode() + body


def chat(model, stream=False, size=0):
    content = "x" * max(size - 100, 5)
    message = {"role": "user", "content": content}
    return json.dumps({"model": model, "messages": [message], "stream": stream}).encode()


def gather(count, visit, at_once=None):
    """Runs so many visits at the same time, or so many of them; their outcomes, counted."""
    # On Linux a thread is as nice as it says itself, and only this one is.
    with ThreadPoolExecutor(1, initializer=lambda: os.nice(YIELDING)) as thread:
        return thread.submit(asyncio.run, _gather(count, visit, at_once)).result()


async def _gather(count, visit, at_once):
    room = asyncio.Semaphore(at_once or count)

    async def one(number):
        async with room:
            return await visit(number)

    outcomes = await asyncio.gather(*map(one, range(count)))
    return {item or "none": outcomes.count(item) for item in sorted(set(outcomes), key=str)}


def test_strangers_send_bodies_without_a_key(crowd):
    world = crowd()
    body = post(b"x" * MEGABYTE, length=LARGE)

    async def visit(number):
        async with Client(world, number) as client:
            await client.send(body)
            status = await client.status(HOLD_SECONDS)
            await asyncio.sleep(HOLD_SECONDS)
            return status

    with watched(world, "strangers that send bodies, without a key", 1000) as came:
        came.update(gather(1000, visit))


def test_clients_do_not_read(crowd):
    world = crowd("megabyte")

    async def visit(number):
        async with Client(world, number) as client:
            await client.send(post(chat("large/m", stream=number % 2 == 0), world.key))
            await asyncio.sleep(2 * HOLD_SECONDS)
            return await client.status()

    with watched(world, "clients that do not read, half of them streams", 1000) as came:
        came.update(gather(1000, visit))


def test_strangers_do_not_read_pages(crowd):
    world = crowd()
    pages = b"".join(
        f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in ("/openapi.json", "/docs")
    )

    async def visit(number):
        async with Client(world, number) as client:
            await client.send(pages * 20)
            await asyncio.sleep(HOLD_SECONDS)
            return await client.status()

    with watched(world, "strangers that do not read the documentation", 1000) as came:
        came.update(gather(1000, visit))


@pytest.mark.parametrize(
    ("fault", "stream"), [("endless", False), ("endless", True), ("bomb", False)]
)
def test_vendors_do_not_end(crowd, fault, stream):
    world = crowd(fault)

    async def visit(number):
        async with Client(world, number) as client:
            await client.send(post(chat("large/m", stream=stream), world.key))
            return await client.status()

    kind = "an endless event" if stream else {"bomb": "a gigabyte in gzip"}.get(fault, "no end")
    with watched(world, f"vendors whose responses have {kind}", 100) as came:
        came.update(gather(100, visit))


def test_requests_are_refused(crowd):
    world = crowd()
    refused = [
        post(chat("large/m", size=LARGE)),
        post(chat("unknown", size=LARGE), world.key),
        post(b"[" * LARGE, world.key),
        post(chat("large/m", size=LARGE), path="/auth/login"),
    ]

    async def visit(number):
        async with Client(world, number) as client:
            await client.send(refused[number % len(refused)], 60)
            return await client.status()

    with watched(world, "requests of 10 MB that are refused", 1000) as came:
        came.update(gather(1000, visit, at_once=10))


def test_bodies_are_large(crowd):
    world = crowd()
    body = post(chat("good/m", size=LARGE), world.key)

    async def visit(number):
        async with Client(world, number) as client:
            await client.send(body, 60)
            return await client.status()

    with watched(world, "bodies of 10 MB at once, with a key", 100) as came:
        came.update(gather(100, visit))
