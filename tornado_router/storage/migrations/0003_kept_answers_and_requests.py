"""Answers that were kept, and what calls asked and were answered."""

from peewee import BigAutoField, CharField, DateTimeField, IntegerField, Model, TextField

COLUMNS = [
    ("usage_logs", "cache_hit", "BOOLEAN NOT NULL DEFAULT FALSE"),
    ("api_keys", "log_requests", "BOOLEAN"),
]


class RequestLog(Model):
    id = BigAutoField()
    call_id = CharField(max_length=40, unique=True)
    request_id = CharField(max_length=128)
    user_id = IntegerField(index=True)
    api_key_id = IntegerField()
    endpoint = CharField()
    model = CharField()
    status = IntegerField()
    request = TextField()
    request_bytes = IntegerField()
    response = TextField()
    response_bytes = IntegerField()
    created_at = DateTimeField(index=True)

    class Meta:
        table_name = "request_logs"


def up(migrator, db):
    for table, name, declared in COLUMNS:
        db.execute_sql(f"ALTER TABLE {table} ADD COLUMN {name} {declared}")
    with db.bind_ctx([RequestLog]):
        db.create_tables([RequestLog], safe=False)


def down(migrator, db):
    with db.bind_ctx([RequestLog]):
        db.drop_tables([RequestLog])
    for table, name, _ in COLUMNS:
        db.execute_sql(f"ALTER TABLE {table} DROP COLUMN {name}")
