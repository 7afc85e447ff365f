"""64-bit ids for the sums of usage by day.

On PostgreSQL each upsert takes a number of the sequence, also when it updates a row that is there.
SQLite's ids have 64 bits anyway.
"""

from peewee import PostgresqlDatabase


def up(migrator, db):
    if isinstance(db, PostgresqlDatabase):
        db.execute_sql("ALTER TABLE usage_days ALTER COLUMN id TYPE BIGINT")
        db.execute_sql("ALTER SEQUENCE usage_days_id_seq AS BIGINT")


def down(migrator, db):
    if isinstance(db, PostgresqlDatabase):
        # Nothing refers to the ids, and those that are there may not fit: the rows get new ones.
        db.execute_sql("ALTER TABLE usage_days DROP COLUMN id")
        db.execute_sql("ALTER TABLE usage_days ADD COLUMN id SERIAL PRIMARY KEY")
