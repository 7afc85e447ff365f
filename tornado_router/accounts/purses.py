"""What the database knows to be spent of the purses that calls are paid from."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from tornado_router.accounts.budgets import spent_since
from tornado_router.limits.holders import HolderKind
from tornado_router.storage.tables import User
from tornado_router.storage.values import billionths


def spent_of(ids: Iterable[str]) -> dict[str, int]:
    """What is spent of purses, in billionths of a US dollar, by id. Blocks."""
    return {id_: _spent(id_) for id_ in ids}


def _spent(id_: str) -> int:
    kind, *parts = HolderKind.parts(id_)
    if kind is HolderKind.CREDITS:
        user = User.get_or_none(User.id == int(parts[0]))
        return billionths(user.spent) if user is not None else 0
    if kind is HolderKind.BUDGET:
        key_id, first = parts
        return spent_since(int(key_id), datetime.date.fromisoformat(first))
    raise ValueError(f"{id_} names another kind of holder than a purse")
