"""How long downloads and uploads of files take that a vendor keeps, beside nginx; see README.md.

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
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import BenchError
from harness.load import free_port
from harness.process import Pinned, two_cores
from harness.session import start
from harness.targets import TARGETS, Target, nginx_command

_PATH = "/v1/files/file-large/content"
_READ_BYTES = 1024 * 1024
_TIMEOUT = 60
_PASSED = '\n[passthrough]\nprovider = "bench"\n'
_VENDOR = """\
    client_body_buffer_size 64m;
    server {{
        listen 127.0.0.1:{port};
        location = {path} {{ alias {folder}/large; default_type application/octet-stream; }}
        location = /v1/files {{
            proxy_pass http://127.0.0.1:{port}/made;  # once it has the body, which it keeps
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }}
        location = /v1/chat/completions {{
            default_type application/json;
            return 200 '{{"id": "c", "object": "chat.completion", "choices": [{choice}]}}';
        }}
        location / {{
            default_type application/json;
            return 200 '{{"id": "file-large", "object": "file", "bytes": 1, "purpose": "x"}}';
        }}
    }}
"""

_CHOICE = '{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}'


def main() -> int:
    """Measures, and prints a row for each target, by what is transferred."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--download", type=int, default=50, help="MB of the file that is read")
    parser.add_argument("--upload", type=int, default=20, help="MB of the file that is sent")
    parser.add_argument("--turns", type=int, default=15)
    arguments = parser.parse_args()
    down, up = arguments.download * 1_000_000, arguments.upload * 1_000_000
    try:
        for title, transfer in (("Downloads", _Download(down)), ("Uploads", _Upload(up))):
            _show(title, _measure(transfer, down, arguments.turns))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _show(title: str, measured: Mapping[str, _Measured]) -> None:
    print(f"\n{title}\n")
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


@dataclass
class _Measured:
    """One target, and what its transfers took: wall times and CPU time in ms, memory in MB."""

    target: Target
    process: Pinned
    walls: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    def measure(self, transfer: Callable[[Target], None]) -> None:
        """Measures one more."""
        cpu, began = self.process.cpu_seconds(), time.perf_counter()
        transfer(self.target)
        self.walls.append((time.perf_counter() - began) * 1000)
        self.cpu.append((self.process.cpu_seconds() - cpu) * 1000)
        self.memory.append(self.process.pss_mb())


def _measure(transfer: Callable[[Target], None], size: int, turns: int) -> Mapping[str, _Measured]:
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
            _Upload(1)(target)  # so that the file is its sender's
        running.callback(os.sched_setaffinity, 0, os.sched_getaffinity(0))
        os.sched_setaffinity(0, {load_core})
        for each in measured.values():
            transfer(each.target)  # once before it counts
            each.memory.append(each.process.pss_mb())
        for turn in range(turns):
            for each in list(measured.values())[:: 1 if turn % 2 else -1]:
                each.measure(transfer)
        return measured


def _vendor(folder: Path, port: int, size: int, core: int) -> Pinned:
    """A server of the file, and of a response that starts a target."""
    folder.chmod(0o755)  # the worker of nginx may be another user
    (folder / "large").write_bytes(os.urandom(size))
    http = _VENDOR.format(folder=folder, port=port, path=_PATH, choice=_CHOICE)
    return Pinned(nginx_command(folder, http), core, log=folder / "error.log")


class _Download:
    """Reads the file of the vendor.

    Args:
        size: of it, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._buffer = memoryview(bytearray(_READ_BYTES))

    def __call__(self, target: Target) -> None:
        count = 0
        with socket.create_connection(("127.0.0.1", target.port), _TIMEOUT) as connection:
            connection.sendall(_head(target, "GET", _PATH) + b"\r\n")
            while taken := connection.recv_into(self._buffer):
                count += taken
        if count < self._size:
            raise BenchError(f"{count} bytes came: {bytes(self._buffer[:200])!r}")


class _Upload:
    """Sends a file by a form, as SDKs do.

    Args:
        size: of it, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._form = (
            b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nx\r\n'
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
            + b"x" * size
            + b"\r\n--b--\r\n"
        )

    def __call__(self, target: Target) -> None:
        type_ = "Content-Type: multipart/form-data; boundary=b\r\n"
        lines = f"{type_}Content-Length: {len(self._form)}\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", target.port), _TIMEOUT) as connection:
            connection.sendall(_head(target, "POST", "/v1/files") + lines)
            connection.sendall(self._form)
            answer = connection.recv(_READ_BYTES)
        if b" 200 " not in answer.partition(b"\r\n")[0]:
            raise BenchError(f"the file was not taken: {answer!r}")


def _head(target: Target, method: str, path: str) -> bytes:
    headers = {"Host": "127.0.0.1", "Connection": "close", **target.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{method} {path} HTTP/1.1\r\n{lines}".encode()


if __name__ == "__main__":
    sys.exit(main())
