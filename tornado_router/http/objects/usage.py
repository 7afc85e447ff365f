"""The usage of calls: single calls, groups of calls, and sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from msgspec import UNSET, Meta, Raw, UnsetType, defstruct

from tornado_router.http.objects.base import Count, Dollars, Id, Object, Time, dollars, seconds
from tornado_router.ledger.usage_queries import Group
from tornado_router.storage.tables import dollars as dollars_of_billionths
from tornado_router.usage import QUANTITIES_AND_TOTAL

if TYPE_CHECKING:

    class _Quantities(Object, kw_only=True):
        """The fields of `QUANTITIES_AND_TOTAL`, which are listed in usage.py alone."""
else:
    _Quantities = defstruct(
        "_Quantities",
        [(name, Count) for name in QUANTITIES_AND_TOTAL],
        bases=(Object,),
        kw_only=True,
    )


class Sums(_Quantities, kw_only=True):
    """Sums over calls."""

    requests: Count
    errors: Count
    cost: Dollars

    @classmethod
    def of(cls, sums: Mapping[str, int], **more: Any) -> Self:
        """The object of the sums of a query."""
        total = sums["prompt_tokens"] + sums["completion_tokens"]
        cost = dollars(dollars_of_billionths(sums["cost"]))
        return cls(**{**sums, "total_tokens": total, "cost": cost, **more})


class UsageGroup(Sums, kw_only=True):
    """Sums over the calls that have something in common, such as the model."""

    day: str | UnsetType = UNSET
    model: str | UnsetType | None = UNSET
    provider: str | UnsetType | None = UNSET
    key_id: Id | UnsetType | None = UNSET
    key_name: str | UnsetType | None = UNSET
    user_id: Id | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET


GROUP_FIELDS = {
    "day": ("day",),
    "model": ("model",),
    "provider": ("provider",),
    "key": ("key_id", "key_name"),
    "user": ("user_id", "email"),
}
"""What the calls of a group have in common, by the grouping: the fields for it."""


def usage_group(group_by: str, group: Group) -> UsageGroup:
    """The object of a group."""
    names = zip(GROUP_FIELDS[group_by], (group.value, group.label), strict=False)
    return UsageGroup.of(group.sums, **dict(names))


class Call(_Quantities, kw_only=True):
    """The usage of one call."""

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
    usage_estimated: Annotated[
        bool,
        Meta(description="Whether the tokens are an estimate, as the provider reported none."),
    ]
    cache_hit: Annotated[bool, Meta(description="Whether it was answered from the cache.")]
    cost: Dollars
    uncharged: Annotated[
        Dollars,
        Meta(
            description="Cost that nobody was charged for: beyond the last credits, or of a hedged "
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
            "created_at": seconds(call["created_at"]),
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
