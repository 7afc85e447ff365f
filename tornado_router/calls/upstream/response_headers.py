"""The headers of a response: found whatever the case of a name, and decoded only if looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence


class ResponseHeaders(Mapping[str, str]):
    """Headers as they came. Of several with one name, the first counts.

    Args:
        raw: names and values, in order.
    """

    __slots__ = ("_by_name", "_raw")

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._by_name: dict[str, tuple[str, str]] | None = None

    def __getitem__(self, name: str) -> str:
        return self._decoded()[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._decoded().values())

    def __len__(self) -> int:
        return len(self._decoded())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)})"  # a value may be a secret

    def _decoded(self) -> dict[str, tuple[str, str]]:
        if self._by_name is None:
            found: dict[str, tuple[str, str]] = {}
            for raw_name, raw_value in self._raw:
                name = raw_name.decode("utf-8", "surrogateescape")
                value = raw_value.decode("utf-8", "surrogateescape").strip(" \t")
                found.setdefault(name.lower(), (name, value))
            self._by_name = found
        return self._by_name
