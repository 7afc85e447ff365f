"""Stored responses and their items are found by numbers of their ids."""

from tornado_router.storage.id_numbers import id_number

AT_ONCE = 1000
COLUMNS = {"stored_responses": "response_id", "stored_items": "item_id"}
BY_IDS = {
    "stored_responses": (
        "storedresponse_response_id_user_id",
        "CREATE UNIQUE INDEX {} ON stored_responses (response_id, user_id)",
    ),
    "stored_items": (
        "storeditem_item_id_user_id",
        'CREATE UNIQUE INDEX "{}" ON "stored_items" ("item_id", "user_id")',
    ),
}
BY_NUMBERS = {
    "stored_responses": "storedresponse_id_number",
    "stored_items": "storeditem_id_number",
}


def up(migrator, db):
    for table, column in COLUMNS.items():
        db.execute_sql(f"ALTER TABLE {table} ADD COLUMN id_number BIGINT NOT NULL DEFAULT 0")
        number_all(db, table, column)
        db.execute_sql(f"DROP INDEX {BY_IDS[table][0]}")
        db.execute_sql(f"CREATE INDEX {BY_NUMBERS[table]} ON {table} (id_number)")


def number_all(db, table, column):
    """Gives every row its number."""
    find = f"SELECT id, {column} FROM {table} WHERE id > {db.param} ORDER BY id LIMIT {AT_ONCE}"
    update = f"UPDATE {table} SET id_number = {db.param} WHERE id = {db.param}"
    last = 0
    while rows := db.execute_sql(find, (last,)).fetchall():
        for row_id, name in rows:
            db.execute_sql(update, (id_number(name), row_id))
        last = rows[-1][0]


def down(migrator, db):
    for table in COLUMNS:
        name, statement = BY_IDS[table]
        db.execute_sql(f"DROP INDEX {BY_NUMBERS[table]}")
        db.execute_sql(f"ALTER TABLE {table} DROP COLUMN id_number")
        db.execute_sql(statement.format(name))
