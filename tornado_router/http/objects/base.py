"""What objects are made of: ids, times, amounts of money, and pages of lists."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import (
    Annotated,
    Any,
    Generic,
    Literal,
    Protocol,
    Self,
    TypeVar,
    overload,
)

from msgspec import Meta, Struct, to_builtins

from tornado_router.storage.values import dollar_text

Id = Annotated[int, Meta(ge=1)]
Count = Annotated[int, Meta(ge=0)]
Time = Annotated[int, Meta(description="Unix time, in seconds.")]
Dollars = Annotated[
    str,
    Meta(description="US dollars, as a string, so that no digit is lost.", examples=["0.003171"]),
]


class Object(Struct, kw_only=True):
    """A JSON object of a response."""


class RequestBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """A JSON object of a request; a field that was not sent is `UNSET`."""

    def given(self) -> dict[str, Any]:
        """The fields that were sent, by their names."""
        fields: dict[str, Any] = to_builtins(self)
        return fields


class _Numbered(Protocol):
    @property
    def id(self) -> int: ...


N = TypeVar("N", bound=_Numbered)


class Page(Object, Generic[N], kw_only=True):
    """One page of a list."""

    object: Literal["list"] = "list"
    data: list[N]
    has_more: bool
    next: Annotated[
        Id | None,
        Meta(description="Pass it as `after` to get the next page; null on the last page."),
    ]

    @classmethod
    def of(cls, rows: Sequence[N], limit: int, **more: Any) -> Self:
        """A page.

        Args:
            rows: its objects, with one more than `limit` if there is a further page.
            limit: the most objects of a page.
            more: further fields.
        """
        data = list(rows[:limit])
        has_more = len(rows) > limit
        return cls(data=data, has_more=has_more, next=data[-1].id if has_more else None, **more)


@overload
def timestamp(moment: datetime.datetime) -> int: ...
@overload
def timestamp(moment: datetime.datetime | None) -> int | None: ...
def timestamp(moment: datetime.datetime | None) -> int | None:
    """A time of a table as JSON has it: seconds since 1970."""
    return None if moment is None else int(moment.replace(tzinfo=datetime.UTC).timestamp())


@overload
def dollars(amount: Decimal | int) -> str: ...
@overload
def dollars(amount: Decimal | int | None) -> str | None: ...
def dollars(amount: Decimal | int | None) -> str | None:
    """An amount as JSON has it: text, as a number would be rounded on its way."""
    return None if amount is None else dollar_text(amount)
