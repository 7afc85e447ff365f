"""The events of responses that are made in the background as streams."""

from peewee import BigAutoField, BigIntegerField, IntegerField, Model, TextField


class StoredEvents(Model):
    id = BigAutoField()
    stored_id = BigIntegerField()
    first_number = IntegerField()
    last_number = IntegerField()
    data = TextField()

    class Meta:
        table_name = "stored_events"
        indexes = ((("stored_id", "last_number"), False),)


def up(migrator, db):
    with db.bind_ctx([StoredEvents]):
        db.create_tables([StoredEvents], safe=False)


def down(migrator, db):
    with db.bind_ctx([StoredEvents]):
        db.drop_tables([StoredEvents])
