"""How long the download of a file takes that a vendor keeps, beside nginx; see README.md.

All take turns: the router, nginx in its place, and the vendor asked directly. What counts is the
median of the ratios within turns, as a machine's speed wanders. The vendor is nginx, too.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import BenchError
from harness.load import free_port
from harness.process import Pinned, two_cores
from harness.session import start
from harness.targets import TARGETS, Target

_PATH = "/v1/files/file-large/content"
_READ_BYTES = 1024 * 1024
_TIMEOUT = 60
_PASSED = '\n[passthrough]\nprovider = "bench"\n'
_VENDOR_CONF = """\
worker_processes 1;
daemon off;
pid {folder}/vendor.pid;
error_log {folder}/vendor.log warn;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    client_body_temp_path {folder}/vendor-body;
    proxy_temp_path {folder}/vendor-proxy;
    fastcgi_temp_path {folder}/vendor-fastcgi;
    uwsgi_temp_path {folder}/vendor-uwsgi;
    scgi_temp_path {folder}/vendor-scgi;
    server {{
        listen 127.0.0.1:{port};
        location = {path} {{ alias {folder}/large; default_type application/octet-stream; }}
        location = /v1/chat/completions {{
            default_type application/json;
            return 200 '{{"id": "c", "object": "chat.completion", "choices": [{choice}]}}';
        }}
        location / {{
            default_type application/json;
            return 200 '{{"id": "file-large", "object": "file", "bytes": 1, "purpose": "x"}}';
        }}
    }}
}}
"""

_CHOICE = '{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}'


def main() -> int:
    """Measures, and prints a row for each target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=50, help="of the file")
    parser.add_argument("--turns", type=int, default=15)
    arguments = parser.parse_args()
    try:
        measured = _measure(arguments.megabytes * 1_000_000, arguments.turns)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print("| target | ms, median | ms, least | of nginx' | CPU ms | MB, added |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, each in measured.items():
        pairs = zip(each.walls, measured["nginx"].walls, strict=True)
        ratio = statistics.median(wall / other for wall, other in pairs)
        added = max(each.memory) - each.memory[0]
        print(
            f"| {name} | {statistics.median(each.walls):.0f} | {min(each.walls):.0f} "
            f"| {ratio:.2f} | {statistics.median(each.cpu):.0f} | {added:.1f} |"
        )
    return 0


@dataclass
class _Measured:
    """One target, and what its downloads took: wall times and CPU time in ms, memory in MB."""

    target: Target
    process: Pinned
    walls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def download(self, size: int) -> None:
        """Measures one more."""
        began = self.process.cpu_seconds()
        self.walls.append(_download(self.target, size))
        self.cpu.append((self.process.cpu_seconds() - began) * 1000)
        self.memory.append(self.process.pss_mb())


def _measure(size: int, turns: int) -> Mapping[str, _Measured]:
    """All targets, by name."""
    core, load_core = two_cores()
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as running:
        folder, port = Path(temporary), free_port()
        vendor = _vendor(folder, port, size, load_core)
        running.callback(vendor.stop)
        measured = {"direct": _Measured(Target(port, ()), vendor)}
        for name in ("nginx", "router", *(("before",) if "BENCH_BEFORE" in os.environ else ())):
            (folder / name).mkdir()
            target = TARGETS[name](folder / name, port)
            config = folder / name / "router.toml"
            if config.exists():
                config.write_text(config.read_text() + _PASSED)
            process, _ = start(target, core, folder / name / "output.log")
            running.callback(process.stop)
            measured[name] = _Measured(target, process)
            _send_file(target)
        os.sched_setaffinity(0, {load_core})
        for each in measured.values():
            _download(each.target, size)  # once before it counts
            each.memory.append(each.process.pss_mb())
        for turn in range(turns):
            for each in list(measured.values())[:: 1 if turn % 2 else -1]:
                each.download(size)
        return measured


def _vendor(folder: Path, port: int, size: int, core: int) -> Pinned:
    """A server of the file, and of a response that starts a target."""
    folder.chmod(0o755)  # the worker of nginx may be another user
    (folder / "large").write_bytes(os.urandom(size))
    config = folder / "vendor.conf"
    config.write_text(_VENDOR_CONF.format(folder=folder, port=port, path=_PATH, choice=_CHOICE))
    log = folder / "vendor.log"
    return Pinned(("nginx", "-c", config, "-e", log), core, log=log)


def _send_file(target: Target) -> None:
    """Makes the file its sender's.

    Raises:
        BenchError: it was not taken.
    """
    form = (
        b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nx\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nx\r\n--b--\r\n'
    )
    lines = f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(form)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", target.port), _TIMEOUT) as connection:
        connection.sendall(_head(target, "POST", "/v1/files") + lines.encode() + form)
        answer = connection.recv(_READ_BYTES)
    if b" 200 " not in answer.partition(b"\r\n")[0]:
        raise BenchError(f"the file was not taken: {answer!r}")


def _head(target: Target, method: str, path: str) -> bytes:
    headers = {"Host": "127.0.0.1", "Connection": "close", **target.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}".encode()


def _download(target: Target, size: int) -> float:
    """How long it takes in ms.

    Raises:
        BenchError: what came is not whole.
    """
    buffer, count = memoryview(bytearray(_READ_BYTES)), 0
    began = time.perf_counter()
    with socket.create_connection(("127.0.0.1", target.port), _TIMEOUT) as connection:
        connection.sendall(_head(target, "GET", _PATH) + b"\r\n")
        while taken := connection.recv_into(buffer):
            count += taken
    if count < size:
        raise BenchError(f"{count} of {size} bytes came: {bytes(buffer[:200])!r}")
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
