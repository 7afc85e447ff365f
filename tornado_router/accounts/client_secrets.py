"""Short-lived secrets that stand for a key, in realtime sessions and uploads that go on.

Those of sessions are passed on by a server to a browser or a phone.

A secret is signed and says all there is to know: whose key it stands for, until when, and the
session that it may open. So it works on every worker, and nothing has to be kept of it. It is as
good as its key: one that is revoked takes its secrets along.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from itsdangerous import BadData, URLSafeSerializer

SESSIONS, UPLOADS = "tornado-router.client-secret", "tornado-router.upload"
"""What secrets are for: those for the one are of no use for the other."""

PREFIX = "ek_"
"""Begins a secret, as it does OpenAI's."""

SECONDS, FEWEST_SECONDS, MOST_SECONDS = 600, 10, 7200
"""For so long a secret is good if nothing is said, and what may be said."""


class ClientSecret(NamedTuple):
    """What a secret says.

    Attributes:
        key_hash: what its key is looked up by.
        session: that it may open, as its API describes one; or the upload.
        expires_at: seconds since 1970.
    """

    key_hash: str
    session: Mapping[str, Any]
    expires_at: int


class ClientSecrets:
    """Makes and reads secrets.

    Args:
        secret: signs them; empty for a random one, so that they end with this process.
        clock: seconds since 1970.
        purpose: what they are for.
    """

    def __init__(
        self, secret: str, clock: Callable[[], float] = time.time, *, purpose: str = SESSIONS
    ) -> None:
        self._serializer = URLSafeSerializer(
            secret or secrets.token_urlsafe(32),
            salt=purpose,
            # the default is SHA-1
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self._clock = clock

    def make(self, key_hash: str, session: Mapping[str, Any], seconds: int) -> tuple[str, int]:
        """A secret, and when it ends, in seconds since 1970.

        Args:
            key_hash: of the key that it stands for.
            session: that it may open.
            seconds: for how long.
        """
        expires_at = int(self._clock()) + seconds
        return PREFIX + str(self._serializer.dumps([key_hash, session, expires_at])), expires_at

    def read(self, text: str) -> ClientSecret | None:
        """What a secret says; None if it is not good, or not good any more."""
        try:
            key_hash, session, expires_at = self._serializer.loads(text.removeprefix(PREFIX))
        except (BadData, TypeError, ValueError):
            return None
        if expires_at <= self._clock():
            return None
        return ClientSecret(key_hash, session, expires_at)


def looks_like_secret(text: str) -> bool:
    """Whether a text has the form of a secret, be it good or not."""
    return text.startswith(PREFIX)
