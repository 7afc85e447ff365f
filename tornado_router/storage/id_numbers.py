"""Numbers of ids: rows that have the ids of vendors are found by them.

An index of random texts has another page changed by each row. Most ids have in them when they were
made. A number that begins with that comes close to those before it, so rows that are written
together change few pages. Ids may share a number: a row is compared by its id, too.
"""

from __future__ import annotations

from zlib import crc32

_OF_A_CONVERSATION = 18
_OPENAIS = _OF_A_CONVERSATION + 8 + 24
"""Digits of an id of OpenAI's or Azure's: what a conversation has in common, the time, and what is
random. Those of the router, and OpenAI's until 2025, begin with the time."""

_MOST = (1 << 31) - 1


def id_number(name: str) -> int:
    """The number of an id; it fits into 63 bits. It never changes, as rows have it."""
    digits = name.partition("_")[2]
    start = _OF_A_CONVERSATION if len(digits) == _OPENAIS else 0
    try:
        time = int(digits[start : start + 8], 16)
    except ValueError:
        time = 0
    return (time & _MOST) << 32 | crc32(name.encode("utf-8", "replace"))
