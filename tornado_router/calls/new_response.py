"""A response that is to be kept, and what goes when it is written."""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from tornado_router.storage.id_numbers import id_number
from tornado_router.storage.values import now

MOST_ITEMS = 1000
"""Of one response that are found again by their ids."""


@dataclass(slots=True, eq=False)
class NewResponse:
    """A response that is to be kept: what its row gets, see `StoredResponse`.

    Attributes:
        item_ids: of its output.
        is_being_made: whether it is of the background, and its process gives signs of life.
        id: of its row, once that is written.
        id_number: of its id.
    """

    response_id: str
    user_id: int
    previous: str | None
    provider: str
    model: str
    content: str | None
    expires_at: datetime.datetime
    created_at: datetime.datetime = field(default_factory=now)
    item_ids: Sequence[str] = ()
    is_being_made: bool = False
    id: int | None = None
    id_number: int = field(init=False)

    def __post_init__(self) -> None:
        self.id_number = id_number(self.response_id)

    @property
    def size(self) -> int:
        """Characters of its content."""
        return len(self.content or "")

    @property
    def vendor(self) -> str | None:
        """The provider, if it keeps the response; else None."""
        return self.provider if self.content is None else None


class Place(NamedTuple):
    """What a row takes among those with one id, be it of a response or of an item.

    Attributes:
        name: the id.
        user_id: whose it is.
        vendor: the provider, if it keeps the response; else None.
    """

    name: str
    user_id: int
    vendor: str | None


_T = TypeVar("_T")


class Taken:
    """The places that new rows take: what was there before them goes.

    A user has one row under an id, the newest. So has a vendor: where another user's row leads to
    it, that row goes, as it would reveal the new one.
    """

    def __init__(self) -> None:
        self._taken: set[Hashable] = set()
        self._later: list[Place] = []

    def take(self, place: Place) -> None:
        """A new row is there."""
        name, user_id, vendor = place
        self._taken.add((name, user_id))
        if vendor is not None:
            self._taken.add((name, vendor))

    def has(self, place: Place) -> bool:
        """Whether a row goes that was there before."""
        for later in self._later:
            self.take(later)
        self._later.clear()
        name, user_id, vendor = place
        return (name, user_id) in self._taken or (name, vendor) in self._taken

    def newest(self, rows: Iterable[tuple[Place, _T]]) -> list[_T]:
        """Has rows take their places; returns those that are there in the end, in order.

        Args:
            rows: in the order in which they would be written one by one.
        """
        rows, left = list(rows), []
        if len({place.name for place, _ in rows}) == len(rows):  # as nearly always
            self._later += [place for place, _ in rows]
            return [row for _, row in rows]
        for place, row in reversed(rows):
            if not self.has(place):
                left.append(row)
            self.take(place)
        return left[::-1]
