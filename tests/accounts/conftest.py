"""A database, and two people in it."""

import pytest

from tornado_router.accounts import registration
from tornado_router.storage.storage import Storage

from .people import HASH, KEY_PLANS, PLANS


@pytest.fixture
def storage(place):
    storage = Storage(place.location)
    yield storage
    storage.close()


@pytest.fixture
def connection(storage):
    """One for the test itself; threads take their own."""
    with storage.database.connection_context():
        yield


@pytest.fixture
def ann():
    return registration.create_user(PLANS, "ann@example.com", actor="cli", password_hash=HASH)


@pytest.fixture
def admin():
    return registration.create_user(
        PLANS, "root@example.com", actor="cli", password_hash=HASH, is_admin=True
    )


@pytest.fixture
def ada_and_bob(connection):
    """Users 1 and 2; Bob is on the plan that has limits."""
    registration.create_user(KEY_PLANS, "ada@example.com", actor="test")
    registration.create_user(KEY_PLANS, "bob@example.com", actor="test", plan="paid")
