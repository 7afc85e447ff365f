"""The rows of the items of stored responses: by the id of an item, they lead to its response.

They block, so `Storage.run` calls them; what writes is called within a transaction.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from tornado_router.calls.new_response import MOST_ITEMS, NewResponse, Place, Taken
from tornado_router.storage import bulk_insert, bulk_values
from tornado_router.storage.id_numbers import id_number
from tornado_router.storage.sql import chunked
from tornado_router.storage.tables import StoredItem, StoredResponse
from tornado_router.storage.values import now

_AT_ONCE = 200
"""Values in one statement: databases bound them."""

VENDOR = "CASE WHEN r.content IS NULL THEN r.provider END"
"""SQL for the vendor that keeps a response `r`; null for the router itself."""

_BEFORE = (
    f"SELECT i.id, i.item_id, i.user_id, {VENDOR} FROM stored_items i "  # noqa: S608
    "LEFT JOIN stored_responses r ON r.id = i.stored_id WHERE i.id_number IN {}"
)


class Found(NamedTuple):
    """Where the items are that a call names.

    Attributes:
        own: the rows of the user's own responses, by the ids of the items.
        others: the ids that only responses of other users have.
    """

    own: dict[str, int]
    others: set[str]


def insert(responses: Sequence[NewResponse], written: Mapping[NewResponse, int]) -> None:
    """Notes which items some responses have.

    Where rows of other responses have the same, they go: see `Taken`.

    Args:
        responses: in the order in which they came.
        written: those of them that are there, with the ids of their rows.
    """
    taken = Taken()
    rows = taken.newest(
        (Place(item_id, new.user_id, new.vendor), (item_id, id_number(item_id), new))
        for new in responses
        for item_id in dict.fromkeys(new.item_ids[:MOST_ITEMS])
    )
    database = StoredItem._meta.database
    before = bulk_values.find(database, _BEFORE, {number for _, number, _ in rows})
    gone = [row_id for row_id, *place in before if taken.has(Place(*place))]
    bulk_values.change(database, "DELETE FROM stored_items WHERE id IN {}", gone)
    bulk_insert.insert(
        database,
        "stored_items",
        [
            {
                "item_id": item_id,
                "id_number": number,
                "user_id": new.user_id,
                "stored_id": written[new],
            }
            for item_id, number, new in rows
            if new in written
        ],
    )


def delete(stored_ids: Collection[int]) -> None:
    """Deletes the items of some responses."""
    statement = "DELETE FROM stored_items WHERE stored_id IN {}"
    bulk_values.change(StoredItem._meta.database, statement, stored_ids)


def find(user_id: int, item_ids: Collection[str]) -> Found:
    """Which responses have some items, by the items' ids.

    Args:
        user_id: whose call names them.
        item_ids: that it names.
    """
    found = Found({}, set())
    for some in chunked(item_ids, _AT_ONCE):
        numbers = StoredItem.id_number.in_([id_number(item_id) for item_id in some])
        for row in StoredItem.select().where(numbers, StoredItem.item_id.in_(some)):
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
