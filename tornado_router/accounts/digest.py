"""What the database holds of API keys and invite codes, from which they cannot be recovered."""

from __future__ import annotations

import hashlib


def digest(secret: str) -> str:
    """The digest by which a key or a code is found, whatever characters a client sends."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
