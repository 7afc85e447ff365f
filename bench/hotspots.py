"""Shows in which functions the router spends its time under load, by own time.

`python bench/hotspots.py [--stream] [--lines] [router|relay]`. It needs py-spy, which looks at the
process from outside, so nothing is slowed down, and a normal user may use it on what it started.
Calls into C (orjson, aiohttp's parser, sockets) count for the Python line that makes them.

It is not called `profile`: a module of that name beside the scripts would hide Python's own.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness import BenchError, bodies
from harness.load import Generator, Shape, upstream
from harness.process import Pinned, two_cores
from harness.session import start
from harness.targets import TARGETS, Target

_TARGETS = ("router", "relay")
_SAMPLES_A_SECOND = 400
_WARM_SECONDS = 4
_WRITE_SECONDS = 20

_FRAME = re.compile(r"(?P<function>.*) \((?P<file>.*?)(:(?P<line>\d+))?\)")
_EVENT_LOOP = "(asyncio/runners.py"
"""In the stack of everything that happens once the server runs; imports are not."""


def main() -> int:
    """Profiles one target and prints its table."""
    arguments = _parse_arguments()
    try:
        stacks = _record(arguments.target, arguments.stream, arguments.seconds)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    own_time = _own_time(stacks)
    print(_table(_by(own_time, _package), arguments.top))
    print(_table(_by(own_time, _line if arguments.lines else _function), arguments.top))
    print(f"{own_time.total()} samples.")
    return 0


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", nargs="?", default="router", choices=_TARGETS)
    parser.add_argument("--stream", action="store_true", help="streams, not whole answers")
    parser.add_argument("--lines", action="store_true", help="by line, not by function")
    parser.add_argument("--seconds", type=float, default=12)
    parser.add_argument("--top", type=int, default=30, help="how many to show")
    return parser.parse_args()


def _record(name: str, stream: bool, seconds: float) -> str:
    """Runs a target under py-spy and load; gives its stacks, one a line with their counts."""
    spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if not spy:
        raise BenchError("This needs py-spy: pip install py-spy.")
    core, load_core = two_cores()
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        bodies.write_all(folder)
        stacks = folder / "stacks.txt"
        with upstream(load_core, folder) as port:
            target = _spied(TARGETS[name](folder, port), spy, seconds + _WARM_SECONDS, stacks)
            process, _ = start(target, core, folder / "output.log")
            try:
                shape = Shape("small", 16, 10**6, seconds)
                if stream:
                    shape = Shape("saturated", 8, 10**5, seconds, stream=True)
                Generator(load_core, folder).run(target.port, target.headers, shape)
                _wait_for_end(process)
            finally:
                process.stop()
        return stacks.read_text()


def _spied(target: Target, spy: str, seconds: float, stacks: Path) -> Target:
    """The same target as a child of py-spy, which may then look into it without being root."""
    options = ["--format", "raw", "--output", str(stacks), "--rate", str(_SAMPLES_A_SECOND)]
    options += ["--duration", str(round(seconds))]
    return replace(target, command=(spy, "record", *options, "--", *target.command))


def _wait_for_end(process: Pinned) -> None:
    """Until py-spy has written its file and ended, target and all."""
    deadline = time.monotonic() + _WRITE_SECONDS
    while not process.ended() and time.monotonic() < deadline:
        time.sleep(0.1)
    if not process.ended():
        raise BenchError("py-spy did not end.")


def _own_time(stacks: str) -> Counter[str]:
    """Samples by the frame that was at the top of the stack."""
    samples: Counter[str] = Counter()
    for entry in stacks.splitlines():
        stack, _, count = entry.rpartition(" ")
        if _EVENT_LOOP in stack:
            samples[stack.rpartition(";")[2]] += int(count)
    return samples


def _by(samples: Counter[str], name: Callable[[str], str]) -> Counter[str]:
    """The same samples, added up by another name for their frames."""
    total: Counter[str] = Counter()
    for frame, count in samples.items():
        total[name(frame)] += count
    return total


def _line(frame: str) -> str:
    return frame


def _function(frame: str) -> str:
    match = _FRAME.fullmatch(frame)
    return f"{match['function']} ({match['file']})" if match else frame


def _package(frame: str) -> str:
    match = _FRAME.fullmatch(frame)
    return match["file"].partition("/")[0] if match else frame


def _table(samples: Counter[str], top: int) -> str:
    total = samples.total() or 1
    lines = ["| own time | where |", "| --- | --- |"]
    lines += [f"| {count / total:.1%} | {place} |" for place, count in samples.most_common(top)]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
