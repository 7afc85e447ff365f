"""The rows of batches: who submitted one, what it holds, and who looks after it.

They block, so `Storage.run` calls them.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tornado_router.calls import resource_rows
from tornado_router.calls.resource_rows import Made, Owner
from tornado_router.storage.sql import chunked
from tornado_router.storage.storage import transaction
from tornado_router.storage.tables import Batch
from tornado_router.storage.values import now

MAPPED = "batches.input"
"""The kind of files that the router uploads itself: they are in no list of files."""

_AT_ONCE = 200


class Submitted(NamedTuple):
    """A batch that is about to be sent to the vendor.

    Attributes:
        owner: who submits it.
        endpoint: of its lines.
        model: that they ask for.
        target_model: what the vendor calls it.
        file: the input file.
        held: what it may cost, in billionths of a US dollar.
    """

    owner: Owner
    endpoint: str
    model: str
    target_model: str
    file: str
    held: int


def begin(batch: Submitted, seconds: float) -> int:
    """Notes a batch before the vendor has it; returns the id of its row.

    Args:
        batch: as it is to be sent.
        seconds: after which it is looked for, unless it was noted what became of it.
    """
    owner = batch.owner
    with transaction():
        row = Batch.create(
            provider=owner.provider,
            user_id=owner.user_id,
            key_id=owner.key_id,
            endpoint=batch.endpoint,
            model=batch.model,
            target_model=batch.target_model,
            own_file=batch.file,
            file=batch.file,
            held=batch.held,
            due_at=_after(seconds),
        )
    return int(row.id)


def use_file(row_id: int, owner: Owner, file: str) -> set[str]:
    """Notes the file that the vendor gets instead; returns it if it is another user's."""
    with transaction():
        Batch.update(file=file).where(Batch.id == row_id).execute()
        return resource_rows.insert(owner, [Made(file, MAPPED)])


def made(row_id: int, owner: Owner, batch_id: str, seconds: float) -> set[str]:
    """Notes that the vendor has a batch, and whose it is; returns it if it is another user's."""
    with transaction():
        taken = resource_rows.insert(owner, [Made(batch_id, "batches")])
        if not taken:
            changes = {"batch_id": batch_id, "due_at": _after(seconds)}
            Batch.update(changes).where(Batch.id == row_id).execute()
    return taken


def drop(row_id: int) -> None:
    """Forgets a batch that the vendor does not have; what it held is free."""
    with transaction():
        Batch.delete().where(Batch.id == row_id, Batch.batch_id.is_null()).execute()


def due(most: int) -> Sequence[Batch]:
    """Batches that are to be looked after, those first that have waited for longest."""
    waiting = Batch.select().where(Batch.settled_at.is_null(), Batch.due_at <= now())
    return list(waiting.order_by(Batch.due_at).limit(most))


def claim(row: Batch, seconds: float) -> bool:
    """Takes a batch for a while; False if another router was first.

    Args:
        row: as it was read, or claimed before.
        seconds: for which it is claimed.
    """
    until = _after(seconds)
    with transaction():
        mine = Batch.settled_at.is_null() & (Batch.due_at == row.due_at)
        taken = Batch.update(due_at=until).where(mine, Batch.id == row.id).execute()
    if taken:
        row.due_at = until
    return bool(taken)


def settle(row: Batch) -> None:
    """Notes that a batch is paid for; what it held is free."""
    with transaction():
        Batch.update(settled_at=now(), held=0).where(Batch.id == row.id).execute()


def delete_settled(seconds: float) -> bool:
    """Forgets some batches that were settled so long ago; whether there may be more."""
    before = now() - datetime.timedelta(seconds=seconds)
    old = [
        row.id for row in Batch.select(Batch.id).where(Batch.settled_at < before).limit(_AT_ONCE)
    ]
    if old:  # without waiting for a turn to write
        with transaction():
            Batch.delete().where(Batch.id.in_(old)).execute()
    return bool(old)


def own_files(provider: str, batch_ids: Collection[str]) -> dict[str, str]:
    """The input files of some batches as their clients named them, where those are others."""
    found = {}
    for some in chunked(batch_ids, _AT_ONCE):
        which = Batch.batch_id.in_(some) & (Batch.provider == provider)
        for row in Batch.select().where(which, Batch.own_file != Batch.file):
            found[str(row.batch_id)] = row.own_file
    return found


def known(provider: str, batch_ids: Collection[str]) -> set[str]:
    """Those of some batches that are known."""
    found = set()
    for some in chunked(batch_ids, _AT_ONCE):
        rows = Batch.select(Batch.batch_id).where(
            Batch.provider == provider, Batch.batch_id.in_(some)
        )
        found |= {str(row.batch_id) for row in rows}
    return found


def _after(seconds: float) -> datetime.datetime:
    return now() + datetime.timedelta(seconds=seconds)
