"""Responses that clients go on from."""

from peewee import BigAutoField, CharField, DateTimeField, IntegerField, Model, TextField


class StoredResponse(Model):
    id = BigAutoField()
    response_id = CharField(max_length=128, unique=True)
    user_id = IntegerField()
    previous = CharField(max_length=128, null=True)
    provider = CharField()
    model = CharField()
    content = TextField(null=True)
    created_at = DateTimeField()
    expires_at = DateTimeField(index=True)

    class Meta:
        table_name = "stored_responses"
        indexes = ((("user_id", "id"), False),)


def up(migrator, db):
    with db.bind_ctx([StoredResponse]):
        db.create_tables([StoredResponse], safe=False)


def down(migrator, db):
    with db.bind_ctx([StoredResponse]):
        db.drop_tables([StoredResponse])
