"""Who may see whose usage: one's own, and administrators everybody's."""

import pytest

from tornado_router.accounts import keys
from tornado_router.accounts.actor import COMMAND_LINE, Actor
from tornado_router.storage.tables import User

from .people import make_key, refused

pytestmark = pytest.mark.usefixtures("ada_and_bob")

ADA = Actor("ada@example.com", 1)


@pytest.fixture(autouse=True)
def a_key_each(ada_and_bob):
    make_key(1)
    make_key(2)
    keys.revoke(1)


def test_an_administrator_sees_everything():
    assert Actor.of(User(email="root@example.com", id=3, is_admin=True)).owner is None
    assert Actor.of(User(email="ada@example.com", id=1, is_admin=False)) == ADA


@pytest.mark.parametrize(
    ("actor", "user_id", "key_id"),
    [
        *((ADA, None, None), (ADA, 1, None), (ADA, 1, 1), (ADA, None, 1)),
        *((COMMAND_LINE, None, None), (COMMAND_LINE, 2, 2), (COMMAND_LINE, None, 1)),
    ],
)
def test_what_is_there_for_an_actor(actor, user_id, key_id):
    actor.check_sees(user_id, key_id)


@pytest.mark.parametrize(
    ("actor", "user_id", "key_id", "code"),
    [
        (ADA, 2, None, "user_not_found"),
        (ADA, 1, 2, "key_not_found"),
        (ADA, None, 2, "key_not_found"),
        (COMMAND_LINE, 9, None, "user_not_found"),
        (COMMAND_LINE, 10**20, None, "user_not_found"),
        (COMMAND_LINE, None, 9, "key_not_found"),
        (COMMAND_LINE, None, 10**20, "key_not_found"),
        (COMMAND_LINE, 1, 2, "key_not_found"),
    ],
)
def test_what_is_not(actor, user_id, key_id, code):
    assert refused(actor.check_sees, user_id, key_id)[:2] == (404, code)
