"""The format of the journal: records of calls as bytes, and back.

A record is a line of JSON: `[kind, value, ..., checksum]`. The first record of each file names the
values, so that an older or newer router can read it. The checksum covers a record and the names,
so a record that was damaged, or whose names were, is not believed. Journals that were written
before there were checksums are read by their names alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, get_type_hints
from zlib import crc32

import orjson

from tornado_router.ledger.record import CallRecord, Charge, RunningCall
from tornado_router.observability.text import valid_texts
from tornado_router.storage.values import billionths
from tornado_router.usage import QUANTITIES, Usage, quantities

BEGUN, RUNNING, FINISHED = 0, 1, 2
"""Kinds of records: a call begins, has come to something while it runs, and has ended."""

_FIELDS = "fields"
_CHECKSUM = "checksum"
_PLAIN = CallRecord._fields[:-2]
_NAMES = (*_PLAIN, *QUANTITIES, "usage_estimated", "cost", "uncharged", "prices")
_DROPPED, _END = 1 + _PLAIN.index("dropped_params"), 1 + len(_PLAIN)
"""Where a record has them, behind its kind."""

_OWN_BEGUN = (*RunningCall._fields, _CHECKSUM)
_OWN_NAMES = (*_NAMES, _CHECKSUM)

HEADER = orjson.dumps([_FIELDS, _OWN_BEGUN, _OWN_NAMES])
"""The first record of each file: the names of the values of the others."""

_SEED = crc32(HEADER)

_TYPES: dict[str, Any] = {
    **{name: hint for name, hint in get_type_hints(CallRecord).items() if name in _PLAIN},
    **dict.fromkeys(QUANTITIES, int),
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
        except (ValueError, TypeError, KeyError, IndexError, InvalidOperation) as error:
            raise DamagedRecordError from error


def read_finished(lines: Iterable[bytes]) -> tuple[list[CallRecord], int]:
    """The finished calls among records that this process wrote, and the number of damaged ones."""
    calls, damaged = [], 0
    for line in lines:
        if not line.startswith((b"[0,", b"[1,")) and line != HEADER:
            try:
                calls.append(_read_own(line))
            except (ValueError, TypeError, IndexError):
                damaged += 1
    return calls, damaged


def _encode(values: list[Any]) -> bytes:
    try:
        data = orjson.dumps(values)
    except TypeError:  # half a surrogate pair, which a plugin's error may hold
        data = orjson.dumps(valid_texts(values))
    body = data[:-1]
    return b"%b,%d]" % (body, crc32(body, _SEED))


def _values(kind: int, record: CallRecord) -> list[Any]:
    """The kind, and the values of a call in the order of `_NAMES`."""
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
    if not _is_intact(line, _SEED):
        raise ValueError
    values = orjson.loads(line)
    estimated, cost, uncharged, prices, _checksum = values[-5:]
    usage = Usage(*values[_END:-5], 0.0, estimated)  # type: ignore[call-arg]  # so many they are
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
    values = {name: known.get(name, _UNKNOWN[name]) for name in _NAMES}
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


def _usage(counts: Sequence[int], estimated: bool) -> Usage:
    values: dict[str, Any] = dict(zip(QUANTITIES, counts, strict=True))
    return Usage(estimated=estimated, **values)


def _has_type(value: object, hint: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    if isinstance(value, int) and hint in (float, float | None):
        return True
    return isinstance(value, hint)
