"""The rows of the items of stored responses: by the id of an item, they lead to its response.

They block, so `Storage.run` calls them; what writes is called within a transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from tornado_router.storage.sql import chunked
from tornado_router.storage.tables import StoredItem, StoredResponse
from tornado_router.storage.values import now

MOST_ITEMS = 1000
"""Of one response that are found again by their ids."""

_AT_ONCE = 200
"""Values in one statement: databases bound them."""


class Found(NamedTuple):
    """Where the items are that a call names.

    Attributes:
        own: the rows of the user's own responses, by the ids of the items.
        others: the ids that only responses of other users have.
    """

    own: dict[str, int]
    others: set[str]


def insert(row: StoredResponse, item_ids: Sequence[str]) -> None:
    """Notes which items a response has.

    A vendor has one item under an id, the newest: where another user's row leads to it, that row
    goes, as it would reveal this one.

    Args:
        row: of the response, which is written.
        item_ids: of its output.
    """
    unique = list(dict.fromkeys(item_ids[:MOST_ITEMS]))
    replaced = StoredItem.user_id == row.user_id
    if row.content is None:
        at_its_vendor = StoredResponse.select(StoredResponse.id).where(at_vendor(row.provider))
        replaced |= StoredItem.stored_id.in_(at_its_vendor)
    for some in chunked(unique, _AT_ONCE):
        StoredItem.delete().where(StoredItem.item_id.in_(some), replaced).execute()
        StoredItem.insert_many(
            {"item_id": item_id, "user_id": row.user_id, "stored_id": row.id} for item_id in some
        ).execute()


def at_vendor(provider: str) -> Any:
    """The condition that a response is kept by the vendor that made it."""
    return (StoredResponse.provider == provider) & StoredResponse.content.is_null()


def delete(stored_ids: Collection[int]) -> None:
    """Deletes the items of some responses."""
    for some in chunked(stored_ids, _AT_ONCE):
        StoredItem.delete().where(StoredItem.stored_id.in_(some)).execute()


def find(user_id: int, item_ids: Collection[str]) -> Found:
    """Which responses have some items, by the items' ids.

    Args:
        user_id: whose call names them.
        item_ids: that it names.
    """
    found = Found({}, set())
    for some in chunked(item_ids, _AT_ONCE):
        for row in StoredItem.select().where(StoredItem.item_id.in_(some)):
            if row.user_id == user_id:
                found.own[row.item_id] = row.stored_id
            else:
                found.others.add(row.item_id)
    return Found(found.own, found.others - found.own.keys())


def responses(stored_ids: Collection[int], until: datetime.datetime) -> Iterator[StoredResponse]:
    """Some responses that are not too old, one after the other; they are kept for longer now.

    Args:
        stored_ids: their rows.
        until: how long they are kept at least.
    """
    for some in chunked(stored_ids, _AT_ONCE):
        fresh = StoredResponse.id.in_(some) & (StoredResponse.expires_at > now())
        StoredResponse.update(expires_at=until).where(fresh).execute()
    for stored_id in stored_ids:
        row = StoredResponse.get_or_none(
            StoredResponse.id == stored_id, StoredResponse.expires_at > now()
        )
        if row is not None:
            yield row
