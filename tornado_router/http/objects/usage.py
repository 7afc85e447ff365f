"""The usage of calls: single calls, groups of calls, and sums."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from msgspec import UNSET, Meta, Raw, UnsetType, defstruct
from msgspec.structs import asdict

from tornado_router.http.objects.base import Count, Dollars, Id, Object, Time, dollars, timestamp
from tornado_router.ledger.csv_lines import csv_lines
from tornado_router.ledger.usage_queries import Group
from tornado_router.ledger.usage_report import Question, report
from tornado_router.storage.values import EPOCH, from_billionths
from tornado_router.usage import QUANTITIES_AND_TOTAL


class _Common(Object, kw_only=True):
    """What the calls of a group have in common."""

    day: str | UnsetType = UNSET
    model: str | UnsetType | None = UNSET
    provider: str | UnsetType | None = UNSET
    key_id: Id | UnsetType | None = UNSET
    key_name: str | UnsetType | None = UNSET
    user_id: Id | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET


class _Served(Object, kw_only=True):
    """Which call it was, and what became of it."""

    id: Id
    call_id: Annotated[str, Meta(description="The router's own id for the call.")]
    request_id: Annotated[str, Meta(description="The `x-request-id` of the response.")]
    created_at: Time
    endpoint: str
    model: Annotated[str, Meta(description="As the client requested it.")]
    provider: Annotated[
        str | None, Meta(description="The provider that served it; null if none did.")
    ]
    target_model: Annotated[str | None, Meta(description="The provider's own name for the model.")]
    key_id: Id | None
    user_id: Id
    stream: bool
    status: Count
    error_code: str | None


if TYPE_CHECKING:
    # The quantities are listed in usage.py alone, so mypy does not know these fields.
    class _Sums(Object, kw_only=True): ...

    class _GroupSums(_Common, kw_only=True): ...

    class _Quantities(_Served, kw_only=True): ...
else:
    _SECONDS = Annotated[float, Meta(ge=0, description="Of audio.")]
    _QUANTITIES = [
        (name, _SECONDS if name == "seconds" else Count) for name in QUANTITIES_AND_TOTAL
    ]
    _UNPRICED = Annotated[
        int,
        Meta(description="Calls that cost 0 as their model has no price."),
    ]
    _COUNTS = [("requests", Count), ("errors", Count), ("unpriced", _UNPRICED)]
    _SUMS = [*_COUNTS, *_QUANTITIES, ("cost", Dollars)]
    _Sums = defstruct("_Sums", _SUMS, bases=(Object,), kw_only=True)
    _GroupSums = defstruct("_GroupSums", _SUMS, bases=(_Common,), kw_only=True)
    _Quantities = defstruct("_Quantities", _QUANTITIES, bases=(_Served,), kw_only=True)


class Sums(_Sums, kw_only=True):
    """Sums over calls."""

    @classmethod
    def of(cls, sums: Mapping[str, Any]) -> Self:
        """The object of the sums of a query."""
        return cls(**_fields(sums))


class UsageGroup(_GroupSums, kw_only=True):
    """Sums over the calls that have something in common, such as the model."""

    @classmethod
    def of(cls, group_by: str, group: Group) -> Self:
        """The object of a group."""
        common = zip(GROUP_FIELDS[group_by], (group.value, group.label), strict=False)
        return cls(**_fields(group.sums) | dict(common))


def _fields(sums: Mapping[str, Any]) -> dict[str, Any]:
    total = sums["prompt_tokens"] + sums["completion_tokens"]
    cost = dollars(from_billionths(sums["cost"]))
    return {**sums, "total_tokens": total, "cost": cost}


GROUP_FIELDS = {
    "day": ("day",),
    "model": ("model",),
    "provider": ("provider",),
    "key": ("key_id", "key_name"),
    "user": ("user_id", "email"),
}
"""What the calls of a group have in common, by the grouping: the fields for it."""

_SUM_COLUMNS = ("requests", "errors", "unpriced", *QUANTITIES_AND_TOTAL, "cost")


class Call(_Quantities, kw_only=True):
    """The usage of one call."""

    usage_estimated: Annotated[
        bool,
        Meta(description="Whether the tokens are an estimate, as the provider reported none."),
    ]
    cache_hit: Annotated[bool, Meta(description="Whether the response came from the cache.")]
    cost: Dollars
    uncharged: Annotated[
        Dollars,
        Meta(
            description="Cost that was not charged: beyond the last credits, or of a hedged "
            "attempt."
        ),
    ]
    prices: Annotated[
        Any,
        Meta(
            description="The prices that the cost was computed from.",
            extra_json_schema={"type": ["object", "null"]},
        ),
    ]
    duration_ms: float | None
    first_chunk_ms: Annotated[
        float | None, Meta(description="Milliseconds until the first chunk of a stream.")
    ]

    @classmethod
    def of(cls, call: Mapping[str, Any]) -> Self:
        """The object of a row of `usage_queries.list_calls`."""
        prices = call["prices"]
        changed = {
            "created_at": timestamp(call["created_at"]),
            "cost": dollars(call["cost"]),
            "uncharged": dollars(call["uncharged"]),
            "prices": None if prices is None else Raw(prices),
        }
        return cls(**{**call, **changed})


class Usage(Object, rename={"start": "from", "end": "to"}, kw_only=True):
    """`data` lists calls, or groups of them with `group_by`; `totals` cover every matching call."""

    object: Literal["list"] = "list"
    start: float
    end: float
    totals: Sums
    data: Annotated[
        list[Any],
        Meta(
            extra_json_schema={
                "items": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/Call"},
                        {"$ref": "#/components/schemas/UsageGroup"},
                    ]
                }
            }
        ),
    ]
    has_more: bool
    next: Annotated[
        Id | None,
        Meta(description="Pass it as `after` to get the next page; null on the last page."),
    ]

    @classmethod
    def of(cls, question: Question) -> Self:
        """The object of the report on a question. Blocks.

        Raises:
            ApiError: 400, there is no call with the id of `after`.
        """
        chosen, limit, group_by = question.chosen, question.limit, question.group_by
        found = report(question)
        data: list[Call | UsageGroup] = [Call.of(call) for call in found.calls]
        if group_by is not None:
            data = [UsageGroup.of(group_by, group) for group in found.groups]
        has_more = len(data) > limit
        data = data[:limit]
        return cls(
            start=_timestamp(chosen.start),
            end=_timestamp(chosen.end),
            totals=Sums.of(found.totals),
            data=data,
            has_more=has_more,
            next=data[-1].id if has_more and isinstance(data[-1], Call) else None,
        )


def groups_csv(group_by: str, groups: Iterable[Group]) -> str:
    """Groups as CSV, with a line of titles."""
    header = (*GROUP_FIELDS[group_by], *_SUM_COLUMNS)
    lines = (asdict(UsageGroup.of(group_by, group)) for group in groups)
    return csv_lines([header, *([line[name] for name in header] for line in lines)])


def _timestamp(moment: datetime.datetime) -> int | float:
    """Seconds since 1970; whole ones as an int."""
    seconds = (moment - EPOCH).total_seconds()
    return int(seconds) if seconds.is_integer() else seconds
