"""The ids of the items of stored responses, by which requests may name them."""

from peewee import BigAutoField, BigIntegerField, CharField, IntegerField, Model


class StoredItem(Model):
    id = BigAutoField()
    item_id = CharField(max_length=128)
    user_id = IntegerField()
    stored_id = BigIntegerField(index=True)

    class Meta:
        table_name = "stored_items"
        indexes = ((("item_id", "user_id"), True),)


def up(migrator, db):
    with db.bind_ctx([StoredItem]):
        db.create_tables([StoredItem], safe=False)


def down(migrator, db):
    with db.bind_ctx([StoredItem]):
        db.drop_tables([StoredItem])
