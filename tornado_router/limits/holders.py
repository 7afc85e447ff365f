"""Names what limits are counted for: the one place that builds and reads these ids."""

from __future__ import annotations

from enum import StrEnum


class HolderKind(StrEnum):
    """The sorts of holders of rates, and of purses; the first word of an id."""

    KEY = "key"
    USER = "user"
    CREDITS = "credits"
    BUDGET = "budget"
    NETWORK = "network"
    SIGN_IN = "sign_in"
    PROOF = "proof"
    COUNTS = "counts"

    def id(self, *parts: object) -> str:
        """The id of a holder of this sort, such as `key:12` or `budget:12:2026-11-01`."""
        return ":".join((self, *map(str, parts)))

    def names(self, holder: str) -> bool:
        """Whether an id is of a holder of this sort."""
        return holder.partition(":")[0] == self

    @classmethod
    def parts(cls, holder: str) -> tuple[HolderKind, *tuple[str, ...]]:
        """The sort of a holder, and what its id says beside it."""
        kind, *rest = holder.split(":")
        return cls(kind), *rest
