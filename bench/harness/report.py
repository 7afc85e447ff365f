"""Tables in Markdown out of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.scenarios import ENDPOINTS, SERVED_REQUESTS
from harness.session import Record

Records = Mapping[str, Record]

DIRECT = "direct"
"""The name under which the upstream itself is measured."""

_BASELINES = ("relay", "litellm", "portkey", "sglang", "nginx")
_CPU_FIGURES = ("small_cpu_ms", "large_cpu_ms", "chunk_cpu_us")
_ENDPOINT_FIGURES = ("whole_cpu_ms", "send_cpu_us")
_NOTHING = "—"


@dataclass(frozen=True)
class _Column:
    title: str
    figures: tuple[str, ...]
    """A column is left out when none of these was measured."""
    cell: Callable[[Records, str], str]


def tables(records: Records) -> str:
    """The tables of figures, of ratios and of endpoints, and what spoils them."""
    parts = [
        _figures_table(records),
        _ratios_table(records),
        _endpoints_table(records),
        _faults(records),
    ]
    return "\n\n".join(part for part in parts if part)


def median(record: Record | None, figure: str) -> float | None:
    """The median of all windows, or None where there were none."""
    values = record.figures.get(figure) if record else None
    return statistics.median(values) if values else None


def _figures_table(records: Records) -> str:
    targets = _targets(records)
    measured = {name for target in targets for name in records[target].figures}
    columns = [column for column in _COLUMNS if measured & set(column.figures)]
    rows = [[target, *(column.cell(records, target) for column in columns)] for target in targets]
    return _markdown(["target", *(column.title for column in columns)], rows)


def _ratios_table(records: Records) -> str:
    baselines = [name for name in _BASELINES if name in records]
    if not baselines or not any(name in _measured(records) for name in _CPU_FIGURES):
        return ""
    rows = [
        [target, *(_ratios(records[target], records[baseline]) for baseline in baselines)]
        for target in _targets(records)
    ]
    return (
        "CPU time as a multiple of another target's, for a request of 1 KB / of 100 KB / a "
        "chunk; below 1 is cheaper:\n\n"
        + _markdown(["target", *(f"of {baseline}'s" for baseline in baselines)], rows)
    )


def _endpoints_table(records: Records) -> str:
    """What each endpoint costs, and how many times as much as chat completions do."""
    rows = []
    for target in _targets(records):
        chat = [median(records[target], f"chat_{figure}") for figure in _ENDPOINT_FIGURES]
        for name in ENDPOINTS if all(chat) else ():
            cells = []
            for figure, base in zip(_ENDPOINT_FIGURES, chat, strict=True):
                value = median(records[target], f"{name}_{figure}")
                given = value is not None and base
                cells.append(f"{value:.3g} ({_short(value / base)})" if given else _NOTHING)
            rows.append([target, name.replace("_", " "), *cells])
    if not rows:
        return ""
    return (
        "Endpoints, and in brackets how many times as much as chat completions, at a beat of 20 "
        "streams:\n\n"
        + _markdown(
            ["target", "endpoint", "CPU ms/request, 1 KB", "CPU µs/send of the vendor"], rows
        )
    )


def _faults(records: Records) -> str:
    lines = [f"- {name}: {fault}" for name, record in records.items() for fault in record.faults]
    return "\n".join(["What spoils these figures:", "", *lines]) if lines else ""


def _targets(records: Records) -> list[str]:
    return [name for name, record in records.items() if name != DIRECT and record.figures]


def _measured(records: Records) -> set[str]:
    return {name for target in _targets(records) for name in records[target].figures}


def _ratios(record: Record, baseline: Record) -> str:
    cells = []
    for figure in _CPU_FIGURES:
        value, other = median(record, figure), median(baseline, figure)
        cells.append(_NOTHING if value is None or not other else _short(value / other))
    return " / ".join(cells)


def _short(ratio: float) -> str:
    """Two digits that count below 1, and three or more above: 0.0045, 0.31, 1.42, 35.4, 779."""
    if ratio < 1:
        return f"{ratio:.2g}"
    return f"{ratio:.{2 if ratio < 10 else 1 if ratio < 100 else 0}f}"


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# -- Cells ----------------------------------------------------------------------------------------


def _plain(title: str, figure: str, digits: int) -> _Column:
    def cell(records: Records, target: str) -> str:
        value = median(records[target], figure)
        return _NOTHING if value is None else f"{value:,.{digits}f}"

    return _Column(title, (figure,), cell)


def _with_range(title: str, figure: str, digits: int) -> _Column:
    def cell(records: Records, target: str) -> str:
        values = records[target].figures.get(figure)
        if not values:
            return _NOTHING
        low, middle, high = min(values), statistics.median(values), max(values)
        return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"

    return _Column(title, (figure,), cell)


def _added(title: str, figures: tuple[str, ...]) -> _Column:
    def difference(records: Records, target: str, figure: str) -> str:
        value, base = median(records[target], figure), median(records.get(DIRECT), figure)
        return _NOTHING if value is None or base is None else f"{value - base:.2f}"

    def cell(records: Records, target: str) -> str:
        return " / ".join(difference(records, target, figure) for figure in figures)

    return _Column(title, figures, cell)


def _served_cell(records: Records, target: str) -> str:
    memory = median(records[target], "served_mb")
    requests = median(records[target], "served_requests")
    if memory is None or requests is None:
        return _NOTHING
    enough = requests >= SERVED_REQUESTS
    return f"{memory:.1f}" if enough else f"{memory:.1f} (after {requests:,.0f})"


_COLUMNS = (
    _with_range("CPU ms/request, 1 KB", "small_cpu_ms", 4),
    _plain("requests/s", "small_rps", 0),
    _with_range("CPU ms/request, 100 KB", "large_cpu_ms", 3),
    _with_range("CPU µs/chunk, in step", "chunk_cpu_us", 1),
    _plain("scattered", "scattered_chunk_cpu_us", 1),
    _added("added latency ms, p50 / p99", ("latency_p50_ms", "latency_p99_ms")),
    _added("added to first chunk ms, p50 / p90", ("first_chunk_p50_ms", "first_chunk_p90_ms")),
    _added("added to first chunk of 500 at once ms, p50 / p99", ("burst_p50_ms", "burst_p99_ms")),
    _plain("cold start s", "cold_start_s", 2),
    _plain("PSS MB, idle", "idle_mb", 1),
    _Column(f"after {SERVED_REQUESTS:,} requests", ("served_mb",), _served_cell),
    _plain("added by 500 streams", "streams_mb", 1),
)
