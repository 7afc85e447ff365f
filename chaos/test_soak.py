"""A million calls: nothing grows."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.support import poll

from .conftest import ROWS

CALLS = int(os.environ.get("CHAOS_CALLS", "1000000"))
PARTS = 10
BENCH = Path(__file__).parent.parent / "bench"


def program(name):
    """The load generator and the vendor are the bench's: in C, so that they are not the limit."""
    sys.path.insert(0, str(BENCH))
    try:
        from harness.build import build
    finally:
        sys.path.remove(str(BENCH))
    return build(name)


def test_nothing_grows(deploy, tmp_path):
    port = 40_000 + os.getpid() % 20_000
    with subprocess.Popen([program("upstream"), str(port)]) as upstream:
        try:
            soak(deploy(bad=f"http://127.0.0.1:{port}"), tmp_path)
        finally:
            upstream.kill()


def soak(world, folder):
    bodies = {}
    for stream in (False, True):
        bodies[stream] = folder / f"body-{stream}.json"
        message = {"role": "user", "content": "hello " * 100}
        bodies[stream].write_text(
            json.dumps(
                {"model": "bad/m-n5", "messages": [message], "stream": stream, "max_tokens": 9}
            )
        )
    states = []
    for part in range(PARTS):
        stream = part % 2 == 1
        load(world, bodies[stream], CALLS // PARTS, stream=stream)
        poll(lambda: health(world)["calls"] == 0 and health(world)["ledger_bytes"] == 0, 120)
        states.append(state(world))
    rows = poll(
        lambda: (n := world.ask("SELECT COUNT(*) FROM usage_logs")[0][0]) >= CALLS and n, 120
    )
    first, last = states[0], states[-1]
    grown = f"{first['kb'] / 1024:.1f} -> {last['kb'] / 1024:.1f} MB"
    ROWS.append((f"soak: {grown}", CALLS, CALLS, 0, CALLS - rows, 0, 0, "agree"))
    assert rows == CALLS
    assert last["kb"] <= 1.1 * first["kb"], states
    assert last["files"] <= first["files"] + 16, states  # a pool of connections may differ
    assert last["threads"] <= first["threads"] + 2, states
    assert last["tasks"] <= first["tasks"] + 4, states


def load(world, body, calls, *, stream):
    command = [program("load"), "-p", world.router.origin.rpartition(":")[2]]
    command += ["-H", f"Authorization: Bearer {world.key}", "-b", str(body)]
    command += ["-c", "16", "-n", str(calls), "-t", "3600"] + ["-s"] * stream
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["ok"] == calls, result


def count(world):
    return world.ask("SELECT COUNT(*) FROM usage_logs")[0][0]


def health(world):
    return world.router.request("GET", "/health").json


def state(world):
    """Memory, open files, threads and tasks of the router."""
    pid = world.router.pid
    metrics = world.router.request("GET", "/metrics").body.decode()
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return {
        "kb": int(status["VmRSS"].split()[0]),
        "files": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "threads": int(status["Threads"]),
        "tasks": int(float(re.search(r"^tornado_router_tasks (\S+)", metrics, re.MULTILINE)[1])),
    }
