"""Accounts, limits, credits, prices, and sums of usage by day."""

from peewee import (
    BigIntegerField,
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    Model,
    SQL,
    TextField,
)


class User(Model):
    spent = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    is_active = BooleanField(default=True, constraints=[SQL("DEFAULT TRUE")])
    session_version = IntegerField(default=1, constraints=[SQL("DEFAULT 1")])
    deleted_at = DateTimeField(null=True)

    class Meta:
        table_name = "users"


class ApiKey(Model):
    max_in_flight = IntegerField(null=True)
    budget = BigIntegerField(null=True)
    budget_period = CharField(max_length=16, default="month", constraints=[SQL("DEFAULT 'month'")])
    expires_at = DateTimeField(null=True)
    revoked_at = DateTimeField(null=True)
    previous_hash = CharField(max_length=64, null=True)
    previous_expires_at = DateTimeField(null=True)

    class Meta:
        table_name = "api_keys"


class UsageLog(Model):
    cache_write_tokens = IntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    uncharged = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    from_credits = BooleanField(default=False, constraints=[SQL("DEFAULT FALSE")])
    prices = TextField(null=True)

    class Meta:
        table_name = "usage_logs"


COLUMNS = (User, ApiKey, UsageLog)


class UsageDay(Model):
    day = DateField()
    user_id = IntegerField()
    api_key_id = IntegerField()
    provider = CharField(default="", constraints=[SQL("DEFAULT ''")])
    model = CharField()
    requests = IntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    errors = IntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    prompt_tokens = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    completion_tokens = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    cached_tokens = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    cache_write_tokens = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    reasoning_tokens = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    cost = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])

    class Meta:
        table_name = "usage_days"
        indexes = (
            (("user_id", "day", "api_key_id", "provider", "model"), True),
            (("api_key_id", "day"), False),
            (("day",), False),
        )


class _User(Model):
    class Meta:
        table_name = "users"


class CreditEntry(Model):
    user = ForeignKeyField(_User, on_delete="CASCADE")
    amount = BigIntegerField()
    balance = BigIntegerField()
    kind = CharField(max_length=16)
    reason = CharField()
    actor = CharField()
    created_at = DateTimeField()

    class Meta:
        table_name = "credit_entries"


class Invite(Model):
    code_hash = CharField(max_length=64, unique=True)
    email = CharField(null=True)
    plan = CharField(null=True)
    created_by = CharField()
    created_at = DateTimeField()
    expires_at = DateTimeField()
    used_at = DateTimeField(null=True)
    used_by = ForeignKeyField(_User, null=True, on_delete="SET NULL")

    class Meta:
        table_name = "invites"


TABLES = [UsageDay, CreditEntry, Invite]

SUMS = """
    INSERT INTO usage_days (day, user_id, api_key_id, provider, model, requests, errors,
        prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, cost)
    SELECT DATE(created_at), COALESCE(user_id, 0), COALESCE(api_key_id, 0), COALESCE(provider, ''),
        model, COUNT(*), SUM(CASE WHEN status >= 400 THEN 1 ELSE 0 END), SUM(prompt_tokens),
        SUM(completion_tokens), SUM(cached_tokens), SUM(reasoning_tokens), SUM(cost)
    FROM usage_logs
    GROUP BY DATE(created_at), COALESCE(user_id, 0), COALESCE(api_key_id, 0),
        COALESCE(provider, ''), model
"""


INDEXES = [
    ("apikey_previous_hash", "UNIQUE INDEX", "api_keys (previous_hash)"),
    ("usagelog_api_key_id_created_at", "INDEX", "usage_logs (api_key_id, created_at)"),
]


def columns(db):
    """Each new column: its table, its name, and how it is declared on this database."""
    for model in COLUMNS:
        for field in model._meta.sorted_fields:
            if field.name != "id":
                with db.bind_ctx([model]):
                    declared, _ = db.get_sql_context().sql(field.ddl(db.get_sql_context())).query()
                yield model._meta.table_name, field.column_name, declared


def up(migrator, db):
    # Plain SQL, as playhouse.migrate would copy a whole table on SQLite for each column.
    for table, _, declared in columns(db):
        db.execute_sql(f"ALTER TABLE {table} ADD COLUMN {declared}")
    for name, kind, on in INDEXES:
        db.execute_sql(f"CREATE {kind} {name} ON {on}")
    with db.bind_ctx([*TABLES, _User]):
        db.create_tables(TABLES, safe=False)
    db.execute_sql(SUMS)
    # Limits that never held must not begin to now, and administrators are not on a plan.
    db.execute_sql("UPDATE api_keys SET rate_limit_rpm = NULL, rate_limit_tpm = NULL")
    db.execute_sql("UPDATE users SET plan = 'unlimited' WHERE is_admin")


def down(migrator, db):
    with db.bind_ctx([*TABLES, _User]):
        db.drop_tables(TABLES)
    for name, _, _ in INDEXES:
        db.execute_sql(f"DROP INDEX {name}")
    for table, column, _ in columns(db):
        db.execute_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
