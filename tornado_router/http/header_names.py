"""The names of headers as Tornado writes them, such as `X-Request-Id`."""

from __future__ import annotations

MOST_NAMES = 1000
"""So many are remembered; there are some fifty."""


class WrittenNames(dict[str, str]):
    """The names as they are written, by any other way to write them."""

    def __missing__(self, name: str) -> str:
        written = "-".join(part.capitalize() for part in name.split("-"))
        if len(self) < MOST_NAMES:
            self[name] = written
        return written


WRITTEN = WrittenNames()
"""Those that were looked up so far."""
