"""The tables of the database."""

from __future__ import annotations

from peewee import (
    AutoField,
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    DoubleField,
    FloatField,
    ForeignKeyField,
    IntegerField,
    Model,
    TextField,
)

from tornado_router.storage.kept_tables import KEPT_TABLES
from tornado_router.storage.values import MoneyField, now
from tornado_router.usage import QUANTITIES


class User(Model):
    """A person who holds keys.

    `credits` is what is left, `spent` what was paid from them for calls, and their sum what was
    ever put in: it changes with a `CreditEntry` alone, so that no read of it races with a call.
    Neither is below 0: the database refuses it.
    A session's token carries the `session_version` that it was made under, and ends with it.
    A deleted user's row stays for its usage, without a name or an address: its id is never reused.
    """

    id = AutoField()
    email = CharField(unique=True)
    name = CharField()
    password_hash = CharField()
    plan = CharField(default="free")
    credits = MoneyField(default=0)
    spent = MoneyField(default=0)
    is_admin = BooleanField(default=False)
    is_active = BooleanField(default=True)
    session_version = IntegerField(default=1)
    deleted_at = DateTimeField(null=True)
    created_at = DateTimeField(default=now)
    updated_at = DateTimeField(default=now)

    class Meta:
        table_name = "users"


class ApiKey(Model):
    """What a client shows. Only its digest is kept; `prefix` lets a person tell keys apart.

    A limit that is null does not hold, and a null in `log_requests` leaves that to the route.
    `permissions` is a JSON object (see `accounts.permissions`). After a rotation the digest before
    works on for a while. A revoked key stays, for its usage.
    """

    id = AutoField()
    user = ForeignKeyField(User, backref="keys", on_delete="CASCADE")
    key_hash = CharField(max_length=64, unique=True)
    prefix = CharField(max_length=16)
    name = CharField()
    permissions = TextField(default="[]")
    rate_limit_rpm = IntegerField(default=60, null=True)
    rate_limit_tpm = IntegerField(default=10_000, null=True)
    max_in_flight = IntegerField(null=True)
    budget = MoneyField(null=True)
    budget_period = CharField(max_length=16, default="month")
    is_active = BooleanField(default=True)
    expires_at = DateTimeField(null=True)
    revoked_at = DateTimeField(null=True)
    previous_hash = CharField(max_length=64, null=True, unique=True)
    previous_expires_at = DateTimeField(null=True)
    log_requests = BooleanField(null=True)
    created_at = DateTimeField(default=now)
    last_used_at = DateTimeField(null=True)

    class Meta:
        table_name = "api_keys"


class UsageLog(Model):
    """What one call used. Rows outlive the user and the key that they were made for.

    `call_id` is the router's own and unique, so a row is never written twice; `request_id` is
    what the client saw, and may have chosen. `cost` is what was charged, and `uncharged` what the
    call cost beyond the money that was there; `from_credits` says whether its user's credits paid
    it. `prices` is the JSON object of the prices that were
    used, or null for a model without.
    """

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
    total_tokens = IntegerField()
    usage_estimated = BooleanField()
    cache_hit = BooleanField(default=False)
    cost = MoneyField(default=0)
    uncharged = MoneyField(default=0)
    from_credits = BooleanField(default=False)
    prices = TextField(null=True)
    duration_ms = FloatField()
    first_chunk_ms = FloatField(null=True)
    created_at = DateTimeField(default=now)

    class Meta:
        table_name = "usage_logs"
        indexes = (
            (("user", "created_at"), False),
            (("api_key", "created_at"), False),
            (("created_at",), False),
        )


class UsageDay(Model):
    """The sums of the rows of one day, in UTC, so that millions of them need not be added up.

    Written with the rows, in one transaction. `user_id` and `api_key_id` stay when the user and
    the key are gone; `provider` is empty for calls that reached none.
    """

    id = BigAutoField()
    day = DateField()
    user_id = IntegerField()
    api_key_id = IntegerField()
    provider = CharField(default="")
    model = CharField()
    requests = IntegerField(default=0)
    errors = IntegerField(default=0)
    unpriced = IntegerField(default=0)
    cost = MoneyField(default=0)

    class Meta:
        table_name = "usage_days"
        indexes = (
            (("user_id", "day", "api_key_id", "provider", "model"), True),
            (("api_key_id", "day"), False),
            (("day",), False),
        )


for _name in QUANTITIES:  # each is a column of both tables
    _is_float = _name == "seconds"
    UsageLog._meta.add_field(_name, (DoubleField if _is_float else IntegerField)(default=0))
    UsageDay._meta.add_field(_name, (DoubleField if _is_float else BigIntegerField)(default=0))

SUMS = ("requests", "errors", "unpriced", *QUANTITIES, "cost")
"""The columns of `UsageDay` that are sums."""


class CreditEntry(Model):
    """One change of a user's credits that no call made: how much, why, and by whom."""

    id = AutoField()
    user = ForeignKeyField(User, backref="credit_entries", on_delete="CASCADE")
    amount = MoneyField()
    balance = MoneyField()
    kind = CharField(max_length=16)
    reason = CharField()
    actor = CharField()
    created_at = DateTimeField(default=now)

    class Meta:
        table_name = "credit_entries"


class Invite(Model):
    """Lets one person register. Only the digest of its code is kept."""

    id = AutoField()
    code_hash = CharField(max_length=64, unique=True)
    email = CharField(null=True)
    plan = CharField(null=True)
    created_by = CharField()
    created_at = DateTimeField(default=now)
    expires_at = DateTimeField()
    used_at = DateTimeField(null=True)
    used_by = ForeignKeyField(User, null=True, on_delete="SET NULL")

    class Meta:
        table_name = "invites"


class RequestLog(Model):
    """The request and the response of one call, where request logging is on; see `request_log`.

    Rows hold no foreign keys, so that writing them never fails; a user's are deleted with the user.
    """

    id = BigAutoField()
    call_id = CharField(max_length=40, unique=True)
    request_id = CharField(max_length=128, index=True)
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


class StoredResponse(Model):
    """A response that its client may ask for again, or go on from, by its id.

    `content` is a JSON object with the items of the input and the response, of `size` characters;
    it is null where the vendor has them. Ids are a vendor's own and may repeat, but not for a user.
    `id_number` is that of `response_id`: see `id_numbers`.
    Rows hold no foreign keys; a user's are deleted with the user.
    """

    id = BigAutoField()
    response_id = CharField(max_length=128)
    id_number = BigIntegerField(default=0, index=True)
    user_id = IntegerField()
    previous = CharField(max_length=128, null=True)
    provider = CharField()
    model = CharField()
    content = TextField(null=True)
    created_at = DateTimeField(default=now)
    expires_at = DateTimeField(index=True)
    size = BigIntegerField(default=0)

    class Meta:
        table_name = "stored_responses"
        indexes = ((("user_id", "id", "size"), False),)


class BackgroundResponse(Model):
    """That a stored response is still made: the process that makes it renews `alive_at`.

    It stands apart from what is stored, which may be large: SQLite reads and writes whole rows.
    With `is_cancelled`, the process is to end it.
    """

    id = BigAutoField()
    stored_id = BigIntegerField(unique=True)
    is_cancelled = BooleanField(default=False)
    alive_at = DateTimeField()

    class Meta:
        table_name = "background_responses"


class StoredItem(Model):
    """That an item of a stored response's output has an id, by which requests may name it.

    Of items that share an id, there is the newest of each user. `id_number` is that of `item_id`.
    """

    id = BigAutoField()
    item_id = CharField(max_length=128)
    id_number = BigIntegerField(default=0, index=True)
    user_id = IntegerField()
    stored_id = BigIntegerField(index=True)

    class Meta:
        table_name = "stored_items"


class StoredEvents(Model):
    """Some events of a response that is made in the background as a stream, one behind the other.

    `data` has them as clients get them, with the numbers from `first_number` to `last_number`.
    """

    id = BigAutoField()
    stored_id = BigIntegerField()
    first_number = IntegerField()
    last_number = IntegerField()
    data = TextField()

    class Meta:
        table_name = "stored_events"
        indexes = ((("stored_id", "last_number"), False),)


class Resource(Model):
    """Whose a thing is that a vendor keeps under an id: a file, a vector store, a thread.

    `kind` is the endpoint that made it. A vendor has one thing under an id, and it has one owner.
    `expires_at` is when the vendor deletes it, where that is known for good.
    Rows hold no foreign keys; a user's are deleted with the user.
    """

    id = BigAutoField()
    resource_id = CharField(max_length=256)
    provider = CharField()
    kind = CharField(max_length=64)
    user_id = IntegerField()
    key_id = IntegerField()
    created_at = DateTimeField(default=now)
    expires_at = DateTimeField(null=True, index=True)

    class Meta:
        table_name = "resources"
        indexes = (
            (("resource_id", "provider"), True),
            (("user_id", "provider", "kind"), False),
        )


class Batch(Model):
    """A batch that a vendor works at: what it may cost is held until it is settled.

    `batch_id` is null until the vendor is known to have made it. `file` is the vendor's input file,
    and `own_file` the one that the client named: another, if its models had to be renamed. `held`
    is in billionths of a US dollar. `due_at` is when a router may look after it next: who does
    moves it on first.
    Rows hold no foreign keys, and outlive users and keys: what a vendor did costs money.
    """

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
    created_at = DateTimeField(default=now)
    due_at = DateTimeField()
    settled_at = DateTimeField(null=True)

    class Meta:
        table_name = "batches"
        indexes = (
            (("provider", "batch_id"), True),
            (("user_id", "settled_at"), False),
            (("settled_at", "due_at"), False),
        )


MAX_ID = 2**31 - 1
"""Of a row: larger numbers do not fit into the column on every database."""

TABLES = (
    *(User, ApiKey, UsageLog, UsageDay, CreditEntry, Invite, RequestLog),
    *(StoredResponse, BackgroundResponse, StoredItem, StoredEvents),
    *(Resource, Batch, *KEPT_TABLES),
)
