"""A database with a user, as the tests of the ledger have it."""

from ..ledger.conftest import rows, storage, user

__all__ = ["rows", "storage", "user"]
