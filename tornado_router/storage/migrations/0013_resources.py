"""Whose the things are that vendors keep under ids, such as files."""

from peewee import BigAutoField, CharField, DateTimeField, IntegerField, Model


class Resource(Model):
    id = BigAutoField()
    resource_id = CharField(max_length=256)
    provider = CharField()
    kind = CharField(max_length=64)
    user_id = IntegerField()
    key_id = IntegerField()
    created_at = DateTimeField()
    expires_at = DateTimeField(null=True, index=True)

    class Meta:
        table_name = "resources"
        indexes = (
            (("resource_id", "provider"), True),
            (("user_id", "provider", "kind"), False),
        )


def up(migrator, db):
    with db.bind_ctx([Resource]):
        db.create_tables([Resource], safe=False)


def down(migrator, db):
    with db.bind_ctx([Resource]):
        db.drop_tables([Resource])
