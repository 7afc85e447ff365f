"""Rows by many values, more than a statement takes."""

from tornado_router.storage.bulk_values import VALUES_PER_STATEMENT, change, find
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import StoredItem


def test_rows_are_found_and_deleted_by_any_number_of_values(place):
    storage = Storage(place.location)
    ids = [f"i{number}" for number in range(2 * VALUES_PER_STATEMENT + 1)]

    def story():
        rows = [{"item_id": item_id, "user_id": 1, "stored_id": 1} for item_id in ids]
        StoredItem.insert_many(rows).execute()
        statement = "SELECT item_id FROM stored_items WHERE item_id IN {}"
        found = [
            {found for (found,) in find(storage.database, statement, values)}
            for values in (ids, ids[1:3], [])
        ]
        change(storage.database, "DELETE FROM stored_items WHERE item_id IN {}", ids[1:])
        return [*found, {row.item_id for row in StoredItem.select()}]

    try:
        assert storage.call(story) == [set(ids), set(ids[1:3]), set(), {ids[0]}]
    finally:
        storage.close()
