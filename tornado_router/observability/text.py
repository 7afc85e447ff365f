"""Makes texts valid for JSON, databases and OTLP, for clients and vendors may send any text."""

from __future__ import annotations

from typing import Any


def valid_text(text: str) -> str:
    """The text with `?` for halves of surrogate pairs, which UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()


def storable_text(text: str) -> str:
    """The text as every database stores it: valid, and without a NUL."""
    return valid_text(text.replace("\0", ""))


def valid_texts(value: Any) -> Any:
    """A value with `valid_text` applied to each text in it."""
    if isinstance(value, str):
        return valid_text(value)
    return tuple(map(valid_texts, value)) if isinstance(value, tuple | list) else value
