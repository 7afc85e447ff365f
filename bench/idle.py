"""What idle connections take of a router's memory and processor, for each front.

    python bench/idle.py [COUNT]

Every connection has sent a request and waits with the next, as those of an SDK's pool do. The
kernel's part is not counted. The limit of open files has to allow twice as many (`ulimit -n`).
"""

from __future__ import annotations

import argparse
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

from harness import BenchError
from harness.load import free_port
from harness.process import Pinned, two_cores

_ROUTER_TOML = """\
[server]
port = {port}
http = "{http}"
max_connections = 100000
max_connections_per_address = 100000
[providers.echo]
type = "echo"
models = ["echo"]
"""
_REQUEST = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
_TIMEOUT = 20
_POLL_SECONDS = 0.1
_IDLE_SECONDS = 5


def _connect(port: int) -> socket.socket:
    """A connection whose first request was served."""
    sock = socket.create_connection(("127.0.0.1", port), _TIMEOUT)
    sock.sendall(_REQUEST)
    if not sock.recv(65_536).startswith(b"HTTP/1.1 200 "):
        raise BenchError("the router refuses requests")
    return sock


def _wait_for(process: Pinned, port: int) -> None:
    """Waits until the router serves."""
    while not process.ended():
        try:
            _connect(port).close()
            return
        except ConnectionError:
            time.sleep(_POLL_SECONDS)
    raise BenchError("the router does not serve")


def _costs(process: Pinned, port: int, count: int) -> tuple[float, float]:
    """When so many are open: what one takes, in KB, and all of them in CPU ms a second."""
    warm = [_connect(port) for _ in range(count // 10)]
    before = process.pss_mb()
    open_ones = [_connect(port) for _ in range(count)]
    after = process.pss_mb()
    cpu = process.cpu_seconds()
    time.sleep(_IDLE_SECONDS)
    cpu = process.cpu_seconds() - cpu
    for sock in (*warm, *open_ones):
        sock.close()
    return (after - before) * 1024 / count, cpu * 1000 / _IDLE_SECONDS


def main() -> int:
    """Prints a line for each front."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=10_000)
    count = parser.parse_args().count
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    core, _ = two_cores()
    program = Path(sys.executable).parent / "tornado-router"
    for http in ("llhttp", "tornado"):
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder, port = Path(name), free_port()
            config = folder / "router.toml"
            config.write_text(_ROUTER_TOML.format(port=port, http=http))
            command = (program, "serve", "--config", config)
            process = Pinned(command, core, log=folder / "output.log", cwd=folder)
            try:
                _wait_for(process, port)
                each, cpu = _costs(process, port, count)
            finally:
                process.stop()
        print(
            f"{http}: {each:.1f} KB for each of {count} idle connections, "
            f"{cpu:.1f} ms of CPU a second for all"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
