"""Actors: the user, or the command line, that makes a change, and what they may see."""

from __future__ import annotations

from dataclasses import dataclass

from tornado_router.error_codes import Refusal
from tornado_router.storage.tables import MAX_ID, ApiKey, User


@dataclass(frozen=True, slots=True)
class Actor:
    """A user or an operator who changes accounts and keys.

    Attributes:
        name: what changes are recorded under: an e-mail address, or `cli`.
        owner: id of the only user whose data they may see; None for all users.
    """

    name: str
    owner: int | None = None

    @classmethod
    def of(cls, user: User) -> Actor:
        """A user who is signed in: an administrator may see everything."""
        return cls(user.email, None if user.is_admin else user.id)

    def check_sees(self, user_id: int | None, key_id: int | None = None) -> None:
        """Refuses the usage of a user or a key that is not there for this actor. Blocks.

        Deleted users and revoked keys keep their usage, so they are found.

        Raises:
            ApiError: 404.
        """
        if user_id is not None and user_id != self.owner:
            there = self.owner is None and user_id <= MAX_ID
            if not there or User.get_or_none(User.id == user_id) is None:
                raise Refusal.user_not_found(id=user_id)
        if key_id is not None:
            query = ApiKey.select().where(ApiKey.id == key_id)
            owner = user_id if self.owner is None else self.owner
            if owner is not None:
                query = query.where(ApiKey.user == owner)
            if key_id > MAX_ID or not query.exists():
                raise Refusal.key_not_found(id=key_id)


COMMAND_LINE = Actor("cli")
"""An operator who can read router.toml may see and change everything."""
