"""Rows by many values, more than a statement takes."""

from tornado_router.storage.bulk_find import VALUES_PER_STATEMENT, find
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import StoredItem


def test_rows_are_found_by_any_number_of_values(place):
    storage = Storage(place.location)
    ids = [f"i{number}" for number in range(2 * VALUES_PER_STATEMENT + 1)]

    def story():
        rows = [{"item_id": item_id, "user_id": 1, "stored_id": 1} for item_id in ids]
        StoredItem.insert_many(rows).execute()
        statement = "SELECT item_id FROM stored_items WHERE item_id IN {}"
        return [
            {found for (found,) in find(storage.database, statement, values)}
            for values in (ids, ids[1:3], [])
        ]

    try:
        assert storage.call(story) == [set(ids), set(ids[1:3]), set()]
    finally:
        storage.close()
