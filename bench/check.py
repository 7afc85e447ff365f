"""Checks the bench's own tools: does the load generator see what the mock upstream does?

Each case asks the upstream for something by the name of the model, directly or through nginx
where it is installed, and says what the load generator has to count.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import BenchError, UnavailableError, bodies
from harness.load import Generator, Result, Shape, free_port, upstream
from harness.process import two_cores
from harness.session import start
from harness.targets import nginx

_REQUESTS = 40


@dataclass(frozen=True)
class _Case:
    name: str
    model: str
    stream: bool
    expected: Result
    rate: float | None = None
    large: bool = False
    asks_stream: bool | None = None  # where it is not what the load generator expects
    path: str = "/v1/chat/completions"


_CASES = (
    _Case("whole", "gpt-4o", False, {"ok": 40, "failed": 0, "statuses": {"200": 40}}),
    _Case("whole, 100 KB", "gpt-4o", False, {"ok": 40, "failed": 0}, large=True),
    _Case("open loop", "gpt-4o", False, {"ok": 40, "failed": 0}, rate=200),
    _Case("late", "gpt-4o-w50", False, {"ok": 40, "failed": 0}),
    _Case("error", "gpt-4o-e429", False, {"ok": 0, "failed": 40, "statuses": {"429": 40}}),
    _Case("stream", "gpt-4o-n7-d5", True, {"ok": 40, "failed": 0, "chunks": 400}),
    _Case("stream at once", "gpt-4o-n100-d0", True, {"ok": 40, "failed": 0, "chunks": 4120}),
    _Case("messages", "claude", False, {"ok": 40, "failed": 0}, path="/v1/messages"),
    _Case("responses", "gpt-5", False, {"ok": 40, "failed": 0}, path="/v1/responses"),
    _Case("stream of messages", "claude-n7", True, {"ok": 40, "chunks": 480}, path="/v1/messages"),
    _Case(
        "stream of a response", "gpt-5-n7", True, {"ok": 40, "chunks": 520}, path="/v1/responses"
    ),
    _Case("error for a stream", "gpt-4o-e500", True, {"ok": 0, "failed": 40}),
    _Case("cut stream", "gpt-4o-n7-d1-k3", True, {"ok": 0, "failed": 40, "chunks": 120}),
    # A whole answer where a stream was expected: there is no fault but that [DONE] is missing.
    _Case("no stream", "gpt-4o", True, {"ok": 0, "incomplete": 40}, asks_stream=False),
)


def main() -> int:
    """Runs every case; ends with 1 if a count is wrong."""
    failures = 0
    try:
        core, load_core = two_cores()
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            generator = Generator(load_core, folder)
            with upstream(load_core, folder) as port:
                failures += _check_all("direct", folder, generator, port)
                with _proxy(folder, core, port) as proxy_port:
                    if proxy_port:
                        failures += _check_all("nginx", folder, generator, proxy_port)
            refused = _send(folder, generator, free_port(), _CASES[0])
            failures += _report("nobody listens", refused, {"ok": 0, "refused": 40})
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print("all good" if not failures else f"{failures} wrong")
    return 1 if failures else 0


@contextmanager
def _proxy(folder: Path, core: int, upstream_port: int) -> Iterator[int | None]:
    try:
        target = nginx(folder, upstream_port)
    except UnavailableError as error:
        print(f"nginx: left out: {error}")
        yield None
        return
    process, _ = start(target, core, folder / "output.log")
    try:
        yield target.port
    finally:
        process.stop()


def _check_all(way: str, folder: Path, generator: Generator, port: int) -> int:
    return sum(
        _report(f"{way}: {case.name}", _send(folder, generator, port, case), case.expected)
        for case in _CASES
    )


def _send(folder: Path, generator: Generator, port: int, case: _Case) -> Result:
    body = json.loads(bodies.large() if case.large else bodies.small())
    asks_stream = case.stream if case.asks_stream is None else case.asks_stream
    body |= {"model": case.model, "stream": asks_stream}
    (folder / "case.json").write_text(json.dumps(body))
    shape = Shape("case", 8, _REQUESTS, 20, rate=case.rate, stream=case.stream, path=case.path)
    return generator.count(port, {}, shape)


def _report(name: str, result: Result, expected: Result) -> bool:
    wrong = {key: result[key] for key, value in expected.items() if result[key] != value}
    print(f"{name}: {f'{wrong} instead of {expected}' if wrong else 'good'}")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
