"""Batches that vendors work at, each until it is paid for."""

from peewee import BigAutoField, BigIntegerField, CharField, DateTimeField, IntegerField, Model


class Batch(Model):
    id = BigAutoField()
    batch_id = CharField(max_length=256, null=True)
    provider = CharField()
    user_id = IntegerField()
    key_id = IntegerField()
    endpoint = CharField(max_length=64)
    model = CharField()
    target_model = CharField()
    own_file = CharField(max_length=256)
    file = CharField(max_length=256)
    held = BigIntegerField()
    created_at = DateTimeField()
    due_at = DateTimeField()
    settled_at = DateTimeField(null=True)

    class Meta:
        table_name = "batches"
        indexes = (
            (("provider", "batch_id"), True),
            (("user_id", "settled_at"), False),
            (("settled_at", "due_at"), False),
        )


def up(migrator, db):
    with db.bind_ctx([Batch]):
        db.create_tables([Batch], safe=False)


def down(migrator, db):
    with db.bind_ctx([Batch]):
        db.drop_tables([Batch])
