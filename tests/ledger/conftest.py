"""A database with a user who has two keys, and its rows of usage."""

from decimal import Decimal

import pytest
from loguru import logger

from tornado_router.accounts import keys, registration
from tornado_router.storage.storage import Storage
from tornado_router.storage.tables import User

PLENTY = Decimal(9_000_000_000)
"""US dollars that a user has; nearly as many as the column holds."""


@pytest.fixture
def storage(place, tmp_path):
    storage = Storage(place.location)
    storage.journal = tmp_path / "journal"
    yield storage
    storage.close()


@pytest.fixture
def user(storage):
    def create():
        administrator = registration.create_administrator()
        User.update(credits=PLENTY).where(User.id == administrator.id).execute()
        keys.create_key(administrator, "one")
        keys.create_key(administrator, "two")
        return administrator

    return storage.call(create)


@pytest.fixture
def rows(place):
    """The rows, as a plain client of the database sees them; times as text."""

    def rows(columns="*"):
        found = place.rows(f"SELECT {columns} FROM usage_logs ORDER BY id")
        for row in found:
            if "created_at" in row:
                row["created_at"] = str(row["created_at"])
        return found

    return rows


@pytest.fixture
def alarms():
    """Messages that want somebody to act at once."""
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="CRITICAL")
    yield lines
    logger.remove(sink)


@pytest.fixture
def people(storage):
    """Users whose exchanges are kept."""

    def create():
        values = {"name": "", "password_hash": "x", "plan": "unlimited", "is_admin": True}
        for number in (1, 7):
            User.create(id=number, email=f"{number}@example.com", **values)

    storage.call(create)


@pytest.fixture
def messages():
    """The warnings and errors that are logged."""
    lines = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)
