"""What the limits ask of the database when Redis has forgotten them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Books(Protocol):
    """The record of what calls cost, in the database and on its way there."""

    def hold(self) -> None:
        """Holds back what ends from now on: it is written after `release`, and not before.

        Raises:
            OSError: the journal cannot be written, so it is not known what is.
        """
        ...

    async def written(self) -> None:
        """Waits until the database has all that ended before `hold`."""
        ...

    def release(self) -> None:
        """Lets everything be written again."""
        ...

    async def spent(self, ids: Iterable[str]) -> Mapping[str, int]:
        """What the database knows to be spent of purses, in billionths of a US dollar, by id.

        Raises:
            RouterError: it does not answer.
        """
        ...
