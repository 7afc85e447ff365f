"""The format of the journal: records of calls as bytes, and back.

A record is a line of JSON: `[kind, value, ..., checksum]`. The first record of each file names the
values, so that an older or newer router can read it. The checksum covers a record and the names,
so a record that was damaged, or whose names were, is not believed. Journals that were written
before there were checksums are read by their names alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, get_type_hints
from zlib import crc32

import orjson

from tornado_router.ledger.record import FLAT_NAMES, CallRecord, Charge, RunningCall
from tornado_router.observability.text import valid_texts
from tornado_router.storage.values import billionths
from tornado_router.usage import QUANTITIES, Usage, quantities

BEGUN, RUNNING, FINISHED = 0, 1, 2
"""Kinds of records: a call begins, has come to something while it runs, and has ended."""

_FIELDS = "fields"
_CHECKSUM = "checksum"
_PLAIN = CallRecord._fields[:-2]
_DROPPED, _END = 1 + _PLAIN.index("dropped_params"), 1 + len(_PLAIN)
"""Where a record has them, behind its kind."""

_OWN_BEGUN = (*RunningCall._fields, _CHECKSUM)
_OWN_NAMES = (*FLAT_NAMES, _CHECKSUM)

HEADER = orjson.dumps([_FIELDS, _OWN_BEGUN, _OWN_NAMES])
"""The first record of each file: the names of the values of the others."""

_SEED = crc32(HEADER)

_TYPES: dict[str, Any] = {
    **{name: hint for name, hint in get_type_hints(CallRecord).items() if name in _PLAIN},
    **{name: hint for name, hint in get_type_hints(Usage).items() if name in QUANTITIES},
    "dropped_params": list,
    "usage_estimated": bool,
    "cost": str,
    "uncharged": str,
    "prices": str | None,
}
_NOTHING = {str: "", int: 0, float: 0.0, bool: False, list: []}
_UNKNOWN = {**{name: _NOTHING.get(hint) for name, hint in _TYPES.items()}, "call_id": None}
_UNKNOWN |= {"cost": "0", "uncharged": "0"}
"""Values that are missing from the record of a call that has just begun, or of an older router."""

_SEAM = re.compile(rb"\0+|(?<=\]).(?=\[[012],|\Z)", re.DOTALL)
"""Where a record may end in a damaged line: at a hole, or at what was a line break."""

_LATEST = 250_000_000_000
"""The latest time (in year 9892) that the tables can hold."""


class DamagedRecordError(Exception):
    """A record of the journal that cannot be read."""


def encode_begun(call: RunningCall) -> bytes:
    """The record of a call that begins."""
    return _encode([BEGUN, *call])


def encode_running(record: CallRecord) -> bytes:
    """The record of what a call has come to while it runs."""
    return _encode(_values(RUNNING, record))


def encode_finished(record: CallRecord) -> bytes:
    """The record of a call that has ended."""
    return _encode(_values(FINISHED, record))


def is_finished(record: bytes) -> bool:
    """Whether a record is that of a call that has ended."""
    return record.startswith(b"[2,")


class Entry(NamedTuple):
    """A record that was read: its kind, and the call."""

    kind: int
    call: CallRecord


class Part(NamedTuple):
    """A part of a file: where it begins, its bytes, and the record that it is, if any."""

    start: int
    data: bytes
    entry: Entry | None
    is_damaged: bool = False


class Reader:
    """Reads the records of one file, of any version.

    Args:
        died_at: when a call that had not ended is taken to have ended, in seconds since 1970.
    """

    def __init__(self, died_at: float) -> None:
        self._died_at = died_at
        self._begun: Sequence[str] = _OWN_BEGUN
        self._names: Sequence[str] = _OWN_NAMES
        self._seed = _SEED

    def read(self, line: bytes) -> Entry | None:
        """The record in a line; None for the names of the others.

        Raises:
            DamagedRecordError: it cannot be read.
        """
        line = line.strip(b"\0")  # a hole in the file ends or begins beside it
        try:
            kind, *values = orjson.loads(line)
            if kind == _FIELDS:
                self._begun, self._names = map(_checked_names, values)
                self._seed = crc32(line)
                return None
            if _is_intact(line, _SEED):  # of this version, even if the names of the file are not
                names: Sequence[str] = _OWN_BEGUN if kind == BEGUN else _OWN_NAMES
            else:
                names = self._begun if kind == BEGUN else self._names
                if names[-1] == _CHECKSUM and not _is_intact(line, self._seed):
                    raise DamagedRecordError
            known = dict(zip(names, values, strict=True))
            return Entry(_checked_kind(kind), _checked_call({"finished_at": self._died_at} | known))
        except (ValueError, TypeError, KeyError, IndexError, ArithmeticError) as error:
            raise DamagedRecordError from error

    def parts(self, line: bytes) -> Iterator[Part]:
        """What there is in a damaged line."""
        for start, data in _parts(line):
            try:
                yield Part(start, data, self.read(data))
            except DamagedRecordError:
                yield Part(start, data, None, is_damaged=True)

    def read_damaged(self, line: bytes) -> tuple[list[Entry], list[int]]:
        """The records in a line that is none, as a line break was lost, and where the others are.

        Returns:
            The records that are whole, and the first byte of each stretch between them that is
            none.
        """
        entries, damaged, is_whole = [], [], True
        for part in self.parts(line):
            if part.is_damaged and is_whole:
                damaged.append(part.start)
            is_whole = not part.is_damaged
            entries += [part.entry] if part.entry else []
        if not damaged and (b"\0\0" in line or not entries):
            damaged.append(0)  # a hole, with nothing of the records that were there
        return entries, damaged


def read_finished(lines: Iterable[bytes]) -> tuple[list[CallRecord], list[int]]:
    """The finished calls among records that this process wrote.

    Returns:
        The calls, and the first byte of each record that is damaged, if a byte separates them.
    """
    calls: list[CallRecord] = []
    damaged: list[int] = []
    start = 0
    for line in lines:
        if _is_intact(line, _SEED):
            if is_finished(line):
                calls.append(_read_own(line))
        elif line != HEADER:
            entries, places = Reader(0.0).read_damaged(line)
            calls += [entry.call for entry in entries if entry.kind == FINISHED]
            damaged += [start + place for place in places]
        start += len(line) + 1
    return calls, damaged


def _parts(line: bytes) -> Iterator[tuple[int, bytes]]:
    """What may be the records in a damaged line, each with where it begins."""
    start = 0
    for seam in _SEAM.finditer(line):
        if seam.start() > start:
            yield start, line[start : seam.start()]
        start = seam.end()
    if start < len(line):
        yield start, line[start:]


def _encode(values: list[Any]) -> bytes:
    try:
        data = orjson.dumps(values)
    except TypeError:  # half a surrogate pair, which a plugin's error may hold
        data = orjson.dumps(valid_texts(values))
    body = data[:-1]
    return b"%b,%d]" % (body, crc32(body, _SEED))


def _values(kind: int, record: CallRecord) -> list[Any]:
    """The kind, and the values of a call in the order of `FLAT_NAMES`."""
    usage, charge = record.usage, record.charge
    return [
        kind,
        *record[:-2],
        *quantities(usage),
        usage.estimated,
        f"{charge.charged}e-9",  # in dollars, as they always were
        f"{charge.uncharged}e-9",
        charge.prices,
    ]


def _read_own(line: bytes) -> CallRecord:
    values = orjson.loads(line)
    estimated, cost, uncharged, prices, _checksum = values[-5:]
    usage = Usage(*values[_END:-5], estimated)  # type: ignore[call-arg]  # so many they are
    values[_DROPPED] = tuple(values[_DROPPED])
    values[_END:] = (usage, Charge(int(cost[:-3]), int(uncharged[:-3]), prices))
    return CallRecord._make(values[1:])


def _is_intact(line: bytes, seed: int) -> bool:
    body, _, checksum = line.rpartition(b",")
    return checksum == b"%d]" % crc32(body, seed)


def _checked_kind(kind: object) -> int:
    if kind not in (BEGUN, RUNNING, FINISHED) or not isinstance(kind, int):
        raise ValueError(kind)
    return kind


def _checked_names(names: object) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError(names)
    return names


def _checked_call(known: Mapping[str, Any]) -> CallRecord:
    """The call with these values, of which each has to have its type.

    Raises:
        KeyError: one is missing.
        TypeError: one has a wrong type.
        ValueError: one is out of bounds.
    """
    values = {name: known.get(name, _UNKNOWN[name]) for name in FLAT_NAMES}
    for name, value in values.items():
        if not _has_type(value, _TYPES[name]):
            raise TypeError(name)
    if not 0 <= values["finished_at"] < _LATEST:
        raise ValueError(values["finished_at"])
    values["dropped_params"] = tuple(map(str, values["dropped_params"]))
    cost, uncharged = (billionths(Decimal(values[name])) for name in ("cost", "uncharged"))
    usage = _usage([values[name] for name in QUANTITIES], values["usage_estimated"])
    charge = Charge(cost, uncharged, values["prices"])
    return CallRecord._make([*(values[name] for name in _PLAIN), usage, charge])


def _usage(counts: Sequence[float], estimated: bool) -> Usage:
    values: dict[str, Any] = dict(zip(QUANTITIES, counts, strict=True))
    return Usage(estimated=estimated, **values)


def _has_type(value: object, hint: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    if isinstance(value, int) and hint in (float, float | None):
        return True
    return isinstance(value, hint)
