"""What batches hold of credits and budgets until they are settled. It blocks."""

from __future__ import annotations

from tornado_router.storage.sql import fn
from tornado_router.storage.tables import Batch


def held_of_user(user_id: int) -> int:
    """What the batches of a user hold, in billionths of a US dollar."""
    return _sum(Batch.user_id == user_id)


def held_of_key(user_id: int, key_id: int) -> int:
    """What those hold that were submitted with one key."""
    return _sum((Batch.user_id == user_id) & (Batch.key_id == key_id))


def _sum(which: object) -> int:
    rows = Batch.select(fn.SUM(Batch.held).coerce(False)).where(which, Batch.settled_at.is_null())
    return int(rows.scalar() or 0)  # PostgreSQL adds integers up to a decimal
