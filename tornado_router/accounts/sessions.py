"""Session tokens: signed, with an end, and invalid once the account's `session_version` changes."""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from itsdangerous import BadData, URLSafeSerializer

from tornado_router.config.addresses import is_loopback
from tornado_router.config.reader import Config
from tornado_router.errors import Fault
from tornado_router.storage.tables import User

SHORTEST_SECRET = 32

_TOKEN = re.compile(r"Wz[\w-]+\.[\w-]{43}", re.ASCII)
"""A list that begins with a number, in JSON and then base64, and its signature."""

_KNOWN_SECRETS = frozenset(
    {
        "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7",
        "a-string-secret-at-least-256-bits-long",
        "please-change-this-secret-in-production",
        "your-secret-key-change-in-production",
        "your-secret-key-change-this-in-production",
        "your-super-secret-jwt-key-change-in-production",
        "your-super-secret-jwt-key-change-this-in-production",
        "your-super-secret-jwt-token-with-at-least-32-characters-long",
    }
)
"""What tutorials sign with, where it is long enough to be taken for a secret."""


class Session(NamedTuple):
    """A session of a signed-in user.

    Attributes:
        token: to be sent as `Authorization: Bearer TOKEN`.
        expires_at: seconds since 1970.
    """

    token: str
    expires_at: int


class Sessions:
    """Makes and reads tokens.

    The end is in the token rather than its age, so that a shorter `jwt_expires_in` does not end
    sessions early; a new `jwt_secret` ends them all.

    Args:
        secret: signs them; empty for a random one, so that sessions end with this process.
        seconds: for how long a token is good.
        clock: seconds since 1970.
    """

    def __init__(self, secret: str, seconds: int, clock: Callable[[], float] = time.time) -> None:
        self._serializer = URLSafeSerializer(
            secret or secrets.token_urlsafe(32),
            salt="tornado-router.session",
            # the default is SHA-1
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self._seconds = seconds
        self._clock = clock

    def begin(self, user: User) -> Session:
        """A session for a user who has just proved the password."""
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


def looks_like_token(text: str) -> bool:
    """Whether a text has the form of a token, be it good or not."""
    return _TOKEN.fullmatch(text) is not None


def check_secret(config: Config) -> Iterator[Fault]:
    """Faults of the secret that signs sessions: a client that guesses it can pose as any user.

    On a loopback address there may be none: it is then random, and ends with the process.
    """
    secret = config.auth.jwt_secret
    where, how = "auth.jwt_secret", "make one with `openssl rand -hex 32`"
    if not secret:
        if config.redis.host:
            yield Fault(where, f"is needed, as routers that share a Redis must agree on it; {how}")
        elif not is_loopback(config.server.host):
            yield Fault(where, f"is needed where other machines can connect; {how}")
    elif len(secret.strip()) < SHORTEST_SECRET:
        yield Fault(where, f"must have at least {SHORTEST_SECRET} characters; {how}")
    elif re.sub(r"[\s_]+", "-", secret.strip()).casefold() in _KNOWN_SECRETS:
        yield Fault(where, f"is a well-known example; {how}")
