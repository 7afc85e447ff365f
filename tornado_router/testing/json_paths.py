"""Goes through JSON values place by place: to find texts in them, and to spoil one place."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from typing import Any

Path = tuple[str | int, ...]

ODD_VALUES: tuple[Any, ...] = (None, 5, -1, "x", "", [], {}, [None], ["x"], {"x": 1})
"""Values for places of a vendor's response where its API promises another type."""

GONE = object()
"""Stands for a place that is taken out."""


def places(value: Any, path: Path = ()) -> Iterator[Path]:
    """The path of every value inside a value, its own included."""
    yield path
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from places(entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            yield from places(entry, (*path, index))


def look_up(value: Any, path: Path) -> Any:
    """The value at a path."""
    for step in path:
        value = value[step]
    return value


def replaced(value: Any, path: Path, new: Any) -> Any:
    """A copy with another value at a path; with none there for `GONE`."""
    if not path:
        return new
    value = copy.deepcopy(value)
    *start, last = path
    parent = look_up(value, tuple(start))
    if new is GONE:
        del parent[last]
    else:
        parent[last] = new
    return value


def spoilt(value: Any, limit: int) -> Iterator[tuple[str, Any]]:
    """Copies in each of which one place is odd or gone, with a name for what was done.

    Args:
        value: what to spoil.
        limit: about how many copies to make, spread over all that there could be.
    """
    todo: list[tuple[Path, Any]] = [
        (path, new) for path in places(value) for new in (*ODD_VALUES, *((GONE,) if path else ()))
    ]
    for path, new in thinned(todo, limit):
        if new is GONE or new != look_up(value, path):
            where = ".".join(map(str, path)) or "the whole"
            done = "is missing" if new is GONE else f"is {new!r}"
            yield f"`{where}` {done}", replaced(value, path, new)


def thinned(values: Sequence[Any], limit: int) -> list[Any]:
    """Some of the values, in their order, spread evenly, the last of them included."""
    if len(values) <= limit:
        return list(values)
    return [values[(index + 1) * len(values) // limit - 1] for index in range(limit)]


def texts(value: Any) -> Iterator[tuple[Path, str]]:
    """Every string inside a value, by its path."""
    for path in places(value):
        found = look_up(value, path)
        if isinstance(found, str):
            yield path, found
