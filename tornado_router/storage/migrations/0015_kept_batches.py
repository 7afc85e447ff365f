"""Files and batches that the router keeps and runs itself."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    DateTimeField,
    IntegerField,
    Model,
    TextField,
)


class KeptFile(Model):
    id = BigAutoField()
    file_id = CharField(max_length=64, unique=True)
    user_id = IntegerField(index=True)
    name = CharField()
    purpose = CharField(max_length=32)
    size = BigIntegerField(default=0)
    is_whole = BooleanField(default=False)
    created_at = DateTimeField()
    expires_at = DateTimeField(index=True)

    class Meta:
        table_name = "kept_files"


class KeptPart(Model):
    id = BigAutoField()
    kept_id = BigIntegerField()
    number = IntegerField()
    size = IntegerField()
    data = TextField()

    class Meta:
        table_name = "kept_parts"
        indexes = ((("kept_id", "number"), True),)


class KeptBatch(Model):
    id = BigAutoField()
    batch_id = CharField(max_length=64, unique=True)
    user_id = IntegerField(index=True)
    key_id = IntegerField()
    endpoint = CharField(max_length=64)
    model = CharField()
    input_file = CharField(max_length=256)
    completion_window = CharField(max_length=16)
    metadata = TextField(null=True)
    status = CharField(max_length=16)
    size = BigIntegerField(default=0)
    total = IntegerField(default=0)
    completed = IntegerField(default=0)
    failed = IntegerField(default=0)
    output_id = BigIntegerField(null=True)
    error_id = BigIntegerField(null=True)
    created_at = DateTimeField()
    ends_at = DateTimeField()
    cancelling_at = DateTimeField(null=True)
    ended_at = DateTimeField(null=True)
    keep_until = DateTimeField(null=True, index=True)
    runner = CharField(max_length=32)
    claimed_until = DateTimeField()

    class Meta:
        table_name = "kept_batches"
        indexes = ((("ended_at", "claimed_until"), False),)


class KeptLine(Model):
    id = BigAutoField()
    kept_id = BigIntegerField()
    number = IntegerField()
    state = IntegerField(default=0)
    tries = IntegerField(default=0)
    data = TextField()

    class Meta:
        table_name = "kept_lines"
        indexes = ((("kept_id", "state", "number"), False),)


TABLES = [KeptFile, KeptPart, KeptBatch, KeptLine]


def up(migrator, db):
    with db.bind_ctx(TABLES):
        db.create_tables(TABLES, safe=False)


def down(migrator, db):
    with db.bind_ctx(TABLES):
        db.drop_tables(TABLES)
