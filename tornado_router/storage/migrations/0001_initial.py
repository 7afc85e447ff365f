"""Users, API keys and usage. A frozen copy of the models, independent of the application's."""

from peewee import (
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    DateTimeField,
    FloatField,
    ForeignKeyField,
    IntegerField,
    Model,
    SQL,
    TextField,
)


class User(Model):
    email = CharField(unique=True)
    name = CharField()
    password_hash = CharField()
    plan = CharField(default="free", constraints=[SQL("DEFAULT 'free'")])
    credits = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    is_admin = BooleanField(default=False, constraints=[SQL("DEFAULT FALSE")])
    created_at = DateTimeField()
    updated_at = DateTimeField()

    class Meta:
        table_name = "users"


class ApiKey(Model):
    user = ForeignKeyField(User, on_delete="CASCADE")
    key_hash = CharField(max_length=64, unique=True)
    prefix = CharField(max_length=16)
    name = CharField()
    permissions = TextField(default="[]", constraints=[SQL("DEFAULT '[]'")])
    rate_limit_rpm = IntegerField(null=True, constraints=[SQL("DEFAULT 60")])
    rate_limit_tpm = IntegerField(null=True, constraints=[SQL("DEFAULT 10000")])
    is_active = BooleanField(default=True, constraints=[SQL("DEFAULT TRUE")])
    created_at = DateTimeField()
    last_used_at = DateTimeField(null=True)

    class Meta:
        table_name = "api_keys"


class UsageLog(Model):
    id = BigAutoField()
    call_id = CharField(max_length=40, unique=True)
    request_id = CharField(max_length=128)
    user = ForeignKeyField(User, null=True, on_delete="SET NULL", index=False)
    api_key = ForeignKeyField(ApiKey, null=True, on_delete="SET NULL", index=False)
    endpoint = CharField()
    provider = CharField(null=True)
    model = CharField()
    target_model = CharField(null=True)
    stream = BooleanField()
    status = IntegerField()
    error_code = CharField(null=True)
    prompt_tokens = IntegerField()
    completion_tokens = IntegerField()
    total_tokens = IntegerField()
    cached_tokens = IntegerField()
    reasoning_tokens = IntegerField()
    usage_estimated = BooleanField()
    cost = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    duration_ms = FloatField()
    first_chunk_ms = FloatField(null=True)
    created_at = DateTimeField()

    class Meta:
        table_name = "usage_logs"
        indexes = ((("user", "created_at"), False), (("created_at",), False))


TABLES = [User, ApiKey, UsageLog]


def up(migrator, db):
    with db.bind_ctx(TABLES):
        db.create_tables(TABLES, safe=False)  # tables of another program are not taken for ours


def down(migrator, db):
    with db.bind_ctx(TABLES):
        db.drop_tables(TABLES)
