"""The database: its tables, and how a coroutine asks it."""

import pytest
from peewee import IntegrityError

from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import TABLES, ApiKey, UsageLog, User
from tornado_router.storage.values import now


@pytest.fixture
def storage(empty_place):
    storage = Storage(empty_place.location)
    yield storage
    storage.close()


def user(email="a@b", **fields):
    return User.create(email=email, name="a", password_hash="!", **fields)


# The tables as the product defines them, in SQLite's words: type, may be null, default.
USERS = {
    "id": ("INTEGER", False, None),
    "email": ("VARCHAR(255)", False, None),
    "name": ("VARCHAR(255)", False, None),
    "password_hash": ("VARCHAR(255)", False, None),
    "plan": ("VARCHAR(255)", False, "'free'"),
    "credits": ("INTEGER", False, "0"),
    "created_at": ("DATETIME", False, None),
    "updated_at": ("DATETIME", False, None),
}
API_KEYS = {
    "id": ("INTEGER", False, None),
    "user_id": ("INTEGER", False, None),
    "key_hash": ("VARCHAR(64)", False, None),
    "name": ("VARCHAR(255)", False, None),
    "permissions": ("TEXT", False, "'[]'"),
    "rate_limit_rpm": ("INTEGER", True, "60"),
    "rate_limit_tpm": ("INTEGER", True, "10000"),
    "is_active": ("INTEGER", False, "TRUE"),
    "created_at": ("DATETIME", False, None),
    "last_used_at": ("DATETIME", True, None),
}
USAGE_LOGS = {
    "id": ("INTEGER", False, None),
    "user_id": ("INTEGER", True, None),
    "api_key_id": ("INTEGER", True, None),
    "provider": ("VARCHAR(255)", True, None),
    "model": ("VARCHAR(255)", False, None),
    "prompt_tokens": ("INTEGER", False, None),
    "completion_tokens": ("INTEGER", False, None),
    "total_tokens": ("INTEGER", False, None),
    "cost": ("INTEGER", False, "0"),
    "created_at": ("DATETIME", False, None),
}


class TestTables:
    @pytest.mark.parametrize(
        ("table", "columns"),
        [("users", USERS), ("api_keys", API_KEYS), ("usage_logs", USAGE_LOGS)],
    )
    @pytest.mark.sqlite
    def test_columns(self, storage, empty_place, table, columns):
        there = {
            row["name"]: (row["type"], not row["notnull"], row["dflt_value"])
            for row in empty_place.rows(f"PRAGMA table_info({table})")
        }
        assert {name: there.get(name) for name in columns} == columns

    @pytest.mark.parametrize("model", TABLES)
    def test_the_models_know_every_column_and_no_other(self, storage, model):
        found = storage.call(lambda: storage.database.get_columns(model._meta.table_name))
        there = {column.name: column.null for column in found}
        assert there == {field.column_name: field.null for field in model._meta.sorted_fields}

    def test_foreign_keys(self, storage):
        def keys():
            return {
                (table, key.column): (key.dest_table, key.dest_column, key.on_delete)
                for table in ("users", "api_keys", "usage_logs")
                for key in storage.database.get_foreign_keys(table)
            }

        assert storage.call(keys) == {
            ("api_keys", "user_id"): ("users", "id", "CASCADE"),
            ("usage_logs", "user_id"): ("users", "id", "SET NULL"),
            ("usage_logs", "api_key_id"): ("api_keys", "id", "SET NULL"),
        }

    def test_indexes(self, storage):
        def find():
            return {
                (table, tuple(index.columns)): index.unique
                for table in storage.database.get_tables()
                if table != "schema_migration"
                for index in storage.database.get_indexes(table)
                if index.columns != ["id"]
            }

        indexes = storage.call(find)
        assert indexes == {
            ("users", ("email",)): True,
            ("api_keys", ("key_hash",)): True,
            ("api_keys", ("user_id",)): False,
            ("usage_logs", ("call_id",)): True,
            ("usage_logs", ("user_id", "created_at")): False,
            ("usage_logs", ("api_key_id", "created_at")): False,
            ("usage_logs", ("created_at",)): False,
            ("api_keys", ("previous_hash",)): True,
            ("usage_days", ("user_id", "day", "api_key_id", "provider", "model")): True,
            ("usage_days", ("api_key_id", "day")): False,
            ("usage_days", ("day",)): False,
            ("invites", ("code_hash",)): True,
            ("invites", ("used_by_id",)): False,
            ("credit_entries", ("user_id",)): False,
            ("request_logs", ("call_id",)): True,
            ("request_logs", ("request_id",)): False,
            ("request_logs", ("user_id",)): False,
            ("request_logs", ("created_at",)): False,
            ("stored_responses", ("id_number",)): False,
            ("stored_responses", ("expires_at",)): False,
            ("stored_responses", ("user_id", "id", "size")): False,
            ("background_responses", ("stored_id",)): True,
            ("stored_items", ("id_number",)): False,
            ("stored_items", ("stored_id",)): False,
            ("stored_events", ("stored_id", "last_number")): False,
            ("resources", ("resource_id", "provider")): True,
            ("resources", ("user_id", "provider", "kind")): False,
            ("resources", ("expires_at",)): False,
            ("batches", ("provider", "batch_id")): True,
            ("batches", ("user_id", "settled_at")): False,
            ("batches", ("settled_at", "due_at")): False,
            ("kept_files", ("file_id",)): True,
            ("kept_files", ("user_id",)): False,
            ("kept_files", ("expires_at",)): False,
            ("kept_parts", ("kept_id", "number")): True,
            ("kept_batches", ("batch_id",)): True,
            ("kept_batches", ("user_id",)): False,
            ("kept_batches", ("keep_until",)): False,
            ("kept_batches", ("ended_at", "claimed_until")): False,
            ("kept_lines", ("kept_id", "state", "number")): False,
        }

    def test_defaults(self, storage):
        def make():
            key = ApiKey.create(user=user(), key_hash="h", prefix="p", name="k")
            return ApiKey.get_by_id(key.id), User.get()

        key, owner = storage.call(make)
        assert (owner.plan, owner.credits, owner.is_admin) == ("free", 0, False)
        assert (key.permissions, key.rate_limit_rpm, key.rate_limit_tpm) == ("[]", 60, 10_000)
        assert (key.is_active, key.last_used_at) == (True, None)
        assert abs((now() - key.created_at).total_seconds()) < 3600

    def test_an_email_is_somebodys_alone(self, storage):
        storage.call(user)
        with pytest.raises(IntegrityError):
            storage.call(user)

    def test_keys_go_with_their_user(self, storage):
        def make():
            owner = user()
            ApiKey.create(user=owner, key_hash="h", prefix="p", name="k")
            owner.delete_instance()

        storage.call(make)
        assert storage.call(ApiKey.select().count) == 0

    def test_a_key_needs_a_user(self, storage):
        with pytest.raises(IntegrityError):
            storage.call(lambda: ApiKey.create(user=99, key_hash="h", prefix="p", name="k"))


def test_usage_needs_nobody():
    assert UsageLog.user.null
    assert UsageLog.api_key.null
