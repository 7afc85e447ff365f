"""Settings of another gateway, of which none is lost: what nobody asked for is told in the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


class Settings:
    """A table of settings that is emptied by reading it.

    Args:
        table: its settings; anything but a table has none.
        where: its dotted path.
    """

    def __init__(self, table: object, where: str) -> None:
        self.where = where
        self.wrong = [] if table is None or isinstance(table, Mapping) else [where]
        self._left: dict[str, Any] = dict(table) if isinstance(table, Mapping) else {}

    def take(self, name: str, kind: type[T]) -> T | None:
        """A setting, or None if there is none; one of another type stays, to be told of."""
        value = self._left.get(name)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            return None
        del self._left[name]
        return value

    def left(self) -> Iterator[tuple[str, Any]]:
        """Each setting that nobody asked for: its dotted path and its value."""
        for name, value in self._left.items():
            yield f"{self.where}.{name}" if self.where else str(name), value
