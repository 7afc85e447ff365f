"""The rows of batches that the router runs itself, and of their lines.

A router takes a batch for a while by a name that it draws, and keeps it by coming back. A line that
is begun counts its tries, and its result is taken from that try alone: so of two routers that
believe a batch to be theirs, one has the result of each line.

They block, so `Storage.run` calls them.
"""

from __future__ import annotations

import datetime
import secrets
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from tornado_router.calls import resource_rows
from tornado_router.calls.passed.kept import file_rows
from tornado_router.calls.passed.kept.file_rows import Part
from tornado_router.calls.passed.kept.names import BATCH, FILE, KEPT
from tornado_router.calls.resource_rows import Made, Owner
from tornado_router.storage.kept_tables import KeptBatch, KeptFile, KeptLine
from tornado_router.storage.sql import chunked
from tornado_router.storage.storage import transaction
from tornado_router.storage.values import EPOCH, now

READING, RUNNING, CANCELLING = "validating", "in_progress", "cancelling"

WAITING, BEGUN = 0, 1
"""States of a line."""

_AT_ONCE = 100


class NewBatch(NamedTuple):
    """A batch that is submitted.

    Attributes:
        user_id: whose it is.
        key_id: that its lines are paid by.
        endpoint: of its lines.
        model: that they ask for.
        input_file: as its client named it.
        completion_window: for which it may run, as its client wrote it.
        metadata: JSON of its client's; None for none.
    """

    user_id: int
    key_id: int
    endpoint: str
    model: str
    input_file: str
    completion_window: str
    metadata: str | None


def begin(batch: NewBatch) -> int:
    """Notes a batch whose lines are still to come; returns the id of its row."""
    moment = now()
    with transaction():
        row = KeptBatch.create(
            **batch._asdict(),
            batch_id=BATCH + secrets.token_hex(12),
            status=READING,
            ends_at=moment,
            keep_until=moment + file_rows.UNFINISHED,
            claimed_until=moment,
        )
    return int(row.id)


def add_lines(row_id: int, lines: Sequence[tuple[int, str]]) -> None:
    """Adds lines, each with its number in the input file."""
    with transaction():
        for some in chunked(lines, _AT_ONCE):
            KeptLine.insert_many(
                {"kept_id": row_id, "number": number, "data": text} for number, text in some
            ).execute()


def start(row_id: int, total: int, size: int, seconds: float, owner: Owner) -> KeptBatch:
    """Lets a batch run, as all its lines are here; its user has it from now on.

    Args:
        row_id: of it.
        total: lines.
        size: of them, in bytes.
        seconds: for which it may run.
        owner: whose it is.
    """
    moment = now()
    with transaction():
        ends_at = moment + datetime.timedelta(seconds=seconds)
        KeptBatch.update(
            status=RUNNING,
            total=total,
            size=size,
            created_at=moment,
            ends_at=ends_at,
            keep_until=None,
        ).where(KeptBatch.id == row_id).execute()
        row = KeptBatch.get_by_id(row_id)
        resource_rows.insert(owner, [Made(row.batch_id, "batches")])
    return row


def drop(row_id: int) -> None:
    """Forgets a batch that is refused."""
    with transaction():
        KeptBatch.update(keep_until=now()).where(KeptBatch.id == row_id).execute()


def find(user_id: int, batch_id: str) -> KeptBatch | None:
    """A batch of a user; None if there is none."""
    mine = (KeptBatch.user_id == user_id) & (KeptBatch.batch_id == batch_id)
    found: KeptBatch | None = KeptBatch.get_or_none(mine & (KeptBatch.status != READING))
    return found


def page(user_id: int, after: str, most: int) -> list[KeptBatch]:
    """Batches of a user, the newest first; those behind one, if it is named."""
    rows = KeptBatch.select().where(KeptBatch.user_id == user_id, KeptBatch.status != READING)
    if after:
        last = find(user_id, after)
        if last is None:
            return []
        rows = rows.where(KeptBatch.id < last.id)
    return list(rows.order_by(KeptBatch.id.desc()).limit(most))


def file_ids(rows: Sequence[KeptBatch]) -> dict[int, str]:
    """The ids of the files with the results of some batches, by their rows."""
    wanted = [kept for row in rows for kept in (row.output_id, row.error_id) if kept is not None]
    found = KeptFile.select(KeptFile.id, KeptFile.file_id).where(KeptFile.id.in_(wanted))
    return {row.id: row.file_id for row in found} if wanted else {}


def cancel(user_id: int, batch_id: str) -> None:
    """Asks who runs a batch to end it."""
    mine = (KeptBatch.user_id == user_id) & (KeptBatch.batch_id == batch_id)
    with transaction():
        KeptBatch.update(status=CANCELLING, cancelling_at=now()).where(
            mine, KeptBatch.status == RUNNING, KeptBatch.ended_at.is_null()
        ).execute()


# Running


def due(most: int, but: Collection[int]) -> list[KeptBatch]:
    """Batches that no router runs, the oldest first."""
    waiting = KeptBatch.select().where(
        KeptBatch.ended_at.is_null(),
        KeptBatch.claimed_until <= now(),
        KeptBatch.status.in_((RUNNING, CANCELLING)),
    )
    if but:
        waiting = waiting.where(KeptBatch.id.not_in(list(but)))
    return list(waiting.order_by(KeptBatch.id).limit(most))


def claim(row: KeptBatch, runner: str, seconds: float) -> bool:
    """Takes a batch over; False if another router was first.

    Its lines that were begun wait again: who began them is gone, and their results come too late.
    """
    with transaction():
        free = (KeptBatch.id == row.id) & (KeptBatch.claimed_until == row.claimed_until)
        changes = {"runner": runner, "claimed_until": _after(seconds)}
        taken = KeptBatch.update(changes).where(free, KeptBatch.ended_at.is_null()).execute()
        if taken:
            _wait_again(row.id)
    return bool(taken)


def renew(row_id: int, runner: str, seconds: float) -> KeptBatch | None:
    """Keeps a batch for another while; None if it is another's by now, or gone."""
    mine = (KeptBatch.id == row_id) & (KeptBatch.runner == runner)
    with transaction():
        changes = {"claimed_until": _after(seconds)}
        KeptBatch.update(changes).where(mine, KeptBatch.ended_at.is_null()).execute()
        found: KeptBatch | None = KeptBatch.get_or_none(mine & KeptBatch.ended_at.is_null())
    return found


def release(row_id: int, runner: str) -> None:
    """Leaves a batch to any router."""
    mine = (KeptBatch.id == row_id) & (KeptBatch.runner == runner)
    with transaction():
        changes = {"claimed_until": now(), "runner": ""}
        if KeptBatch.update(changes).where(mine).execute():
            _wait_again(row_id)


def release_all() -> None:
    """Leaves all batches to this router, as it is the only one."""
    if KeptBatch.select(KeptBatch.id).where(KeptBatch.runner != "").exists():
        with transaction():
            for row in KeptBatch.select().where(KeptBatch.runner != ""):
                release(row.id, row.runner)


def begin_line(row_id: int, runner: str) -> KeptLine | None:
    """Begins the next line; None if none waits, or the batch is another's."""
    with transaction():
        mine = KeptBatch.select(KeptBatch.id).where(
            KeptBatch.id == row_id, KeptBatch.runner == runner
        )
        if not mine.exists():
            return None
        waiting = (KeptLine.kept_id == row_id) & (KeptLine.state == WAITING)
        line: KeptLine | None = KeptLine.select().where(waiting).order_by(KeptLine.number).first()
        if line is not None:
            line.tries += 1
            changes = {"state": BEGUN, "tries": line.tries}
            KeptLine.update(changes).where(KeptLine.id == line.id).execute()
    return line


def put_back(line: KeptLine, *, counts: bool) -> None:
    """Has a line wait again.

    Args:
        line: that was begun.
        counts: whether that was one of its tries.
    """
    with transaction():
        changes = {"state": WAITING, "tries": line.tries - (not counts)}
        KeptLine.update(changes).where(_same_try(line)).execute()


def end_line(line: KeptLine, text: str, size: int, keep_seconds: float, *, served: bool) -> bool:
    """Notes the result of a line; False if its try does not count any more.

    Args:
        line: as it was begun.
        text: its line in a file of results.
        size: of the text, in bytes.
        keep_seconds: for which the results are kept.
        served: whether it is a response, and no error.
    """
    with transaction():
        runs = (KeptBatch.id == line.kept_id) & KeptBatch.ended_at.is_null()
        if not KeptBatch.select(KeptBatch.id).where(runs).exists():
            return False  # its user was deleted
        if not KeptLine.delete().where(_same_try(line)).execute():
            return False
        _add_results(line.kept_id, [Part(line.number, text, size)], keep_seconds, served=served)
    return True


def end_waiting(
    row_id: int, runner: str, most: int, text_of: Callable[[KeptLine], str], keep_seconds: float
) -> int:
    """Ends some lines that wait, as their batch has ended; returns how many.

    Args:
        row_id: of the batch.
        runner: of it.
        most: lines.
        text_of: makes the line of one in the file of errors.
        keep_seconds: for which the results are kept.
    """
    with transaction():
        mine = (KeptBatch.id == row_id) & (KeptBatch.runner == runner)
        if not KeptBatch.select(KeptBatch.id).where(mine).exists():
            return 0
        waiting = (KeptLine.kept_id == row_id) & (KeptLine.state == WAITING)
        lines = list(KeptLine.select().where(waiting).order_by(KeptLine.number).limit(most))
        if lines:
            texts = [(line.number, text_of(line)) for line in lines]
            parts = [Part(number, text, len(text.encode())) for number, text in texts]
            KeptLine.delete().where(KeptLine.id.in_([line.id for line in lines])).execute()
            _add_results(row_id, parts, keep_seconds, served=False)
    return len(lines)


def finish(row: KeptBatch, runner: str, status: str, keep_seconds: float) -> bool:
    """Ends a batch; its results are its user's from now on. False if it is another router's."""
    moment = now()
    keep_until = moment + datetime.timedelta(seconds=keep_seconds)
    mine = (KeptBatch.id == row.id) & (KeptBatch.runner == runner) & KeptBatch.ended_at.is_null()
    changes = {"status": status, "ended_at": moment, "size": 0, "keep_until": keep_until}
    with transaction():
        if not KeptBatch.update(changes).where(mine).execute():
            return False
        row = KeptBatch.get_by_id(row.id)
        files = [kept for kept in (row.output_id, row.error_id) if kept is not None]
        if files:
            KeptFile.update(is_whole=True, expires_at=keep_until).where(
                KeptFile.id.in_(files)
            ).execute()
            expires = int((keep_until - EPOCH).total_seconds())
            owner = Owner(row.user_id, row.key_id, KEPT)
            made = [Made(name, "files", expires) for name in file_ids([row]).values()]
            resource_rows.insert(owner, made)
    return True


def _same_try(line: KeptLine) -> object:
    is_begun = (KeptLine.state == BEGUN) & (KeptLine.tries == line.tries)
    return (KeptLine.id == line.id) & is_begun


def _wait_again(row_id: int) -> None:
    begun = (KeptLine.kept_id == row_id) & (KeptLine.state == BEGUN)
    KeptLine.update(state=WAITING).where(begun).execute()


def _add_results(row_id: int, parts: Sequence[Part], keep_seconds: float, *, served: bool) -> None:
    """Adds lines to the file of results, which is made with the first."""
    batch = KeptBatch.get_by_id(row_id)
    kept = batch.output_id if served else batch.error_id
    changes = {"completed": batch.completed, "failed": batch.failed}
    changes["completed" if served else "failed"] += len(parts)
    if kept is None:
        kind = "output" if served else "error"
        kept = KeptFile.create(
            file_id=FILE + secrets.token_hex(12),
            user_id=batch.user_id,
            name=f"{batch.batch_id}_{kind}.jsonl",
            purpose="batch_output",
            expires_at=max(batch.ends_at, now()) + datetime.timedelta(seconds=keep_seconds),
        ).id
        changes[f"{kind}_id"] = kept
    file_rows.add(kept, parts)
    KeptBatch.update(changes).where(KeptBatch.id == row_id).execute()


def _after(seconds: float) -> datetime.datetime:
    return now() + datetime.timedelta(seconds=seconds)
