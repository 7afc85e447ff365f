"""What limits that are shared through Redis cost a call, in µs of the router's CPU time.

`python bench/redis_limits.py [COMMAND...]` starts a Redis of its own (`redis-server`, or that
command), and admits and settles calls as the router does: some at a time, each in a turn of the
event loop after the one that admitted it. Two rates and two purses hold for every call.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvloop
from harness import BenchError
from harness.process import CALIBRATED_MS, Pinned, calibrate, two_cores

from tornado_router.config.options import RedisOptions
from tornado_router.limits.kinds import Rates
from tornado_router.limits.limiter import Demand, Purse
from tornado_router.limits.redis import RedisLimiter
from tornado_router.redis.link import RedisLink

_WIDTHS = (1, 2, 4, 16, 64)
_CALLS = 3_200
_REPEATS = 5
_LEASE_SECONDS = 30
_START_SECONDS = 5

_RATES = (Rates("key:1", 10**7, 10**8, 1000), Rates("user:1", 10**7, 10**8, 1000))
_PURSES = (Purse("credits:1", 10**15, 0), Purse("budget:1", 10**15, 0))


async def _call(limiter: RedisLimiter) -> None:
    lease = await limiter.admit(Demand("call", _RATES, _PURSES, 500, 10_000))
    await asyncio.sleep(0)
    limiter.settle(lease, 400, 9_000)


async def _measure(limiter: RedisLimiter, width: int) -> float:
    """µs of this process for a call, of so many at a time."""
    started = time.process_time()
    for _ in range(_CALLS // width):
        await asyncio.gather(*(_call(limiter) for _ in range(width)))
    return (time.process_time() - started) / _CALLS * 1e6


async def _table(port: int, core: int) -> None:
    link = RedisLink(RedisOptions(host="127.0.0.1", port=port))
    limiter = RedisLimiter(link, _LEASE_SECONDS)
    await _measure(limiter, 16)  # loads the script, warms both up
    print("| at a time | µs, median | µs, least |\n| --- | --- | --- |")
    for width in _WIDTHS:
        each = []
        for _ in range(_REPEATS):
            scale = CALIBRATED_MS / calibrate(core)
            each.append(await _measure(limiter, width) * scale)
        print(f"| {width} | {statistics.median(each):.1f} | {min(each):.1f} |", flush=True)
    await limiter.close()
    await link.close()


@contextmanager
def _redis(command: Sequence[str], core: int) -> Iterator[int]:
    """A Redis on a port of its own, which is given."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        options = ("--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", folder)
        server = Pinned([*command, *options], core, log=Path(folder) / "log")
        try:
            _wait_for(port)
            yield port
        finally:
            server.stop()


def _wait_for(port: int) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise BenchError("Redis does not start.")


def main() -> int:
    """Prints the table."""
    command = sys.argv[1:] or ["redis-server"]
    try:
        if not shutil.which(command[0]):
            raise BenchError(f"'{command[0]}' is not there: install Redis, or name its command.")
        router_core, redis_core = two_cores()
        os.sched_setaffinity(0, {router_core})
        with _redis(command, redis_core) as port:
            uvloop.run(_table(port, router_core))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
