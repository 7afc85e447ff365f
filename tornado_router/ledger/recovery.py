"""Reads what routers that were killed left in the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from loguru import logger

from tornado_router.ledger.codec import FINISHED, DamagedRecordError, Entry, Part, Reader
from tornado_router.ledger.journal import left_behind
from tornado_router.ledger.record import CallRecord


def recover(folder: Path, write: Callable[[Sequence[CallRecord]], int], batch_bytes: int) -> int:
    """Writes the calls of dead routers and removes their files; returns the damaged records.

    A file with a damaged record is set aside for a person to look at; its other records are used.

    Args:
        folder: of the journal.
        write: writes calls to the database; returns the number of those that were not there yet.
        batch_bytes: how much of a file makes a batch.
    """
    segments = list(left_behind(folder))
    running: dict[str, CallRecord] = {}
    finished = damaged = 0
    for segment in segments:
        reader = Reader(died_at=segment.path.stat().st_mtime)
        while data := segment.unread(batch_bytes):
            calls, unreadable = _read(reader, data, running)
            finished += write(calls)
            segment.mark_damaged(unreadable)
            segment.read += len(data)
    interrupted = write(
        [call._replace(status=500, error_code="interrupted") for call in running.values()]
    )
    for segment in segments:
        damaged += len(segment.damaged)
        try:
            segment.discard()
        except OSError as error:  # its calls are not written twice
            logger.error("the journal file {} stays: {}", segment.path.name, error)
            segment.close()
    if finished or interrupted:
        logger.warning(
            "recovered from the journal: {} finished and {} interrupted calls",
            finished,
            interrupted,
        )
    return damaged


def parts_of(content: bytes) -> Iterator[Part]:
    """All that there is in a file of the journal, for a person to look at."""
    reader = Reader(died_at=0.0)
    start = 0
    for line in content.rstrip(b"\0").split(b"\n"):
        try:
            yield Part(start, line, reader.read(line))
        except DamagedRecordError:
            for part in reader.parts(line):
                yield part._replace(start=start + part.start)
        start += len(line) + 1


def _read(
    reader: Reader, data: bytes, running: dict[str, CallRecord]
) -> tuple[list[CallRecord], list[int]]:
    """The finished calls in a part of a file, and where in it the damaged records are.

    Args:
        reader: of the file.
        data: whole records.
        running: the calls that had not ended, by id; brought up to date.
    """
    calls: list[CallRecord] = []
    damaged: list[int] = []
    start = 0
    for line in data.removesuffix(b"\n").split(b"\n"):
        entries, places = _read_line(reader, line)
        damaged += [start + place for place in places]
        start += len(line) + 1
        for kind, call in entries:
            if kind == FINISHED:
                running.pop(call.call_id, None)
                calls.append(call)
            else:
                running[call.call_id] = call
    return calls, damaged


def _read_line(reader: Reader, line: bytes) -> tuple[list[Entry], list[int]]:
    try:
        entry = reader.read(line)
    except DamagedRecordError:
        return reader.read_damaged(line)
    return [entry] if entry else [], []
