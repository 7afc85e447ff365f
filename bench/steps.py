"""Counts what a call does in Python: steps of byte code, and calls of functions.

`python bench/steps.py [small|large|paced|responses_kept|...] [--top N]`; endpoints have the names
of the scenario `endpoints`. The router runs in this process, behind its own front and before its
own client, between the load generator and the mock upstream. Counts are the same on a busy machine,
where times are not: 1,000 steps take some 7 us. What threads do is not among them, nor what is done
in C, such as parsers, sockets and the event loop.

A stream has its own count and that of its chunks apart, by two lengths of streams.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from harness import BenchError, bodies
from harness.in_process import serving_router
from harness.load import Generator, Shape, upstream
from harness.process import two_cores
from harness.scenarios import ENDPOINTS

_CALLS = 300
_SHAPES = {
    "small": Shape("small", 16, _CALLS, 600),
    "large": Shape("large", 8, _CALLS, 600),
    "paced": Shape("paced", 1, 6, 600, stream=True),
    "burst": Shape("burst", _CALLS, _CALLS, 600, stream=True),
    **{
        name: Shape(whole, 16, _CALLS, 600, path=path)
        for name, (path, whole, _) in ENDPOINTS.items()
    },
    **{
        f"{name}-paced": Shape(paced, 1, 10, 600, stream=True, path=path)
        for name, (path, _, paced) in ENDPOINTS.items()
    },
}


class Steps:
    """Counts steps and calls of this thread by function, while it is on.

    Attributes:
        steps: of byte code.
        calls: of functions; a coroutine is called again when it goes on.
    """

    def __init__(self) -> None:
        self.steps: Counter[CodeType] = Counter()
        self.calls: Counter[CodeType] = Counter()

    @contextmanager
    def on(self) -> Iterator[None]:
        """Counts meanwhile."""
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)

    def _enter(self, frame: FrameType, _event: str, _argument: object) -> Callable[..., Any]:
        self.calls[frame.f_code] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return self._step

    def _step(self, frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
        if event == "opcode":
            self.steps[frame.f_code] += 1
        return self._step


def main() -> int:
    """Counts, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("shape", nargs="?", default="small", choices=_SHAPES)
    parser.add_argument("--top", type=int, default=40, help="how many functions to show")
    arguments = parser.parse_args()
    try:
        counted, units = _count(_SHAPES[arguments.shape])
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print("| steps | calls | function |\n| --- | --- | --- |")
    for code, steps in counted.steps.most_common(arguments.top):
        print(f"| {steps / units:.1f} | {counted.calls[code] / units:.2f} | {_name(code)} |")
    steps, calls = counted.steps.total() / units, counted.calls.total() / units
    print(f"\n{steps:.0f} steps and {calls:.1f} calls of functions, of {units} {arguments.shape}.")
    return 0


def _count(shape: Shape) -> tuple[Steps, int]:
    """What load of a shape makes the router do, and how many calls or chunks that were."""
    _, load_core = two_cores()
    steps = Steps()
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        bodies.write_all(folder)
        generator = Generator(load_core, folder)
        with upstream(load_core, folder) as port, serving_router(folder, port) as router:

            async def send() -> dict[str, Any]:
                running = generator.start(router.target.port, router.target.headers, shape)
                return await asyncio.to_thread(generator.result, running)

            router.loop.run_until_complete(send())  # finds the key, and opens connections
            with steps.on():
                result = router.loop.run_until_complete(send())
    return steps, result["chunks"] or result["ok"]


def _name(code: CodeType) -> str:
    path = Path(code.co_filename)
    return f"{code.co_qualname} ({'/'.join(path.parts[-3:])}:{code.co_firstlineno})"


if __name__ == "__main__":
    sys.exit(main())
