"""Settings of another gateway, none of which is lost: those that are not read are listed."""

from __future__ import annotations

import math
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
        """A setting, or None if there is none; one of another type stays, to be listed."""
        value = self._left.get(name)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            return None
        del self._left[name]
        return value

    def number(self, name: str, minimum: float) -> float | None:
        """A number, which may be written as text: to PyYAML, `1e-6` is text.

        Anything else stays, to be listed, and so does a number that is too small.
        """
        value = self._left.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return None
        if not math.isfinite(number) or number < minimum:
            return None
        del self._left[name]
        return number

    def get(self, name: str) -> Any:
        """A setting as it is, which stays to be listed; None if there is none."""
        return self._left.get(name)

    def path(self, name: str) -> str:
        """The dotted path of a setting."""
        return f"{self.where}.{name}" if self.where else name

    def names(self) -> list[str]:
        """The settings that are not read yet."""
        return [str(name) for name in self._left]

    def left(self) -> Iterator[str]:
        """The dotted path of each setting that is not read yet."""
        return map(self.path, self.names())
