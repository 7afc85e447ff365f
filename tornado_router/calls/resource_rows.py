"""The rows of owners: whose the things are that vendors keep under ids.

They block, so `Storage.run` calls them.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from typing import NamedTuple

from tornado_router.storage.sql import chunked
from tornado_router.storage.storage import transaction
from tornado_router.storage.tables import Resource
from tornado_router.storage.values import now, utc

MAX_ID = 256
"""Characters of an id."""

GRACE = datetime.timedelta(days=1)
"""So long a row outlives what it leads to: the clocks of vendors may differ."""

_AT_ONCE = 200
"""Values in one statement: databases bound them."""

_OLD_ROWS = 100
"""So many are deleted at a time."""


class Made(NamedTuple):
    """A thing that a vendor made.

    Attributes:
        id: of it.
        kind: the endpoint that made it, such as `files`.
        expires: when the vendor deletes it, in seconds since 1970; None if that is not known.
    """

    id: str
    kind: str
    expires: int | None = None


class Owner(NamedTuple):
    """Who made something.

    Attributes:
        user_id: whose it is from then on.
        key_id: by which it was made.
        provider: that keeps it.
    """

    user_id: int
    key_id: int
    provider: str


class Owned(NamedTuple):
    """Whose some ids are.

    Attributes:
        own: those of the user, each with the providers that keep something under it.
        others: those that only other users have.
    """

    own: dict[str, list[str]]
    others: set[str]


def insert(owner: Owner, made: Sequence[Made]) -> set[str]:
    """Notes whose some things are; returns the ids that another user has, which stay there.

    Who was first keeps an id: to own it anew, one would only have to make a vendor repeat it.
    """
    by_id = {item.id: item for item in made if may_be_known(item.id)}
    taken = set()
    with transaction():
        for some in chunked(by_id, _AT_ONCE):
            at_vendor = Resource.provider == owner.provider
            rows = list(Resource.select().where(Resource.resource_id.in_(some), at_vendor))
            there = {row.resource_id for row in rows}
            taken |= {row.resource_id for row in rows if row.user_id != owner.user_id}
            new = [
                {
                    "resource_id": item.id,
                    "provider": owner.provider,
                    "kind": item.kind,
                    "user_id": owner.user_id,
                    "key_id": owner.key_id,
                    "expires_at": None if item.expires is None else utc(item.expires),
                }
                for item in map(by_id.__getitem__, some)
                if item.id not in there
            ]
            if new:
                Resource.insert_many(new).execute()
    return taken


def find(user_id: int, ids: Collection[str], provider: str | None = None) -> Owned:
    """Whose some ids are.

    Args:
        user_id: who names them.
        ids: that are named.
        provider: that keeps what they lead to; None for any.
    """
    own: dict[str, list[str]] = {}
    others = set()
    for some in chunked([found for found in ids if may_be_known(found)], _AT_ONCE):
        named = Resource.resource_id.in_(some)
        if provider is not None:
            named &= Resource.provider == provider
        for row in Resource.select().where(named):
            if row.user_id == user_id:
                own.setdefault(row.resource_id, []).append(row.provider)
            else:
                others.add(row.resource_id)
    return Owned(own, others - own.keys())


def ids_of(user_id: int, provider: str, kind: str) -> set[str]:
    """The ids that a user has of one kind at a provider."""
    rows = Resource.select(Resource.resource_id).where(
        Resource.user_id == user_id, Resource.provider == provider, Resource.kind == kind
    )
    return {row.resource_id for row in rows}


def delete(user_id: int, provider: str, resource_id: str) -> None:
    """Forgets a thing of a user that the vendor has deleted."""
    with transaction():
        Resource.delete().where(
            Resource.resource_id == resource_id,
            Resource.provider == provider,
            Resource.user_id == user_id,
        ).execute()


def delete_old() -> None:
    """Forgets some things that vendors have deleted since, by their age."""
    old = Resource.select(Resource.id).where(Resource.expires_at < now() - GRACE)
    if old.exists():  # without waiting for a turn to write
        with transaction():
            ids = [row.id for row in old.limit(_OLD_ROWS)]
            Resource.delete().where(Resource.id.in_(ids)).execute()


def may_be_known(found: str) -> bool:
    """Whether every database could look for an id."""
    return 0 < len(found) <= MAX_ID and "\0" not in found and found.isprintable()
