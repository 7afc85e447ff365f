"""Says whether a change costs a call or a chunk more than 5 %: `make bench-gate`.

Two routers run on one core, this checkout's and the one before, and serve in turn, a second at a
time; what counts is the median of the ratios of such pairs. A machine's speed wanders far more
than 5 % within minutes, but little between two seconds.

The one before is the parent of the newest commit, on the same libraries; or another that is
installed, if `BENCH_BEFORE` is the path of its `tornado-router`. Ends with 1 if it costs more.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import BENCH, BenchError, bodies
from harness.load import Generator, Shape, upstream
from harness.process import two_cores
from harness.session import Record, Session, Window, start
from harness.targets import TARGETS

MOST = 1.05
"""Times the processor time of the one before that is let pass."""

_NOW, _BEFORE = "router", "before"
_WARM = Shape("small", 16, 3000, 6)
_WARM_LARGE = Shape("large", 8, 300, 6)
_WARM_STREAMS = Shape("saturated", 8, 100, 5, stream=True)
_ROOT = BENCH.parent

_FIGURES: Mapping[str, tuple[Shape, Callable[[Window], float]]] = {
    "a call of 1 KB": (Shape("small", 16, 10**6, 0.8), Window.cpu_ms_a_request),
    "a call of 100 KB": (Shape("large", 8, 10**6, 0.8), Window.cpu_ms_a_request),
    "a chunk": (Shape("paced", 20, 20, 10, stream=True), Window.cpu_us_a_chunk),
}


def main() -> int:
    """Measures, and prints a line for each figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=15, help="of windows, for each figure")
    arguments = parser.parse_args()
    try:
        with _router_before() as (program, name):
            os.environ["BENCH_BEFORE"] = str(program)
            ratios = _measure(arguments.pairs)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    dearer = {figure for figure, values in ratios.items() if statistics.median(values) > MOST}
    for figure, values in ratios.items():
        low, _, high = statistics.quantiles(values, n=4)
        verdict = f"more than {MOST:.2f}" if figure in dearer else "good"
        print(
            f"{figure}: {statistics.median(values):.3f} times the processor time of {name} "
            f"(half of the pairs: {low:.3f} to {high:.3f}): {verdict}"
        )
    return 1 if dearer else 0


def _measure(pairs: int) -> dict[str, list[float]]:
    """For each figure, what it costs now as a multiple of before, by pairs of windows."""
    core, load_core = two_cores()
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as running:
        folder = Path(temporary)
        bodies.write_all(folder)
        generator = Generator(load_core, folder)
        port = running.enter_context(upstream(load_core, folder))
        sessions = {}
        for name in (_NOW, _BEFORE):
            (folder / name).mkdir()
            target = TARGETS[name](folder / name, port)
            process, _ = start(target, core, folder / name / "output.log")
            running.callback(process.stop)
            session = sessions[name] = Session(target, process, core, generator, Record())
            for shape in (_WARM, _WARM_LARGE, _WARM_STREAMS):
                session.send(shape)
        return {
            figure: [_ratio(sessions, shape, cost, number) for number in range(pairs)]
            for figure, (shape, cost) in _FIGURES.items()
        }


def _ratio(
    sessions: Mapping[str, Session], shape: Shape, cost: Callable[[Window], float], number: int
) -> float:
    """What one of the pairs says; each router is first in every other."""
    names = (_NOW, _BEFORE) if number % 2 else (_BEFORE, _NOW)
    costs = {name: cost(sessions[name].measure(shape)) for name in names}
    return costs[_NOW] / costs[_BEFORE]


@contextmanager
def _router_before() -> Iterator[tuple[Path, str]]:
    """The program of the router to compare with, and what it is called."""
    given = os.environ.get("BENCH_BEFORE")
    if given:
        yield Path(given), given
        return
    with tempfile.TemporaryDirectory(prefix="bench-before-") as name:
        tree, program = Path(name) / "tree", Path(name) / "tornado-router"
        commit = _git("rev-parse", "--short", "HEAD~1")
        _git("worktree", "add", "--detach", str(tree), commit)
        try:
            packages = [tree, *(path.parent for path in tree.glob("plugins/*/setup.py"))]
            path = shlex.quote(os.pathsep.join(map(str, packages)))
            python = shlex.quote(sys.executable)
            program.write_text(
                f'#!/bin/sh\nPYTHONPATH={path} exec {python} -m tornado_router.cli "$@"\n'
            )
            program.chmod(0o755)
            yield program, commit
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(_ROOT), *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"git {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
