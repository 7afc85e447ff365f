"""The tables of files and batches that the router keeps itself."""

from __future__ import annotations

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

from tornado_router.storage.values import now


class KeptFile(Model):
    """A file that the router keeps itself, for batches that it runs itself.

    Its content is in `KeptPart`; it is there for its user once it `is_whole`.
    Rows hold no foreign keys; a user's are deleted with the user.
    """

    id = BigAutoField()
    file_id = CharField(max_length=64, unique=True)
    user_id = IntegerField(index=True)
    name = CharField(default="")
    purpose = CharField(max_length=32)
    size = BigIntegerField(default=0)
    is_whole = BooleanField(default=False)
    created_at = DateTimeField(default=now)
    expires_at = DateTimeField(index=True)

    class Meta:
        table_name = "kept_files"


class KeptPart(Model):
    """A part of a kept file, of `size` bytes. The parts of results are a line each."""

    id = BigAutoField()
    kept_id = BigIntegerField()
    number = IntegerField()
    size = IntegerField()
    data = TextField()

    class Meta:
        table_name = "kept_parts"
        indexes = ((("kept_id", "number"), True),)


class KeptBatch(Model):
    """A batch that the router runs itself: each of its lines is a call.

    `output_id` and `error_id` are the rows of the files with its results. `size` is that of the
    lines that are left. `runner` is drawn by who runs it, until `claimed_until`; any router may
    take it over then.
    Rows hold no foreign keys; a user's are deleted with the user.
    """

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
    created_at = DateTimeField(default=now)
    ends_at = DateTimeField()
    cancelling_at = DateTimeField(null=True)
    ended_at = DateTimeField(null=True)
    keep_until = DateTimeField(null=True, index=True)
    runner = CharField(max_length=32, default="")
    claimed_until = DateTimeField()

    class Meta:
        table_name = "kept_batches"
        indexes = ((("ended_at", "claimed_until"), False),)


class KeptLine(Model):
    """A line of a kept batch that has no result yet, as its client sent it.

    `state` is 1 while it is at a vendor. `tries` is how often it was begun: what a router
    that lost the batch still writes is known by it.
    """

    id = BigAutoField()
    kept_id = BigIntegerField()
    number = IntegerField()
    state = IntegerField(default=0)
    tries = IntegerField(default=0)
    data = TextField()

    class Meta:
        table_name = "kept_lines"
        indexes = ((("kept_id", "state", "number"), False),)


KEPT_TABLES = (KeptFile, KeptPart, KeptBatch, KeptLine)
