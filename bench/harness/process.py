"""Processes that are pinned to a core, and what they cost: CPU time and memory, from Linux."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness import BenchError

CALIBRATED_MS = 4.0
"""CPU figures are given as if the calibration loop took so long, whatever it really took."""

_CALIBRATION_STEPS = 200_000
_STOP_SECONDS = 8


def two_cores() -> tuple[int, int]:
    """The core of the target, and the one of everything else.

    Raises:
        BenchError: there is one core only, or this is not Linux.
    """
    if not hasattr(os, "sched_getaffinity"):
        raise BenchError("The bench pins processes to cores and reads /proc, so it needs Linux.")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise BenchError("The bench needs two cores: one for the target, one for the load.")
    return cores[0], cores[1]


class Pinned:
    """A command on one core, in a session of its own, so that all its children are known."""

    def __init__(
        self,
        command: Sequence[str | Path],
        core: int,
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**_environment(), **(env or {})},
                cwd=cwd,
                start_new_session=True,
                # Before exec, so that no thread can begin anywhere else.
                preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509 - no threads
            )

    def ended(self) -> bool:
        """Whether the command itself has ended."""
        return self._process.poll() is not None

    def cpu_seconds(self) -> float:
        """User and system time so far, of the command and all its children that live.

        Read from the clock that Linux keeps for every process: it is what utime + stime in /proc
        are made of, in ns where those have steps of 10 ms.
        """
        total = 0.0
        for pid in self._members():
            with contextlib.suppress(OSError):  # it ended meanwhile
                total += time.clock_gettime(_cpu_clock(pid))
        return total

    def pss_mb(self) -> float:
        """Memory in MB, pages that are shared with others counted by share."""
        kilobytes = 0
        for pid in self._members():
            with contextlib.suppress(OSError):
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                kilobytes += int(rollup.split("\nPss:", 1)[1].split(None, 1)[0])
        return kilobytes / 1024

    def stop(self) -> None:
        """Ends the command and its children, politely first."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def _members(self) -> Iterator[int]:
        for folder in os.listdir("/proc"):
            if folder.isdigit():
                with contextlib.suppress(ProcessLookupError):
                    if os.getsid(int(folder)) == self._process.pid:
                        yield int(folder)


def _environment() -> dict[str, str]:
    """This process's, but Python keeps what it compiles, as it does of an installed package."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _cpu_clock(pid: int) -> int:
    """The clock id that clock_getcpuclockid(3) gives; Python offers it for threads only."""
    return (~pid << 3) | 2


def calibrate(core: int) -> float:
    """How long a fixed loop of Python takes on a core just now, in ms of CPU time.

    The speed of a shared machine's core wanders by a factor of two within minutes. The loop is
    timed by the clock that the target is measured by, so neighbours on the core do not count,
    while a slower core does.
    """
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return statistics.median(_time_loop() for _ in range(5))
    finally:
        os.sched_setaffinity(0, before)


def _time_loop() -> float:
    started = time.process_time()
    total = 0
    for step in range(_CALIBRATION_STEPS):
        total += step
    return (time.process_time() - started) * 1000
