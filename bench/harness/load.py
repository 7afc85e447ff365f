"""Runs the load generator, and the mock upstream beside it on the same core."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import BenchError
from harness.build import build
from harness.process import Pinned

Result = dict[str, Any]
"""What load.c prints."""

_START_SECONDS = 5


@dataclass(frozen=True)
class Shape:
    """What is sent, and how; see load.c.

    Attributes:
        body: name of a body in `harness.bodies`.
        connections: how many at most.
        requests: how many at most.
        seconds: no request is begun later.
        rate: requests a second, whatever becomes of them; None for a closed loop.
        stream: whether the answers are streams.
        gap_ms: how long after each other the connections of a closed loop begin.
        path: where it is sent.
    """

    body: str
    connections: int
    requests: int
    seconds: float
    rate: float | None = None
    stream: bool = False
    gap_ms: float = 0
    path: str = "/v1/chat/completions"

    def arguments(self) -> list[str]:
        """The options of the load generator."""
        arguments = ["-u", self.path, "-c", self.connections, "-n", self.requests]
        arguments += ["-t", self.seconds]
        if self.rate:
            arguments += ["-r", self.rate]
        if self.stream:
            arguments.append("-s")
        return [str(argument) for argument in [*arguments, "-g", self.gap_ms]]


class Generator:
    """The load generator, on its core."""

    def __init__(self, core: int, bodies: Path) -> None:
        self._program = build("load")
        self._core = core
        self._bodies = bodies

    def start(self, port: int, headers: Mapping[str, str], shape: Shape) -> subprocess.Popen[str]:
        """Begins to send; `result` waits for the end."""
        command = [str(self._program), "-p", str(port)]
        for name, value in headers.items():
            command += ["-H", f"{name}: {value}"]
        command += ["-b", str(self._bodies / f"{shape.body}.json"), *shape.arguments()]
        return subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {self._core}),  # noqa: PLW1509 - no threads
        )

    def result(self, running: subprocess.Popen[str]) -> Result:
        """What came of it.

        Raises:
            BenchError: not one request was answered well, so there is nothing to measure.
        """
        result = _read(running)
        if not result["ok"]:
            raise BenchError(f"No request was answered well: {result}")
        return result

    def run(self, port: int, headers: Mapping[str, str], shape: Shape) -> Result:
        """Sends, and waits for the end; raises as `result`."""
        return self.result(self.start(port, headers, shape))

    def count(self, port: int, headers: Mapping[str, str], shape: Shape) -> Result:
        """Sends, and waits for the end, be it good or bad."""
        return _read(self.start(port, headers, shape))


def _read(running: subprocess.Popen[str]) -> Result:
    output, _ = running.communicate()
    if running.returncode:
        raise BenchError(f"The load generator ended with code {running.returncode}.")
    result: Result = json.loads(output)
    return result


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def upstream(core: int, folder: Path) -> Iterator[int]:
    """The mock upstream, running; gives its port."""
    port = free_port()
    process = Pinned([build("upstream"), str(port)], core, log=folder / "upstream.log")
    try:
        _wait_for(port, process)
        yield port
    finally:
        process.stop()


def _wait_for(port: int, process: Pinned) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and not process.ended():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    raise BenchError(f"The mock upstream does not listen: {process.log.read_text().strip()}")
