"""The rows of the events of responses that are made in the background, some events in each.

They block, so `Storage.run` calls them; what writes is called within a transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tornado_router.calls.kept_events import Events
from tornado_router.storage import bulk_values
from tornado_router.storage.tables import StoredEvents, StoredResponse


def insert(events: Mapping[int, Events]) -> None:
    """Writes events of some responses, by the rows of those; not if these were deleted since."""
    there = StoredResponse.select(StoredResponse.id).where(StoredResponse.id.in_(list(events)))
    rows = [
        {
            "stored_id": row.id,
            "first_number": events[row.id].first,
            "last_number": events[row.id].last,
            "data": events[row.id].data.decode(),
        }
        for row in there
    ]
    if rows:
        StoredEvents.insert_many(rows).execute()


def delete(stored_ids: Collection[int]) -> None:
    """Deletes the events of some responses."""
    statement = "DELETE FROM stored_events WHERE stored_id IN {}"
    bulk_values.change(StoredEvents._meta.database, statement, stored_ids)


def read(stored_id: int, after: int) -> Sequence[Events]:
    """The events of a response behind one; a few before that may be among them.

    Args:
        stored_id: the row of the response.
        after: the number of the event; -1 for all.
    """
    rows = StoredEvents.select().where(
        StoredEvents.stored_id == stored_id, StoredEvents.last_number > after
    )
    return [
        Events(row.first_number, row.last_number, row.data.encode())
        for row in rows.order_by(StoredEvents.first_number, StoredEvents.id)
    ]
