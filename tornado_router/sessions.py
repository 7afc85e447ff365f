"""Tokens of log-ins: signed, with an end, and dead once the account's `session_version` changes."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from itsdangerous import BadData, URLSafeSerializer

from tornado_router.db import User


class Session(NamedTuple):
    """A log-in.

    Attributes:
        token: what the client shows as its bearer.
        expires_at: seconds since 1970.
    """

    token: str
    expires_at: int


class Sessions:
    """Makes and reads tokens.

    The end is in the token rather than its age, so that a shorter `jwt_expires_in` does not end
    what was promised; whoever needs that changes the secret.

    Args:
        secret: signs them; empty for one of this process's own, as log-ins may then end with it.
        seconds: for how long a token is good.
        clock: seconds since 1970.
    """

    def __init__(self, secret: str, seconds: int, clock: Callable[[], float] = time.time) -> None:
        self._serializer = URLSafeSerializer(
            secret or secrets.token_urlsafe(32),
            salt="tornado-router.session",
            # itsdangerous signs with SHA-1 unless told otherwise
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self._seconds = seconds
        self._clock = clock

    def begin(self, user: User) -> Session:
        """A token for a user who has just proved who they are."""
        expires_at = int(self._clock()) + self._seconds
        token = self._serializer.dumps([user.id, user.session_version, expires_at])
        return Session(str(token), expires_at)

    def find_user(self, token: str) -> User | None:
        """The user whose token it is, or None if it is not good (any more). Blocks."""
        try:
            user_id, version, expires_at = self._serializer.loads(token)
        except (BadData, TypeError, ValueError):
            return None
        if expires_at <= self._clock():
            return None
        return User.get_or_none(User.id == user_id, User.session_version == version, User.is_active)
