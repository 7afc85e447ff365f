"""The rows of files that the router keeps itself.

They block, so `Storage.run` calls them.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from tornado_router.storage.kept_tables import KeptBatch, KeptFile, KeptLine, KeptPart
from tornado_router.storage.sql import chunked, fn
from tornado_router.storage.storage import transaction
from tornado_router.storage.values import now

UNFINISHED = datetime.timedelta(days=1)
"""An upload that has not ended after so long never will: its router was killed."""

_AT_ONCE = 50
"""Rows in one statement: databases bound its values."""

_OLD_ROWS = 500
"""So many are deleted in one transaction, for which others wait."""

_LISTED_PARTS = 256


class Part(NamedTuple):
    """A part of a file.

    Attributes:
        number: by which the parts are in order.
        text: of it.
        size: of the text in UTF-8.
    """

    number: int
    text: str
    size: int


def begin(file_id: str, user_id: int, purpose: str) -> int:
    """Notes a file whose content is still to come; returns the id of its row."""
    with transaction():
        row = KeptFile.create(
            file_id=file_id, user_id=user_id, purpose=purpose, expires_at=now() + UNFINISHED
        )
    return int(row.id)


def add(row_id: int, parts: Sequence[Part]) -> None:
    """Adds parts to a file."""
    with transaction():
        for some in chunked(parts, _AT_ONCE):
            KeptPart.insert_many(
                {"kept_id": row_id, "number": part.number, "size": part.size, "data": part.text}
                for part in some
            ).execute()
        size = sum(part.size for part in parts)
        KeptFile.update(size=KeptFile.size + size).where(KeptFile.id == row_id).execute()


def finish(row_id: int, name: str, expires_at: datetime.datetime) -> KeptFile:
    """Notes that all of a file is here."""
    with transaction():
        changes = {"name": name, "is_whole": True, "expires_at": expires_at}
        KeptFile.update(changes).where(KeptFile.id == row_id).execute()
        return KeptFile.get_by_id(row_id)


def find(user_id: int, file_id: str) -> KeptFile | None:
    """A file of a user; None if there is none."""
    mine = (KeptFile.user_id == user_id) & (KeptFile.file_id == file_id)
    found: KeptFile | None = KeptFile.get_or_none(mine & KeptFile.is_whole)
    return found


def page(user_id: int, after: str, most: int, purpose: str, *, ascending: bool) -> list[KeptFile]:
    """Files of a user, the newest first unless `ascending`.

    Args:
        user_id: whose.
        after: the id behind which to begin; empty for the first page.
        most: files.
        purpose: of the files; empty for any.
        ascending: whether the oldest come first.
    """
    rows = KeptFile.select().where(KeptFile.user_id == user_id, KeptFile.is_whole)
    if purpose:
        rows = rows.where(KeptFile.purpose == purpose)
    if after:
        last = find(user_id, after)
        if last is None:
            return []
        rows = rows.where(KeptFile.id > last.id if ascending else KeptFile.id < last.id)
    order = KeptFile.id.asc() if ascending else KeptFile.id.desc()
    return list(rows.order_by(order).limit(most))


def some_parts(row_id: int, after: int, most: int) -> list[tuple[int, str]]:
    """The next parts of a file, each with its number: about so many bytes of them.

    Args:
        row_id: of the file.
        after: number of the part before.
        most: bytes, unless one part has more.
    """
    behind = (KeptPart.kept_id == row_id) & (KeptPart.number > after)
    last, total = None, 0
    sizes = KeptPart.select(KeptPart.number, KeptPart.size).where(behind)
    for part in sizes.order_by(KeptPart.number).limit(_LISTED_PARTS):
        total += part.size
        if last is not None and total > most:
            break
        last = part.number
    if last is None:
        return []
    parts = KeptPart.select().where(behind, KeptPart.number <= last)
    return [(part.number, part.data) for part in parts.order_by(KeptPart.number)]


def used(user_id: int | None = None) -> int:
    """The bytes that files and lines of one user, or of all, take."""
    total = 0
    for table in (KeptFile, KeptBatch):
        rows = table.select(fn.SUM(table.size).coerce(False))
        if user_id is not None:
            rows = rows.where(table.user_id == user_id)
        total += int(rows.scalar() or 0)
    return total


def delete(row_id: int) -> None:
    """Deletes a file at once for its user; its content goes by and by."""
    with transaction():
        changes = {"is_whole": False, "expires_at": now()}
        KeptFile.update(changes).where(KeptFile.id == row_id).execute()


def delete_old() -> bool:
    """Deletes some of what is too old, or was deleted; whether there may be more."""
    files = KeptFile.select(KeptFile.id).where(KeptFile.expires_at <= now()).limit(1)
    batches = KeptBatch.select(KeptBatch.id).where(KeptBatch.keep_until <= now()).limit(1)
    found = False
    for rows, table, inner in ((files, KeptFile, KeptPart), (batches, KeptBatch, KeptLine)):
        for row in rows:  # without waiting for a turn to write
            found = True
            with transaction():
                some = inner.select(inner.id).where(inner.kept_id == row.id).limit(_OLD_ROWS)
                ids = [item.id for item in some]
                if ids:
                    inner.delete().where(inner.id.in_(ids)).execute()
                else:
                    table.delete().where(table.id == row.id).execute()
    return found
