"""Accounts: who they are, how they log in, and how they come and go."""

from __future__ import annotations

from tornado_router.db import User
from tornado_router.plans import UNLIMITED

UNUSABLE_PASSWORD = "!"  # noqa: S105 - no hash looks like this, so nobody can log in with it
ADMIN_EMAIL = "admin@localhost"


def create_administrator() -> User | None:
    """Makes an administrator if there are no users at all, and returns it. Blocks.

    Of several processes that start on one new database, one makes it.
    """
    with User._meta.database.atomic("IMMEDIATE"):
        if User.select().exists():
            return None
        return User.create(
            email=ADMIN_EMAIL,
            name="admin",
            password_hash=UNUSABLE_PASSWORD,
            plan=UNLIMITED,
            is_admin=True,
        )
