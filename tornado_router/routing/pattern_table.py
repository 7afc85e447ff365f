"""Tables of router.toml whose names may be patterns, as of `[prices."openai/gpt-*"]`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Generic, TypeVar

T = TypeVar("T")

_PATTERN_CHARACTERS = frozenset("*?[")


def is_pattern(name: str) -> bool:
    """Whether a name stands for others."""
    return not _PATTERN_CHARACTERS.isdisjoint(name)


def literal_head(name: str) -> str:
    """What every name that a pattern stands for begins with."""
    return "".join(takewhile(lambda character: character not in _PATTERN_CHARACTERS, name))


def by_precedence(names: Iterable[str]) -> list[str]:
    """Names before patterns, and longer patterns before shorter ones."""
    return sorted(names, key=lambda name: (is_pattern(name), -len(name)))


class PatternTable(Generic[T]):
    """Entries by name or pattern; of those that match, the first by precedence is the one.

    Args:
        entries: by their names.
    """

    def __init__(self, entries: Mapping[str, T]) -> None:
        self._entries = [(name, entries[name]) for name in by_precedence(entries)]

    def __bool__(self) -> bool:
        return bool(self._entries)

    def find(self, *names: str) -> T | None:
        """The entry that matches one of the names, or None.

        It tries every entry, so callers remember what they found.
        """
        for pattern, entry in self._entries:
            if any(fnmatchcase(name, pattern) for name in names):
                return entry
        return None
