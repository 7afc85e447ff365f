"""One started target: it is sent load, and what that costs it is recorded."""

from __future__ import annotations

import http.client
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness import BenchError, bodies
from harness.load import Generator, Result, Shape
from harness.process import CALIBRATED_MS, Pinned, calibrate
from harness.targets import Target

_START_SECONDS = 90
_POLL_SECONDS = 0.01
_LOG_LINES = 8


@dataclass
class Record:
    """What was measured of one target, over all rounds.

    Attributes:
        figures: by name, one value for each window; CPU figures are normalised.
        calibration_ms: what the calibration loop took around each window.
        faults: answers that were not good, and whatever else spoils a figure, in words.
    """

    figures: dict[str, list[float]] = field(default_factory=dict)
    calibration_ms: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, name: str, value: float) -> None:
        """Adds one window's value of a figure."""
        self.figures.setdefault(name, []).append(value)


@dataclass(frozen=True)
class Window:
    """One window of load: what came back, and the target's CPU time for it, normalised."""

    result: Result
    cpu_seconds: float

    def cpu_ms_a_request(self) -> float:
        """CPU time over all requests that were answered, well or not."""
        return self.cpu_seconds * 1000 / (self.result["ok"] + self.result["failed"])

    def cpu_us_a_chunk(self) -> float:
        """CPU time over all chunks; what a request costs besides them is included."""
        return self.cpu_seconds * 1e6 / self.result["chunks"]


class Session:
    """A target that runs."""

    def __init__(
        self, target: Target, process: Pinned, core: int, generator: Generator, record: Record
    ) -> None:
        self.target = target
        self.process = process
        self.record = record
        self.generator = generator
        self.served = 0
        self._core = core

    def send(self, shape: Shape) -> Result:
        """Sends load, and takes note of answers that were not good."""
        running = self.generator.start(self.target.port, self.target.headers, shape)
        return self.take(shape, self.generator.result(running))

    def take(self, shape: Shape, result: Result) -> Result:
        """Counts what load that was started elsewhere has come to."""
        self.served += result["ok"]
        if result["failed"] or result["unfinished"]:
            self.record.faults.append(
                f"{shape.body}: of {result['ok'] + result['failed']} answers {result['failed']} "
                f"were not good, {result['unfinished']} did not come; by status: "
                f"{result['statuses']}"
            )
        return result

    def measure(self, shape: Shape) -> Window:
        """Sends load, and measures the CPU time that the target takes for it."""
        speed_before, cpu_before = calibrate(self._core), self.process.cpu_seconds()
        result = self.send(shape)
        cpu = self.process.cpu_seconds() - cpu_before
        speed = (speed_before + calibrate(self._core)) / 2
        self.record.calibration_ms.append(speed)
        return Window(result, cpu * CALIBRATED_MS / speed)


def start(target: Target, core: int, log: Path) -> tuple[Pinned, float]:
    """Starts a target; gives it, and the seconds until it first answered with 200.

    Raises:
        BenchError: it ended, or does not answer.
    """
    started = time.monotonic()
    process = Pinned(target.command, core, log=log, env=target.env, cwd=target.cwd)
    status: int | None = None
    while time.monotonic() - started < _START_SECONDS and not process.ended():
        status = _ask(target)
        if status == 200:
            return process, time.monotonic() - started
        time.sleep(_POLL_SECONDS)
    process.stop()
    last_lines = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_LINES:])
    raise BenchError(f"it does not serve (last status: {status}). Its log ends:\n{last_lines}")


def _ask(target: Target) -> int | None:
    """The status of one request, or None where there was no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=10)
    headers = {"Content-Type": "application/json", **target.headers}
    try:
        connection.request("POST", "/v1/chat/completions", bodies.small(), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
