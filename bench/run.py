"""Measures the router beside other gateways and prints tables in Markdown; see README.md.

Ends with 1 when a target failed, or one that was named is not installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness import RESULTS, BenchError, UnavailableError, bodies, report
from harness.load import Generator, upstream
from harness.process import two_cores
from harness.scenarios import QUICK, SCENARIOS, SLOW_SCENARIOS, Plan, direct, warm_up
from harness.session import Record, Session, start
from harness.targets import TARGETS

_DEFAULT_TARGETS = ("router", "relay", "nginx")
_SETTLE_SECONDS = 1


class Bench:
    """One run over several targets.

    Attributes:
        records: what was measured, by target.
        absent: targets that are not installed, and why it is thought so.
        failed: targets that did not get through, and why.
    """

    def __init__(self, names: Sequence[str], scenarios: Sequence[str], plan: Plan) -> None:
        self.records: dict[str, Record] = {report.DIRECT: Record()}
        self.absent: dict[str, str] = {}
        self.failed: dict[str, str] = {}
        self._names = names
        self._scenarios = scenarios
        self._plan = plan
        self._core, self._load_core = two_cores()

    def run(self, rounds: int) -> None:
        """Measures all targets in turn, and again, so that a slow minute does not hit one only."""
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            bodies.write_all(folder)
            generator = Generator(self._load_core, folder)
            with upstream(self._load_core, folder) as port:
                for number in range(1, rounds + 1):
                    self._round(folder / f"round-{number}", port, generator)

    def _round(self, folder: Path, port: int, generator: Generator) -> None:
        if {"latency", "first-chunk", "burst"} & set(self._scenarios):
            direct(port, generator, self.records[report.DIRECT], self._plan)
        for name in self._names:
            if name in self.absent or name in self.failed:
                continue
            begun = time.monotonic()
            try:
                self._measure(name, folder / name, port, generator)
            except UnavailableError as error:
                self.absent[name] = str(error)
                _say(f"{name}: left out: {error}")
            except BenchError as error:
                self.failed[name] = str(error)
                _say(f"{name}: failed: {error}")
            else:
                _say(f"{name}: {time.monotonic() - begun:.0f} s")

    def _measure(self, name: str, folder: Path, port: int, generator: Generator) -> None:
        folder.mkdir(parents=True)
        with self._session(name, folder, port, generator) as session:
            warm_up(session, self._plan)
            for scenario in self._scenarios:
                SCENARIOS[scenario](session, self._plan)

    @contextmanager
    def _session(
        self, name: str, folder: Path, port: int, generator: Generator
    ) -> Iterator[Session]:
        """A target, started as often as the plan says and left running the last time."""
        target, log = TARGETS[name](folder, port), folder / "output.log"
        record = self.records.setdefault(name, Record())
        for _ in range(self._plan.starts - 1):
            process, seconds = start(target, self._core, log)
            process.stop()
            record.add("cold_start_s", seconds)
        process, seconds = start(target, self._core, log)
        try:
            record.add("cold_start_s", seconds)
            time.sleep(_SETTLE_SECONDS)
            record.add("idle_mb", process.pss_mb())
            yield Session(target, process, self._core, generator, record)
        finally:
            process.stop()


def main() -> int:
    """Runs the bench as the command line says."""
    arguments = _parse_arguments()
    names = arguments.targets or (list(TARGETS) if arguments.all else _DEFAULT_TARGETS)
    plan = QUICK if arguments.quick else Plan()
    begun = time.monotonic()
    try:
        bench = Bench(names, _scenarios(arguments), plan)
        bench.run(arguments.rounds)
    except BenchError as error:
        _say(str(error))
        return 1
    print(report.tables(bench.records))
    path = _write(bench, plan, arguments.rounds)
    _say(f"{time.monotonic() - begun:.0f} s in all; every window is in {path}")
    return 1 if bench.failed or set(bench.absent) & set(arguments.targets) else 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help=f"of {', '.join(TARGETS)}; by default {', '.join(_DEFAULT_TARGETS)}",
    )
    parser.add_argument("--all", action="store_true", help="every target that is installed")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"shorter and coarser, without {' and '.join(sorted(SLOW_SCENARIOS))}",
    )
    parser.add_argument("--rounds", type=int, default=1, help="all targets, so many times over")
    parser.add_argument(
        "--scenarios",
        default="",
        metavar="NAME,...",
        help=f"of {', '.join(SCENARIOS)}; by default all",
    )
    arguments = parser.parse_args()
    unknown = (set(arguments.targets) - set(TARGETS)) | (
        set(filter(None, arguments.scenarios.split(","))) - set(SCENARIOS)
    )
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return arguments


def _scenarios(arguments: argparse.Namespace) -> list[str]:
    """Those asked for, in the order in which they have to run."""
    asked = set(arguments.scenarios.split(",")) - {""}
    if not asked:
        asked = set(SCENARIOS) - (SLOW_SCENARIOS if arguments.quick else set())
    return [name for name in SCENARIOS if name in asked]


def _write(bench: Bench, plan: Plan, rounds: int) -> Path:
    """Writes every window's figures, and what they were measured on."""
    RESULTS.mkdir(exist_ok=True)
    when = datetime.now(UTC)
    result = {
        "when": when.isoformat(timespec="seconds"),
        "machine": _machine(),
        "rounds": rounds,
        "plan": asdict(plan),
        "targets": {name: asdict(record) for name, record in bench.records.items()},
        "absent": bench.absent,
        "failed": bench.failed,
    }
    path = RESULTS / f"{when:%Y-%m-%dT%H-%M-%S}.json"
    path.write_text(json.dumps(result, indent=1))
    return path


def _machine() -> dict[str, Any]:
    processors = Path("/proc/cpuinfo").read_text().splitlines()
    models = {line.split(": ", 1)[1] for line in processors if line.startswith("model name")}
    return {
        "processor": sorted(models),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
