"""What the database holds of API keys and invite codes, from which they cannot be recovered."""

from __future__ import annotations

import hashlib
from functools import lru_cache

MOST_KNOWN = 1000
LONGEST_KNOWN = 128
"""Characters of a secret whose digest is remembered: a client shows its key with every call."""


def digest(secret: str) -> str:
    """The digest by which a key or a code is found, whatever characters a client sends."""
    return _known(secret) if len(secret) <= LONGEST_KNOWN else _digest(secret)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


_known = lru_cache(MOST_KNOWN)(_digest)
