"""Ids of responses are unique for a user; how large each is, and which are still made."""

from peewee import BigAutoField, BigIntegerField, BooleanField, DateTimeField, Model


class BackgroundResponse(Model):
    id = BigAutoField()
    stored_id = BigIntegerField(unique=True)
    is_cancelled = BooleanField()
    alive_at = DateTimeField()

    class Meta:
        table_name = "background_responses"


REPEATED = """
    DELETE FROM stored_responses WHERE id NOT IN (
        SELECT newest FROM (
            SELECT MAX(id) AS newest FROM stored_responses GROUP BY response_id
        ) AS kept
    )
"""
NEW, OLD = "storedresponse_response_id_user_id", "storedresponse_response_id"
NEW_SIZES, OLD_SIZES = "storedresponse_user_id_id_size", "storedresponse_user_id_id"


def up(migrator, db):
    db.execute_sql("ALTER TABLE stored_responses ADD COLUMN size BIGINT NOT NULL DEFAULT 0")
    db.execute_sql("UPDATE stored_responses SET size = COALESCE(LENGTH(content), 0)")
    for index in (OLD, OLD_SIZES):
        db.execute_sql(f"DROP INDEX {index}")
    db.execute_sql(f"CREATE UNIQUE INDEX {NEW} ON stored_responses (response_id, user_id)")
    db.execute_sql(f"CREATE INDEX {NEW_SIZES} ON stored_responses (user_id, id, size)")
    with db.bind_ctx([BackgroundResponse]):
        db.create_tables([BackgroundResponse], safe=False)


def down(migrator, db):
    with db.bind_ctx([BackgroundResponse]):
        db.drop_tables([BackgroundResponse])
    db.execute_sql(REPEATED)  # of an id that several users have, the newest stays
    for index in (NEW, NEW_SIZES):
        db.execute_sql(f"DROP INDEX {index}")
    db.execute_sql(f'CREATE UNIQUE INDEX "{OLD}" ON "stored_responses" ("response_id")')
    db.execute_sql(f'CREATE INDEX "{OLD_SIZES}" ON "stored_responses" ("user_id", "id")')
    db.execute_sql("ALTER TABLE stored_responses DROP COLUMN size")
