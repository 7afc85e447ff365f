"""The scenarios: what is sent to a target, and which figures come of it.

To add one, write a function of a session and a plan, name it in `SCENARIOS`, and give its figures
a column in `harness.report`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from harness import BenchError
from harness.load import Generator, Result, Shape
from harness.session import Record, Session, Window

SERVED_REQUESTS = 20_000
"""Memory is read again when a target has answered so many."""

OPEN_STREAMS = 500

ENDPOINTS = {
    "chat": ("/v1/chat/completions", "small", "paced"),
    "messages": ("/v1/messages", "messages", "messages-paced"),
    "responses": ("/v1/responses", "responses", "responses-paced"),
    "messages_by_chat": ("/v1/messages", "messages-by-chat", "messages-by-chat-paced"),
    "responses_by_chat": ("/v1/responses", "responses-by-chat", "responses-by-chat-paced"),
    "responses_kept": ("/v1/responses", "responses-kept", "responses-kept-paced"),
    "responses_kept_by_chat": (
        "/v1/responses",
        "responses-kept-by-chat",
        "responses-kept-by-chat-paced",
    ),
}
"""By name: the path, and the bodies of a whole response and of a stream. Those by chat are asked of
a provider that has only chat completions; of those that are kept, the router writes a row."""

_LATENCY_RATE = 50  # requests a second
_FIRST_CHUNK_RATE = 5
_KEPT_UP = 0.95  # of the rate that was asked for; what is lost is the last answer's time
_OPEN_AFTER_SECONDS = 6  # by when all the streams are open, and none has ended


@dataclass(frozen=True)
class Plan:
    """How long a run takes its time.

    Attributes:
        starts: how often the target is started, for the median of cold starts.
        warm_requests: sent before anything is measured, but for `warm_seconds` at most.
        windows: how many for whole answers; the other scenarios likewise.
        paced_streams: streams in a window.
        latency_requests: sent at 50 a second.
        first_chunk_streams: opened at 5 a second.
        burst_windows: how often 500 streams begin at once.
    """

    starts: int = 3
    warm_requests: int = 12_000
    warm_seconds: float = 25
    windows: int = 5
    window_seconds: float = 2.5
    large_windows: int = 3
    large_seconds: float = 2
    paced_windows: int = 3
    scattered_windows: int = 1
    paced_streams: int = 60
    latency_requests: int = 500
    first_chunk_streams: int = 30
    burst_windows: int = 5
    served_seconds: float = 60


QUICK = Plan(
    warm_requests=3_000,
    warm_seconds=6,
    windows=3,
    window_seconds=1.5,
    large_windows=2,
    large_seconds=1,
    paced_windows=1,
    paced_streams=40,
    latency_requests=200,
    first_chunk_streams=15,
    burst_windows=3,
    served_seconds=10,
)


def warm_up(session: Session, plan: Plan) -> None:
    """Lets compilers and caches settle: V8 halves its cost in the first 12,000 requests."""
    session.send(Shape("small", 16, plan.warm_requests, plan.warm_seconds))
    session.send(Shape("saturated", 8, plan.warm_requests // 20, 5, stream=True))


def small(session: Session, plan: Plan) -> None:
    """Whole answers to bodies of 1 KB, as many as the target can."""
    for _ in range(plan.windows):
        window = session.measure(Shape("small", 16, 10**6, plan.window_seconds))
        session.record.add("small_cpu_ms", window.cpu_ms_a_request())
        session.record.add("small_rps", window.result["requests_per_second"])


def large(session: Session, plan: Plan) -> None:
    """Whole answers to bodies of 100 KB."""
    for _ in range(plan.large_windows):
        window = session.measure(Shape("large", 8, 10**6, plan.large_seconds))
        session.record.add("large_cpu_ms", window.cpu_ms_a_request())


def paced(session: Session, plan: Plan) -> None:
    """20 streams of 50 chunks a second each, all at the same beat.

    At each beat a target finds 20 chunks waiting, as it does on a busy core.
    """
    shape = Shape("paced", 20, plan.paced_streams, 60, stream=True)
    for _ in range(plan.paced_windows):
        session.record.add("chunk_cpu_us", session.measure(shape).cpu_us_a_chunk())


def scattered(session: Session, plan: Plan) -> None:
    """The same streams out of step, as people begin them.

    Each chunk wakes the target from sleep, which costs all of them alike, and more than the chunk.
    """
    shape = Shape("paced", 20, plan.paced_streams, 60, stream=True, gap_ms=53)
    for _ in range(plan.scattered_windows):
        session.record.add("scattered_chunk_cpu_us", session.measure(shape).cpu_us_a_chunk())


def latency(session: Session, plan: Plan) -> None:
    """How long an answer takes at 50 requests a second, which is little for every target."""
    result = session.send(_latency_shape(plan))
    _add_latency(session.record, result)
    if result["requests_per_second"] < _LATENCY_RATE * _KEPT_UP:
        session.record.faults.append(
            f"it cannot do {_LATENCY_RATE} requests a second: its latency is that of a queue"
        )


def first_chunk(session: Session, plan: Plan) -> None:
    """How long the first chunk takes, with 5 streams a second and as many open."""
    _add_first_chunk(session.record, session.send(_first_chunk_shape(plan)))


def endpoints(session: Session, plan: Plan) -> None:
    """What whole responses and chunks cost at other endpoints, beside those of chat completions.

    All of them take turns, as the speed of the core wanders.
    """
    if not session.target.has_all_endpoints:
        return
    for _ in range(plan.paced_windows):
        for name, (path, whole, paced) in ENDPOINTS.items():
            window = session.measure(Shape(whole, 16, 10**6, plan.window_seconds, path=path))
            session.record.add(f"{name}_whole_cpu_ms", window.cpu_ms_a_request())
            shape = Shape(paced, 20, plan.paced_streams, 60, stream=True, path=path)
            session.record.add(f"{name}_send_cpu_us", _cpu_us_a_send(session.measure(shape)))


def burst(session: Session, plan: Plan) -> None:
    """How long the first chunk takes of 500 streams that begin at once, each of 10 chunks a second.

    They come over new connections, and go to the vendor over as many.
    """
    for _ in range(plan.burst_windows):
        _add_burst(session.record, session.send(_BURST))


def served(session: Session, plan: Plan) -> None:
    """Memory after 20,000 requests, those of the other scenarios included."""
    left = SERVED_REQUESTS - session.served
    if left > 0:
        session.send(Shape("small", 16, left, plan.served_seconds))
    session.record.add("served_mb", session.process.pss_mb())
    session.record.add("served_requests", session.served)


def streams(session: Session, _plan: Plan) -> None:
    """Memory that 500 streams take which are open at once."""
    before = session.process.pss_mb()
    shape = Shape("slow", OPEN_STREAMS, OPEN_STREAMS, 30, stream=True)
    running = session.generator.start(session.target.port, session.target.headers, shape)
    time.sleep(_OPEN_AFTER_SECONDS)
    session.record.add("streams_mb", session.process.pss_mb() - before)
    session.take(shape, session.generator.result(running))


_BURST = Shape("burst", OPEN_STREAMS, OPEN_STREAMS, 30, stream=True)
_PACED_SENDS = 50 + 4  # of the vendor, for each stream


def _cpu_us_a_send(window: Window) -> float:
    """CPU time over all that the vendor sent, as endpoints frame the same in different numbers."""
    return window.cpu_seconds * 1e6 / (window.result["ok"] * _PACED_SENDS)


def _add_burst(record: Record, result: Result) -> None:
    record.add("burst_p50_ms", result["first_chunk_p50_ms"])
    record.add("burst_p99_ms", result["first_chunk_p99_ms"])


def direct(upstream_port: int, generator: Generator, record: Record, plan: Plan) -> None:
    """The latencies of the mock upstream itself, which those of the targets are compared with."""
    for shape, add in (
        (_latency_shape(plan), _add_latency),
        (_first_chunk_shape(plan), _add_first_chunk),
        (_BURST, _add_burst),
    ):
        result = generator.run(upstream_port, {}, shape)
        if result["failed"] or result["unfinished"]:
            raise BenchError(f"The mock upstream itself failed: {result}")
        add(record, result)


def _latency_shape(plan: Plan) -> Shape:
    return Shape("small", 64, plan.latency_requests, 60, rate=_LATENCY_RATE)


def _first_chunk_shape(plan: Plan) -> Shape:
    return Shape("paced", 64, plan.first_chunk_streams, 60, rate=_FIRST_CHUNK_RATE, stream=True)


def _add_latency(record: Record, result: Result) -> None:
    record.add("latency_p50_ms", result["latency_p50_ms"])
    record.add("latency_p99_ms", result["latency_p99_ms"])


def _add_first_chunk(record: Record, result: Result) -> None:
    record.add("first_chunk_p50_ms", result["first_chunk_p50_ms"])
    record.add("first_chunk_p90_ms", result["first_chunk_p90_ms"])


SCENARIOS: dict[str, Callable[[Session, Plan], None]] = {
    "small": small,
    "large": large,
    "paced": paced,
    "scattered": scattered,
    "latency": latency,
    "first-chunk": first_chunk,
    "burst": burst,
    "endpoints": endpoints,
    "served": served,
    "streams": streams,
}
"""In the order in which they run. Cold start and idle memory are measured with every target."""

SLOW_SCENARIOS = {"scattered", "endpoints", "served", "streams"}
"""Left out of a quick run."""
